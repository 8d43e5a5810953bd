"""What a real collector has of a cell: spans and log records read back from its store."""

import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tests.support.agent import ACCESS_LOGGERS
from tests.support.server import serving
from tracestitch_collector.model import LogRecord, Span, Trace
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import LogQuery, TraceQuery, Window

PATIENCE_S = 20.0
_EVER = Window(start_ns=0, end_ns=2**62)
_PAGE = 1_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Readings:
    endpoint: str
    store: EmbeddedStore

    def traces(self, service: str) -> tuple[Trace, ...]:
        """Each trace with a span of the service."""
        ids: list[str] = []
        cursor = ""
        while True:
            page = self.store.search(TraceQuery(window=_EVER, service=service, limit=_PAGE, cursor=cursor))
            ids += [found.trace_id for found in page.traces]
            cursor = page.next_cursor
            if not cursor:
                return self.store.traces(ids)

    def spans(self, service: str) -> list[Span]:
        """Those of the service, by their start."""
        found = [span for trace in self.traces(service) for span in trace.spans if span.service == service]
        return sorted(found, key=lambda span: span.start_ns)

    def logs(self, service: str, event_name: str = "") -> list[LogRecord]:
        query = LogQuery(window=_EVER, service=service, event_name=event_name, limit=10_000)
        return list(self.store.search_logs(query).records)

    def settled(
        self, service: str, *, spans: int, logs: int = 0, patience_s: float = PATIENCE_S
    ) -> list[Span]:
        """The service's spans once so many of them and of log records within its traces are there, or those that
        came in time: what lacks then is lost."""
        deadline = time.monotonic() + patience_s
        while True:
            traces = self.traces(service)
            found = [span for trace in traces for span in trace.spans if span.service == service]
            records = sum(len(of_the_app(trace)) for trace in traces)
            if (len(found) >= spans and records >= logs) or time.monotonic() > deadline:
                return sorted(found, key=lambda span: span.start_ns)
            time.sleep(0.3)


def of_the_app(trace: Trace) -> list[LogRecord]:
    """Without the access lines of servers."""
    return [record for record in trace.logs if record.scope.name not in ACCESS_LOGGERS]


@contextmanager
def collecting(folder: Path) -> Iterator[Readings]:
    """`tracestitch serve` on free ports with its own folder."""
    with serving(folder) as server:
        store = EmbeddedStore(folder, write=False)
        try:
            yield Readings(endpoint=server.otlp_http, store=store)
        finally:
            store.close()
