"""A script that shows everything about its threads which an agent might change; it prints and fails on purpose."""

import contextvars
import sys
import threading
import traceback
from concurrent.futures import ThreadPoolExecutor
from multiprocessing.pool import ThreadPool

from opentelemetry import trace

tracer = trace.get_tracer("manners")
language = contextvars.ContextVar("language", default="none")


def show(*words):
    print(*words, flush=True)


def known():
    return trace.get_current_span().get_span_context().is_valid


def fail():
    raise ValueError("on purpose")


class Own(threading.Thread):
    def __init__(self):
        super().__init__(name="own")

    def start(self):
        show("an own start")
        super().start()

    def run(self):
        show("an own run", self.name, language.get(), self.daemon)
        fail()


def run(worker):
    worker.start()
    worker.join()


def threads():
    run(threading.Thread(target=fail))
    run(Own())
    run(threading.Thread(target=lambda: show(language.get(), threading.current_thread().name)))
    run(threading.Timer(0.01, show, ["the timer"]))
    worker = threading.Thread(target=show, args=("a worker",), name="worker", daemon=True)
    show(sorted(vars(worker)))
    run(worker)
    show(sorted(vars(worker)), worker.is_alive())
    try:
        worker.start()
    except RuntimeError as error:
        show(error)


def pools():
    with ThreadPoolExecutor(1, "pool", language.set, ("of the pool",)) as pool:
        show(pool.submit(language.get).result(), pool.submit(threading.current_thread).result().name)
        language.set("of the caller")
        show(list(pool.map(lambda _: language.get(), range(2))))
        error = pool.submit(fail).exception()
        show("".join(traceback.format_exception(error)))
        future = pool.submit(sorted, [2, 1], reverse=True)
        show(future.result())


def traces():
    """What only an agent knows: printed to tell it apart."""
    pool = ThreadPoolExecutor(1)
    with tracer.start_as_current_span("the request"):
        show("in the pool", pool.submit(known).result())
        with ThreadPool(1) as other:
            show("in a worker that the library started", other.apply(known))
        inherited = []
        run(threading.Thread(target=lambda: inherited.append(known())))
        show("in a thread", *inherited)
    show("in the pool afterwards", pool.submit(known).result())
    run(threading.Thread(target=lambda: inherited.append(known())))
    show("in a thread afterwards", inherited[1])


if sys.argv[1] == "traces":
    traces()
else:
    with tracer.start_as_current_span("the request"):
        threads()
        pools()
