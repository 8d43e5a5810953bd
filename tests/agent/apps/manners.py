"""What a process looks like from inside: run bare and with an agent, it has to print the same."""

import atexit
import copy
import inspect
import io
import json
import logging
import logging.config
import pickle
import signal
import sys
import threading
import traceback
import unittest.mock
import warnings
from concurrent.futures import ThreadPoolExecutor

ALSO = sys.argv[1:]
seen = {}


def of_warnings():
    seen["filters"] = [str(one) for one in warnings.filters]
    with warnings.catch_warnings(record=True) as caught:
        warnings.simplefilter("always")
        warnings.warn("mine", DeprecationWarning, stacklevel=1)
    seen["caught"] = [(str(one.message), one.filename.rpartition("/")[2], one.lineno) for one in caught]
    seen["showwarning"] = warnings.showwarning.__module__


def of_logging():
    root = logging.getLogger()
    seen["handlers"] = len(root.handlers)
    seen["last resort"] = str(logging.lastResort)
    seen["levels"] = [
        root.level,
        logging.getLogger("shop").level,
        logging.getLogger("shop").getEffectiveLevel(),
    ]
    seen["classes"] = [logging.getLoggerClass().__name__, logging.getLogRecordFactory().__name__]
    stream = io.StringIO()
    logging.basicConfig(
        stream=stream, level=logging.INFO, format="%(filename)s:%(lineno)d %(funcName)s %(message)s"
    )
    log = logging.getLogger("shop")

    def wrapper():
        log.info("one frame up", stacklevel=2)

    log.info("here %s", "now")
    wrapper()
    log.info("with %s", {"a": 1}, stack_info=True)
    logging.setLogRecordFactory(Special)
    log.info("special")
    logging.setLogRecordFactory(logging.LogRecord)
    logging.config.dictConfig({"version": 1, "disable_existing_loggers": True, "root": {"level": "ERROR"}})
    log.error("disabled")
    seen["after dictConfig"] = [len(root.handlers), root.level, log.disabled]
    text = stream.getvalue()
    seen["lines"] = [line for line in text.splitlines() if "tracestitch" not in line]
    seen["stack shows the agent"] = text.count("tracestitch/")


class Special(logging.LogRecord):
    pass


def of_signals():
    seen["signals"] = {
        name: str(signal.getsignal(getattr(signal, name))).partition(" at ")[0]
        for name in ("SIGINT", "SIGHUP", "SIGUSR1", "SIGCHLD", "SIGALRM", "SIGPIPE")
    }
    seen["blocked"] = sorted(signal.pthread_sigmask(signal.SIG_BLOCK, []))

    def mine(*_):
        seen["mine"] = True

    signal.signal(signal.SIGTERM, mine)
    seen["handler is mine"] = signal.getsignal(signal.SIGTERM) is mine
    signal.raise_signal(signal.SIGTERM)


def depth(number=0):
    try:
        return depth(number + 1)
    except RecursionError:
        return number


def logging_depth(number=0):
    logging.getLogger("deep").debug("at %d", number)
    return logging_depth(number + 1)


def of_recursion():
    seen["limit"] = sys.getrecursionlimit()
    seen["depth"] = depth() // 20  # the frames of the launcher are not there any more
    try:
        logging_depth()
    except RecursionError:
        seen["deep"] = "RecursionError"


def of_what_is_patched():
    patched = (logging.Logger.callHandlers, threading.Thread.start)
    for one in patched:
        seen[f"signature of {one.__qualname__}"] = str(inspect.signature(one))
        seen[f"names of {one.__qualname__}"] = [
            one.__name__,
            one.__qualname__,
            one.__module__,
            type(one).__name__,
        ]
        seen[f"copies of {one.__qualname__}"] = [
            copy.copy(one) is one,
            pickle.loads(pickle.dumps(one)) is one,
        ]
    before = threading.Thread.start
    with unittest.mock.patch.object(threading.Thread, "start") as start:
        threading.Thread(target=print).start()
        seen["mocked"] = start.call_count
    seen["unmocked"] = threading.Thread.start is before
    with unittest.mock.patch.object(logging.Logger, "callHandlers", autospec=True) as handle:
        logging.getLogger("mocked").error("never seen")
        seen["autospec"] = handle.call_count
    with ThreadPoolExecutor(1) as pool:
        seen["pool"] = pool.submit(lambda: 7).result()


def of_tracebacks():
    told = []
    threading.excepthook = lambda args: told.extend(
        frame.filename.rpartition("/")[2] for frame in traceback.extract_tb(args.exc_traceback)
    )
    thread = threading.Thread(target=lambda: 1 / 0)
    thread.start()
    thread.join()
    seen["in a thread"] = told
    seen["hooks"] = [
        sys.excepthook.__module__,
        threading.excepthook.__module__,
        sys.unraisablehook.__module__,
    ]
    with ThreadPoolExecutor(1) as pool:
        error = pool.submit(lambda: {}["x"]).exception()
    seen["in a pool"] = [
        frame.filename.rpartition("/")[2] for frame in traceback.extract_tb(error.__traceback__)
    ]


def of_modules():
    libraries = (
        "django",
        "flask",
        "sqlalchemy",
        "celery",
        "requests",
        "urllib3",
        "httpx",
        "asyncio",
        "sqlite3",
    )
    seen["imported"] = [
        name for name in (*libraries, "multiprocessing", "opentelemetry.sdk") if name in sys.modules
    ]


def of_tracing():
    calls = []
    sys.settrace(lambda frame, event, arg: calls.append(frame.f_code.co_name))
    depth(sys.getrecursionlimit())
    sys.settrace(None)
    seen["traced"] = calls[:1]
    seen["trace function"] = str(sys.gettrace())
    seen["profile function"] = str(sys.getprofile())


for part in (
    of_modules,
    of_warnings,
    of_signals,
    of_recursion,
    of_what_is_patched,
    of_logging,
    of_tracebacks,
    of_tracing,
):
    part()
atexit.register(print, "registered first")
atexit.register(print, "registered last")
print(json.dumps(seen, indent=1))
