"""What must be true of a Celery worker: each task was seen once, beneath what sent it, with its log records, also
those of a child that was recycled and of a worker that was stopped."""

import contextlib
import enum
import signal
import socket
import subprocess
import time
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path

from tests.matrix.cell import Place
from tests.matrix.serving import APPS, AT_THE_END, place_of, summary
from tests.support.agent import free_port, line_of
from tests.support.parts import program
from tracestitch_collector.model import Span

TASKS = 30
# Those of the worker for `mail.py each`: one, ETA, three attempts, a chain of three, a group of two.
EACH, OF_A_CHORD = 10, 3
_PATIENCE_S = 60.0
Run = Callable[[Place], None]


class Broker(enum.Enum):
    REDIS = "redis"
    FOLDER = "filesystem"


@contextlib.contextmanager
def working_broker(kind: Broker, place: Place) -> Iterator[dict[str, str]]:
    """What the app needs to find it."""
    if kind is Broker.FOLDER:
        results = place.folder / "results"
        results.mkdir()
        yield {
            "BROKER_URL": "filesystem://",
            "BROKER_FOLDER": str(place.folder),
            "RESULT_URL": f"file://{results}",
        }
        return
    port = free_port()
    binary = program("redis-server", package="redis-server")
    with process(
        (binary, "--port", str(port), "--bind", "127.0.0.1", "--save", ""), place.folder, {}, "redis"
    ):
        _until(lambda: _listens(port), "redis-server does not listen")
        url = f"redis://127.0.0.1:{port}"
        yield {"BROKER_URL": f"{url}/0", "RESULT_URL": f"{url}/1"}


@contextlib.contextmanager
def process(
    command: Sequence[str], folder: Path, environ: dict[str, str], name: str
) -> Iterator[subprocess.Popen[bytes]]:
    """What it says goes into a file of this name; it is ended as an operator ends it."""
    with (folder / f"{name}.txt").open("wb") as output:
        started = subprocess.Popen(
            command, cwd=APPS, env=environ or None, stdout=output, stderr=subprocess.STDOUT
        )
    try:
        yield started
    finally:
        started.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            started.wait(30)
        started.kill()
        started.wait(30)


def worked_off(kind: Broker, *options: str) -> Run:
    """Tasks sent by another process; the worker is stopped right after the last: nothing was sent by the clock."""

    def run(place: Place) -> None:
        for number in (signal.SIGTERM, signal.SIGINT):
            _worked_off(kind, options, number, place)

    return run


def _worked_off(kind: Broker, options: Sequence[str], number: signal.Signals, place: Place) -> None:
    service = f"{place.service}-{number.name.lower()}"
    folder = place.folder / number.name
    folder.mkdir()
    here = Place(python=place.python, folder=folder, service=service, readings=place.readings)
    with working_broker(kind, here) as broker:
        send(here, broker, str(TASKS))
        with process(
            celery(here, "worker", *options), folder, here.environ(**broker, **AT_THE_END), "worker"
        ) as w:
            _until(lambda: said(folder, "worker").count(" succeeded in ") == TASKS, "", folder)
            w.send_signal(number)
            w.wait(30)
    found = place.readings.settled(service, spans=TASKS)
    assert Counter(span.name for span in found) == {"process mail.deliver": TASKS}, said(folder, "worker")[
        -600:
    ]
    check(here, found)
    bodies = [str(record.body) for record in place.readings.logs(service)]
    letters = [body for body in bodies if body.startswith("delivering to letter")]
    assert sorted(letters) == sorted(f"delivering to letter {number}" for number in range(TASKS))
    assert [body for body in bodies if body.endswith("ready.")], "the worker's own log is not there"


def each_kind(kind: Broker, *options: str) -> Run:
    def run(place: Place) -> None:
        expected = EACH + (OF_A_CHORD if kind is Broker.REDIS else 0)
        with working_broker(kind, place) as broker:
            send(place, broker, "each")
            with process(
                celery(place, "worker", *options), place.folder, place.environ(**broker), "worker"
            ) as worker:
                _until(lambda: len(ran(place)) >= expected, "not all tasks were seen", place.folder)
                worker.terminate()
                worker.wait(30)
        found = ran(place)
        assert len(found) == expected, summary(found)
        check(place, found)
        attempts = sorted(
            str(span.attributes["tracestitch.celery.retries"])
            for span in found
            if span.name.endswith(".insist")
        )
        assert attempts == ["0", "1", "2"]
        assert len({span.trace_id for span in found}) == 1, "a task left the trace that sent it"

    return run


def beaten(kind: Broker, *arguments: str) -> Run:
    """What beat sends starts a trace; the task runs in it."""

    def run(place: Place) -> None:
        environ = {**place.environ()}
        schedule = ("-s", str(place.folder / "schedule"))
        with working_broker(kind, place) as broker, contextlib.ExitStack() as stack:
            environ |= broker
            if arguments[0] == "beat":
                stack.enter_context(
                    process(celery(place, "worker", "--pool", "solo"), place.folder, environ, "worker")
                )
            stack.enter_context(process(celery(place, *arguments, *schedule), place.folder, environ, "beat"))
            _until(lambda: len(ran(place)) >= 3, "what beat sent was not seen", place.folder, "beat")
        check(place, ran(place))

    return run


def in_memory(place: Place) -> None:
    environ = place.environ(BROKER_URL="memory://", RESULT_URL="cache+memory://")
    done = subprocess.run(
        place.observed("python", "mail_in_memory.py"),
        cwd=APPS,
        env=environ,
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )
    assert done.returncode == 0, done.stderr[-600:]
    place.readings.settled(place.service, spans=21)
    found = ran(place)
    assert len(found) == 10
    check(place, found)
    assert len({span.trace_id for span in found}) == 1


def celery(place: Place, *arguments: str) -> list[str]:
    return place.observed("celery", "-A", "mail", *arguments, "--loglevel", "INFO")


def send(place: Place, broker: dict[str, str], what: str) -> None:
    """By a process of its own, which is a service of its own."""
    environ = place.environ(**broker) | {"OTEL_SERVICE_NAME": f"{place.service}-clerk"}
    command = place.observed("python", "mail.py", what)
    done = subprocess.run(
        command, cwd=APPS, env=environ, capture_output=True, text=True, timeout=60, check=False
    )
    assert done.returncode == 0, done.stderr[-600:]


def ran(place: Place) -> list[Span]:
    return [span for span in place.readings.spans(place.service) if span.kind == "consumer"]


def check(place: Place, tasks: Sequence[Span]) -> None:
    """Each beneath the span that sent it, at the task's line, once."""
    senders = {
        span.span_id: span
        for trace in place.readings.traces(place.service)
        for span in trace.spans
        if span.kind == "producer"
    }
    line = line_of(APPS / "mail.py", "# the task")
    for task in tasks:
        assert task.copies == 1
        sender = senders[task.parent_span_id]
        assert sender.attributes["messaging.message.id"] == task.attributes["messaging.message.id"]
        if task.name == "process mail.deliver":
            assert place_of(task) == (str(APPS / "mail.py"), line)
    mine = {trace.trace_id: trace for trace in place.readings.traces(place.service)}
    roots = Counter(s.name for t in mine.values() for s in t.spans if not s.parent_span_id)
    assert set(roots) <= {"morning", "send mail.deliver"}, f"traces of their own: {roots}"


def said(folder: Path, name: str) -> str:
    return (folder / f"{name}.txt").read_text(errors="replace")


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def _until(
    true: Callable[[], bool], otherwise: str, folder: Path | None = None, name: str = "worker"
) -> None:
    deadline = time.monotonic() + _PATIENCE_S
    while not true():
        assert time.monotonic() < deadline, f"{otherwise} {said(folder, name)[-900:] if folder else ''}"
        time.sleep(0.2)
