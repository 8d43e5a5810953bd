"""The embedded store: Parquet segments, hot Arrow files and one manifest in the data folder. What it promises
stands in store/store.py; how each question is answered stands in the module named after it.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TypeVar

import pyarrow as pa

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.errors import TracestitchError, Unavailable
from tracestitch_collector.files import DISK, Files
from tracestitch_collector.model import Trace
from tracestitch_collector.store.embedded import findings as finding_states
from tracestitch_collector.store.embedded import log_search, presence, search, services, trace, values
from tracestitch_collector.store.embedded.engine import Engine, MissingFile
from tracestitch_collector.store.embedded.layout import Layout
from tracestitch_collector.store.embedded.snapshot import Snapshot, Snapshots
from tracestitch_collector.store.embedded.walk import Deadline
from tracestitch_collector.store.embedded.writer import Writer
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

Answer = TypeVar("Answer")

ATTEMPTS = 4


class EmbeddedStore:
    def __init__(
        self,
        data: Path,
        *,
        write: bool,
        clock: Callable[[], int] = time.time_ns,
        retention_ns: int = 7 * 86_400 * 1_000_000_000,
        max_bytes: int = 10_000_000_000,
        files: Files = DISK,
    ) -> None:
        layout = Layout(data, files)
        self._writer = (
            Writer(layout, clock=clock, retention_ns=retention_ns, max_bytes=max_bytes) if write else None
        )
        self._snapshots = Snapshots(layout)
        self._engine = Engine()

    def write(self, batch: Batch) -> tuple[Rejected, ...]:
        self._own_writer().write(batch)
        return ()

    def sync(self) -> Offsets:
        return self._own_writer().sync()

    def begin_sync(self) -> Callable[[], Offsets]:
        return self._own_writer().begin_sync()

    def compact(self) -> int:
        return self._own_writer().compact()

    def covered(self) -> Offsets:
        return self._own_writer().covered()

    def recent_digests(self, since_ns: int) -> frozenset[bytes]:
        return self._own_writer().recent_digests(since_ns)

    def trace(self, trace_id: str) -> Trace | None:
        return self._answer(lambda snapshot: trace.read_trace(snapshot, trace_id))

    def traces(self, trace_ids: Sequence[str]) -> tuple[Trace, ...]:
        return self._answer(lambda snapshot: trace.read_traces(snapshot, trace_ids))

    def search(self, query: TraceQuery) -> TracePage:
        return self._answer(lambda snapshot: search.search(snapshot, self._engine, query))

    def search_logs(self, query: LogQuery) -> LogPage:
        return self._answer(lambda snapshot: log_search.search_logs(snapshot, query))

    def values(
        self, window: Window, key: str, *, prefix: str = "", service: str = "", limit: int = 20
    ) -> tuple[str, ...]:
        return self._answer(
            lambda snapshot: values.values(snapshot, window, key, prefix=prefix, service=service, limit=limit)
        )

    def services(self, window: Window, *, deadline_s: float = 10.0) -> Listed[ServiceSummary]:
        return self._answer(lambda snapshot: services.services(snapshot, window, Deadline(deadline_s)))

    def operations(
        self, window: Window, service: str = "", *, deadline_s: float = 10.0
    ) -> Listed[OperationSummary]:
        return self._answer(
            lambda snapshot: services.operations(snapshot, window, service, Deadline(deadline_s))
        )

    def history(
        self, window: Window, service: str, operation: str = "", *, parts: int = 30
    ) -> tuple[Part, ...]:
        return self._answer(
            lambda snapshot: services.history(snapshot, window, service, operation, parts=parts)
        )

    def dependencies(self, window: Window, *, deadline_s: float = 10.0) -> Listed[Dependency]:
        return self._answer(lambda snapshot: services.dependencies(snapshot, window, Deadline(deadline_s)))

    def findings(self) -> tuple[Finding, ...]:
        return self._answer(finding_states.newest)

    def inventories(self, window: Window) -> tuple[Inventory, ...]:
        return self._answer(lambda snapshot: presence.inventories(snapshot, self._engine, window))

    def arrival(self, now_ns: int) -> Arrival:
        return self._answer(lambda snapshot: presence.arrival(snapshot, self._engine, now_ns))

    def stats(self) -> StoreStats:
        return self._answer(presence.stats)

    def close(self) -> None:
        if self._writer:
            self._writer.close()
        self._engine.close()
        self._snapshots.close()

    def _own_writer(self) -> Writer:
        if self._writer is None:
            raise TracestitchError("this store was opened for reading only")
        return self._writer

    def _answer(self, question: Callable[[Snapshot], Answer]) -> Answer:
        """Asks again when a file went away meanwhile, and without those that cannot be read."""
        problem: Exception | None = None
        for _ in range(ATTEMPTS):
            snapshot = self._snapshots.take()
            try:
                return question(snapshot)
            except (MissingFile, OSError, pa.ArrowException) as error:
                problem = error
                self._snapshots.set_aside_unreadable(snapshot)
        raise Unavailable(f"the store's files cannot be read: {problem}") from problem
