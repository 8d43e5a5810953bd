"""What must be true of an app under any server: asked many times at once and then stopped, it was seen exactly."""

import os
import secrets
import signal
import sqlite3
from collections import Counter
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path

from tests.matrix.cell import Place
from tests.matrix.readings import of_the_app
from tests.support.agent import App, free_port, line_of, running
from tracestitch_collector.model import Span, Trace

APPS = Path(__file__).parent / "apps"
REQUESTS, CLIENTS = 100, 4
# One of the server, two of queries: the last 300 of a process are those of 100 requests.
SPANS_EACH, LOGS_EACH = 3, 2
# Nothing goes out by the clock: what arrives was sent because the process ended.
AT_THE_END = {"OTEL_BSP_SCHEDULE_DELAY": "60000"}


@dataclass(frozen=True, slots=True, kw_only=True)
class WebApp:
    folder: Path
    path: str
    views: Path
    queries: tuple[str, str] = ("# the first query", "# the second query")

    def lines(self) -> list[int]:
        return [line_of(self.views, mark) for mark in self.queries]


DJANGO = WebApp(
    folder=APPS / "django_shop",
    path="/items/1/",
    views=APPS / "django_shop" / "shop" / "views.py",
)
DJANGO_ASYNC = WebApp(
    folder=DJANGO.folder,
    path="/async-items/1/",
    views=DJANGO.views,
    queries=("# the first awaited query", "# the second awaited query"),
)
FLASK = WebApp(folder=APPS, path="/items/1/", views=APPS / "flask_shop.py")


@dataclass(frozen=True, slots=True)
class Served:
    """A cell's way to run: the command, in which {port} stands for the port, ended by each of the signals."""

    app: WebApp
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=lambda: AT_THE_END)
    signals: tuple[signal.Signals, ...] = (signal.SIGTERM, signal.SIGINT)
    # The signal comes when all has arrived, not right after the last answer.
    sent_by_the_clock: bool = False

    def __call__(self, place: Place) -> None:
        for number in self.signals:
            self._ended_by(number, place)

    def _ended_by(self, number: signal.Signals, place: Place) -> None:
        port, service = free_port(), f"{place.service}-{number.name.lower()}"
        command = place.observed(*(part.replace("{port}", str(port)) for part in self.command))
        environ = place.environ(
            SHOP_DATABASE=str(database(place.folder / f"{service}.sqlite3")),
            **{**self.environ, "OTEL_SERVICE_NAME": service},
        )
        output = place.folder / f"{service}.txt"
        expected = REQUESTS * SPANS_EACH
        with running(command, environ=environ, output=output, port=port, folder=self.app.folder) as app:
            callers = ask(app, self.app.path)
            if self.sent_by_the_clock:
                place.readings.settled(service, spans=expected, logs=REQUESTS * LOGS_EACH)
            end(app, number)
        found = place.readings.settled(service, spans=expected, logs=REQUESTS * LOGS_EACH)
        assert 0.99 * expected <= len(found) <= expected, (
            f"{len(found)} of {expected} spans arrived after {number.name}: {summary(found)}\n{app.said()[-600:]}"
        )
        check(place.readings.traces(service), callers, self.app)


def database(file: Path) -> Path:
    with sqlite3.connect(file) as connection:
        connection.execute("CREATE TABLE shop_item (id INTEGER PRIMARY KEY, name TEXT NOT NULL)")
        connection.execute("INSERT INTO shop_item (name) VALUES ('a lamp')")
    connection.close()
    return file


def ask(app: App, path: str) -> dict[str, str]:
    """Requests of a traced caller, several at a time: the caller's span by its trace."""
    callers = {secrets.token_hex(16): secrets.token_hex(8) for _ in range(REQUESTS)}

    def one(trace_id: str) -> None:
        status, body = app.get(path, {"traceparent": f"00-{trace_id}-{callers[trace_id]}-01"})
        assert (status, b"true" in body) == (200, True), f"{status} {body[:300]!r} {app.said()[-600:]}"

    with ThreadPoolExecutor(CLIENTS) as pool:
        list(pool.map(one, callers))
    return callers


def end(app: App, number: signal.Signals) -> None:
    """SIGTERM to the process that was started, as init and containers do; Ctrl-C to all, as a terminal does."""
    if number is signal.SIGINT:
        os.killpg(app.process.pid, number)
    else:
        app.process.send_signal(number)
    app.process.wait(30)


def check(traces: Sequence[Trace], callers: Mapping[str, str], app: WebApp) -> None:
    """Each trace is one of a caller's and holds what one request leaves; a trace cut short by the end is counted as
    lost spans and not looked at here."""
    strangers = [trace for trace in traces if trace.trace_id not in callers]
    assert not strangers, f"nobody asked for {summary([s for t in strangers for s in t.spans])}"
    lines = [(str(app.views), line) for line in app.lines()]
    for trace in traces:
        if len(trace.spans) < SPANS_EACH:
            continue
        assert [span.copies for span in trace.spans] == [1] * SPANS_EACH
        [server] = [span for span in trace.spans if span.kind == "server"]
        assert server.parent_span_id == callers[trace.trace_id]
        assert server.attributes["http.response.status_code"] == 200
        queries = sorted((s for s in trace.spans if s.kind == "client"), key=lambda span: span.start_ns)
        assert [span.parent_span_id for span in queries] == [server.span_id] * 2, summary(trace.spans)
        assert [place_of(span) for span in queries] == lines, [place_of(span) for span in queries]
    records = Counter(
        record.span_id == server_of(trace)
        for trace in traces
        for record in of_the_app(trace)
        if server_of(trace)
    )
    assert records[False] == 0, f"{records[False]} log records are of another span than their request's"
    assert records[True] >= 0.99 * REQUESTS * LOGS_EACH, f"{records[True]} log records arrived"


def server_of(trace: Trace) -> str:
    return next((span.span_id for span in trace.spans if span.kind == "server"), "")


def place_of(span: Span) -> tuple[object, object]:
    return span.attributes.get("code.file.path"), span.attributes.get("code.line.number")


def summary(spans: Sequence[Span]) -> str:
    return str(Counter(f"{span.kind} {span.name}" for span in spans).most_common(8))


Run = Callable[[Place], None]
