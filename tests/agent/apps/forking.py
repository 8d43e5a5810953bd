"""Programs that fork while their agent is exporting, in all the ways a program forks; the first argument says which."""

import logging
import multiprocessing
import os
import signal
import subprocess
import sys
import threading
import time

from opentelemetry import trace

PATIENCE_S = 30
log = logging.getLogger("shop")
tracer = trace.get_tracer("app")
quiet = threading.Event()


def busy():
    """Keeps the exporter sending."""
    while not quiet.is_set():
        with tracer.start_as_current_span("parent's"):
            log.warning("parent's line")
        time.sleep(0.0005)


def work(number=0):
    with tracer.start_as_current_span(f"child {number}"):
        log.warning("child's line")
    return number


def reaped(child):
    """The exit code of a child; one that hangs is killed."""
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        done, status = os.waitpid(child, os.WNOHANG)
        if done:
            return os.waitstatus_to_exitcode(status)
        time.sleep(0.001)
    os.kill(child, signal.SIGABRT)
    os.waitpid(child, 0)
    return "hung"


def forked(number):
    child = os.fork()
    if child == 0:
        quiet.set()
        work(number)
        if number % 4 == 0:
            os._exit(0)
        sys.exit(0)
    return child


def os_fork(count=200):
    codes = []
    for number in range(count):
        codes.append(reaped(forked(number)))
        time.sleep(0.002 * (number % 5))
    return codes


def in_a_thread():
    codes = []

    def fork_here():
        child = os.fork()
        if child == 0:
            work()
            os._exit(0)
        codes.append(reaped(child))

    for _ in range(20):
        thread = threading.Thread(target=fork_here)
        thread.start()
        thread.join()
    return codes


def pools():
    found = []
    for method in ("fork", "spawn", "forkserver"):
        with multiprocessing.get_context(method).Pool(2) as pool:
            found += pool.map(work, range(4))
            pool.close()
            pool.join()
    return [0 if found == [0, 1, 2, 3] * 3 else found]


def preexec():
    return [
        subprocess.run(
            [sys.executable, "-S", "-c", ""], preexec_fn=lambda: log.warning("about to execute")
        ).returncode
        for _ in range(20)
    ]


def daemons():
    for _ in range(4):
        threading.Thread(target=busy, daemon=True).start()
    time.sleep(0.5)
    return [0]


WAYS = {
    "os_fork": os_fork,
    "in_a_thread": in_a_thread,
    "pools": pools,
    "preexec": preexec,
    "daemons": daemons,
}

if __name__ == "__main__":
    logging.basicConfig(level=logging.ERROR)
    logging.getLogger().setLevel(logging.WARNING)
    logging.getLogger().handlers[0].setLevel(logging.ERROR)
    if sys.argv[1] == "forked once":
        sys.exit(reaped(forked(1)))
    threads = [threading.Thread(target=busy, daemon=True) for _ in range(2)]
    for thread in threads:
        thread.start()
    codes = WAYS[sys.argv[1]]()
    if sys.argv[1] != "daemons":
        quiet.set()
    print(sorted({str(code) for code in codes}), len(codes), flush=True)
