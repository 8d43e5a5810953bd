"""Programs that end in all the ways a program can; the first argument says which."""

import logging
import multiprocessing
import os
import signal
import sys
import time

from opentelemetry import trace

logging.basicConfig(level=logging.WARNING)
tracer = trace.get_tracer("app")


def make(count: int, name: str = "work") -> None:
    for number in range(count):
        with tracer.start_as_current_span(f"{name} {number}"):
            pass


def wait_for_a_signal() -> None:
    print("ready", flush=True)
    while True:
        time.sleep(0.05)


def in_child(name: str) -> None:
    make(3, name)


way = sys.argv[1] if __name__ == "__main__" else ""
if way == "end":
    make(300)
elif way == "wait":
    make(300)
    wait_for_a_signal()
elif way == "own handler":
    signal.signal(signal.SIGTERM, lambda *_: sys.exit(3))
    make(300)
    wait_for_a_signal()
elif way == "raise":
    make(300)
    raise RuntimeError("the end")
elif way == "fork":
    make(3, "parent")
    time.sleep(0.5)
    child = os.fork()
    if child == 0:
        make(3, "child")
        sys.exit(0)
    os.waitpid(child, 0)
elif way == "multiprocessing":
    for method in ("fork", "spawn"):
        process = multiprocessing.get_context(method).Process(target=in_child, args=(method,))
        process.start()
        process.join()
elif way == "logs":
    for number in range(50):
        logging.getLogger("shop").warning("line %d", number)
