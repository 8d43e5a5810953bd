"""The Elasticsearch store: the `Store` Protocol over data streams."""

from __future__ import annotations

import itertools
import time
from collections.abc import Callable, Sequence

from elasticsearch import ApiError, Elasticsearch

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.errors import TracestitchError, Unavailable
from tracestitch_collector.model import Trace
from tracestitch_collector.store.elasticsearch.bulk import Bulk
from tracestitch_collector.store.elasticsearch.client import answering, connect
from tracestitch_collector.store.elasticsearch.dependencies import read_dependencies
from tracestitch_collector.store.elasticsearch.documents import Action, log_lines, span_lines
from tracestitch_collector.store.elasticsearch.findings import finding_actions, read_findings
from tracestitch_collector.store.elasticsearch.inventories import read_inventories
from tracestitch_collector.store.elasticsearch.log_search import search_logs
from tracestitch_collector.store.elasticsearch.offsets import read_offsets, write_offsets
from tracestitch_collector.store.elasticsearch.origins import Origins
from tracestitch_collector.store.elasticsearch.routing import Router
from tracestitch_collector.store.elasticsearch.searching import Searcher
from tracestitch_collector.store.elasticsearch.service_summaries import (
    read_history,
    read_operations,
    read_services,
)
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.elasticsearch.setup import install_templates
from tracestitch_collector.store.elasticsearch.stats import read_arrival, read_stats
from tracestitch_collector.store.elasticsearch.suggestions import read_values
from tracestitch_collector.store.elasticsearch.trace_search import search_traces
from tracestitch_collector.store.elasticsearch.traces import read_traces
from tracestitch_collector.store.store import (
    Arrival,
    Batch,
    Dependency,
    Inventory,
    Listed,
    LogPage,
    LogQuery,
    Offsets,
    OperationSummary,
    Part,
    Rejected,
    ServiceSummary,
    StoreStats,
    TracePage,
    TraceQuery,
    Window,
)


class ElasticsearchStore:
    """See `Store`. Safe to use from several threads when reading."""

    def __init__(
        self,
        settings: ElasticsearchSettings,
        client: Elasticsearch,
        *,
        write: bool,
        pause: Callable[[float], None] = time.sleep,
    ) -> None:
        self._settings = settings
        self._write = write
        self._client = client
        self._searcher = Searcher(client=client, settings=settings, pause=pause)
        self._router = Router(namespace=settings.namespace)
        self._origins = Origins()
        self._streams = Bulk(client=client, settings=settings, pause=pause)
        self._findings = Bulk(client=client, settings=settings, pause=pause, data_streams=False)
        self._written = read_offsets(settings.data)
        self._templates_ready = False

    @classmethod
    def open(cls, settings: ElasticsearchSettings, *, write: bool) -> ElasticsearchStore:
        """Asks nothing of the server yet, so it opens while Elasticsearch is away. Templates are installed with
        the first write. Raises `BadConfiguration`."""
        return cls(settings, connect(settings), write=write)

    def write(self, batch: Batch) -> tuple[Rejected, ...]:
        self._refuse_unless_writing()
        try:
            self._prepare()
            rejected = self._send(batch)
        except Unavailable:
            # Somebody may have taken the templates away: look again before the next attempt.
            self._templates_ready = False
            raise
        self._written |= batch.end
        return rejected

    def _send(self, batch: Batch) -> tuple[Rejected, ...]:
        telemetry = self._streams.send_lines(
            itertools.chain(
                span_lines(batch.spans, self._router, self._origins),
                log_lines(batch.logs, self._router, self._origins),
            )
        )
        findings = self._findings.send(finding_actions(batch.findings, self._settings.findings_index))
        return (*telemetry.rejected, *findings.rejected)

    def resend(self, letters: Sequence[Rejected]) -> tuple[Rejected, ...]:
        """Gives what was rejected before to Elasticsearch once more, under the same identity, so that nothing is
        there twice. Returns what is rejected still; raises `Unavailable`."""
        self._refuse_unless_writing()
        self._prepare()
        actions = [
            Action(signal=letter.signal, line=letter.identity.encode(), document=letter.document.encode())
            for letter in letters
        ]
        telemetry = self._streams.send(action for action in actions if action.signal != "findings")
        findings = self._findings.send(action for action in actions if action.signal == "findings")
        return (*telemetry.rejected, *findings.rejected)

    def _prepare(self) -> None:
        if self._templates_ready:
            return
        try:
            with answering(self._settings):
                install_templates(self._client)
        except Unavailable as error:
            cause = error.__cause__
            if not isinstance(cause, ApiError) or cause.meta.status != 403:
                raise
            # A key that may only write: whoever set it up has installed the templates. Where not, each write
            # is refused for want of a data stream, and says so.
        self._templates_ready = True

    def _refuse_unless_writing(self) -> None:
        if not self._write:
            raise TracestitchError("this store was opened for reading only")

    def sync(self) -> Offsets:
        """Elasticsearch has fsynced what it acknowledged (index.translog.durability), so only the offsets are
        left to write."""
        return self.begin_sync()()

    def begin_sync(self) -> Callable[[], Offsets]:
        self._refuse_unless_writing()
        written = dict(self._written)

        def record() -> Offsets:
            write_offsets(self._settings.data, written)
            return written

        return record

    def covered(self) -> Offsets:
        return read_offsets(self._settings.data)

    def recent_digests(self, since_ns: int) -> frozenset[bytes]:
        """Empty: a row's `_id` is its identity."""
        del since_ns
        return frozenset()

    def trace(self, trace_id: str) -> Trace | None:
        return next(iter(read_traces(self._searcher, [trace_id])), None)

    def traces(self, trace_ids: Sequence[str]) -> tuple[Trace, ...]:
        return read_traces(self._searcher, trace_ids)

    def search(self, query: TraceQuery) -> TracePage:
        return search_traces(self._searcher.within(query.deadline_s), query)

    def search_logs(self, query: LogQuery) -> LogPage:
        return search_logs(self._searcher.within(query.deadline_s), query)

    def values(
        self, window: Window, key: str, *, prefix: str = "", service: str = "", limit: int = 20
    ) -> tuple[str, ...]:
        return read_values(self._searcher, window, key, prefix=prefix, service=service, limit=limit)

    def services(self, window: Window, *, deadline_s: float = 10.0) -> Listed[ServiceSummary]:
        return read_services(self._searcher.within(deadline_s), window)

    def operations(
        self, window: Window, service: str = "", *, deadline_s: float = 10.0
    ) -> Listed[OperationSummary]:
        return read_operations(self._searcher.within(deadline_s), window, service)

    def history(
        self, window: Window, service: str, operation: str = "", *, parts: int = 30
    ) -> tuple[Part, ...]:
        return read_history(self._searcher, window, service, operation, parts=parts)

    def dependencies(self, window: Window, *, deadline_s: float = 10.0) -> Listed[Dependency]:
        return read_dependencies(self._searcher.within(deadline_s), window)

    def findings(self) -> tuple[Finding, ...]:
        return read_findings(self._searcher)

    def inventories(self, window: Window) -> tuple[Inventory, ...]:
        return read_inventories(self._searcher, window)

    def arrival(self, now_ns: int) -> Arrival:
        return read_arrival(self._searcher, now_ns)

    def stats(self) -> StoreStats:
        return read_stats(self._searcher)

    def close(self) -> None:
        self._client.close()
