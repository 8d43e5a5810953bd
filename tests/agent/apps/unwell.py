"""A Flask app that answers many requests while its collector is in some state, and then says how that was.

Whoever of its threads waits on the network while a request runs is told on: a request never may.
"""

import json
import logging
import os
import resource
import statistics
import sys
import threading
import time

import flask

app = flask.Flask(__name__)
log = logging.getLogger("shop")
ROUNDS, PAUSE_S = int(sys.argv[1]), float(sys.argv[2])
waits, took_s = [], []


@app.get("/items/<int:number>")
def item(number):
    log.warning("item %d", number)
    return {"number": number}


def tell_on_waiting(event, _):
    if (
        event in ("socket.connect", "socket.getaddrinfo")
        and threading.current_thread() is threading.main_thread()
    ):
        waits.append(event)


def memory_kib():
    with open("/proc/self/statm") as statm:
        return int(statm.read().split()[1]) * resource.getpagesize() // 1024


def rounds(count):
    client, errors = app.test_client(), 0
    for number in range(count):
        begun = time.perf_counter()
        answer = client.get(f"/items/{number}")
        took_s.append(time.perf_counter() - begun)
        errors += answer.status_code != 200 or answer.json != {"number": number}
    return errors


class Quiet(logging.Handler):
    def emit(self, record):
        if record.name == "tracestitch":
            print(f"said {record.getMessage()}", file=sys.stderr)


sys.addaudithook(tell_on_waiting)
logging.getLogger().addHandler(Quiet())
errors = rounds(50)
time.sleep(PAUSE_S)
before = memory_kib()
for _ in range(4):
    errors += rounds(ROUNDS // 4)
    time.sleep(PAUSE_S)
print(
    json.dumps(
        {
            "errors": errors,
            "waits": waits,
            "grown_kib": memory_kib() - before,
            "threads": threading.active_count(),
            "p50_us": statistics.median(took_s) * 1e6,
        }
    ),
    flush=True,
)
if "stay" in sys.argv:
    sys.stdin.readline()
    errors = rounds(5)
    print(json.dumps({"errors": errors}), flush=True)
    sys.stdin.readline()
os.close(1)
left = time.monotonic()
import atexit  # noqa: E402

atexit._run_exitfuncs()
print(f"leaving took {time.monotonic() - left:.2f}", file=sys.stderr)
