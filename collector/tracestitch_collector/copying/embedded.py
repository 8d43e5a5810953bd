"""The embedded store as one side of a copy. Segments and hot rows are read as they lie; to write, nobody else may."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.columns import LOGS, SPANS
from tracestitch_collector.copying.side import Signal
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.embedded.layout import Layout, original_name
from tracestitch_collector.store.embedded.manifest import Segment
from tracestitch_collector.store.embedded.segments import aligned, opened
from tracestitch_collector.store.embedded.snapshot import Snapshot, Snapshots
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import Batch, Rejected, Window
from tracestitch_collector.tables import findings_table

Answer = TypeVar("Answer")

ATTEMPTS = 5
RECEIVED = "received_ns"
IDENTITY = ("request_digest", "request_index")
SCHEMAS = {"spans": SPANS, "logs": LOGS}


class EmbeddedSide:
    name = "embedded"

    def __init__(self, data: Path, store: EmbeddedStore, *, writes: bool) -> None:
        """Closes the store at the end; `writes` says that it was opened for that."""
        self._layout = Layout(data)
        self._snapshots = Snapshots(self._layout)
        self._store = store
        self._writes = writes

    def count(self, signal: Signal, window: Window) -> int:
        def answer(snapshot: Snapshot) -> int:
            return sum(
                segment.rows
                if _is_within(window, segment.min_received_ns, segment.max_received_ns)
                else sum(map(len, self._parts(segment, window, (RECEIVED,))))
                for segment in _segments(snapshot, signal, window)
            ) + len(_received_in(_hot(snapshot, signal), window))

        return self._answered(answer)

    def rows(self, signal: Signal, window: Window) -> pa.Table:
        def answer(snapshot: Snapshot) -> pa.Table:
            parts = [
                part
                for segment in _segments(snapshot, signal, window)
                for part in self._parts(segment, window, None)
            ]
            found = [*parts, _received_in(_hot(snapshot, signal), window)]
            return pa.concat_tables([_original(part, signal) for part in found], promote_options="default")

        return self._answered(answer)

    def findings(self) -> tuple[Finding, ...]:
        return self._store.findings()

    def put(
        self, spans: pa.Table, logs: pa.Table, findings: Sequence[Finding], window: Window
    ) -> tuple[Rejected, ...]:
        return self._store.write(
            Batch(
                spans=self._new(spans, "spans", window),
                logs=self._new(logs, "logs", window),
                findings=findings_table(findings),
                start={},
                end={},
            )
        )

    def settle(self) -> None:
        if self._writes:
            self._store.sync()

    def close(self) -> None:
        self._store.close()
        self._snapshots.close()

    def _new(self, table: pa.Table, signal: Signal, window: Window) -> pa.Table:
        """Without the rows that are here already."""
        if not len(table):
            return table
        known = self._identities(signal, window)
        columns = [table[name].to_pylist() for name in IDENTITY]
        return table.filter(pa.array([pair not in known for pair in zip(*columns, strict=True)], pa.bool_()))

    def _identities(self, signal: Signal, window: Window) -> set[tuple[bytes, int]]:
        def answer(snapshot: Snapshot) -> set[tuple[bytes, int]]:
            found: set[tuple[bytes, int]] = set()
            names = (*IDENTITY, RECEIVED)
            parts = [
                part
                for segment in _segments(snapshot, signal, window)
                for part in self._parts(segment, window, names)
            ]
            for part in (*parts, _received_in(_hot(snapshot, signal), window)):
                found.update(zip(*(part[name].to_pylist() for name in IDENTITY), strict=True))
            return found

        return self._answered(answer)

    def _parts(self, segment: Segment, window: Window, columns: tuple[str, ...] | None) -> Iterator[pa.Table]:
        """The segment's rows in the window, row group by row group; those that lie outside are not read."""
        with opened(self._layout.segments / segment.file_name) as file:
            for group in range(file.num_row_groups):
                if _may_hold(file, group, window):
                    yield _received_in(file.read_row_group(group, columns=columns), window)

    def _answered(self, question: Callable[[Snapshot], Answer]) -> Answer:
        """Asked again where a file went away meanwhile: segments are merged under a reader."""
        problem: Exception | None = None
        for _ in range(ATTEMPTS):
            try:
                return question(self._snapshots.take())
            except (OSError, pa.ArrowException) as error:
                problem = error
        raise Unavailable(f"the store's files cannot be read: {problem}") from problem


def _segments(snapshot: Snapshot, signal: Signal, window: Window) -> list[Segment]:
    return [
        segment
        for segment in snapshot.segments(signal)
        if segment.min_received_ns < window.end_ns and segment.max_received_ns >= window.start_ns
    ]


def _hot(snapshot: Snapshot, signal: Signal) -> pa.Table:
    return snapshot.hot.spans if signal == "spans" else snapshot.hot.logs


def _is_within(window: Window, lowest: int, highest: int) -> bool:
    return window.start_ns <= lowest and highest < window.end_ns


def _may_hold(file: pq.ParquetFile, group: int, window: Window) -> bool:
    at = file.schema_arrow.get_field_index(RECEIVED)
    told: Any = file.metadata.row_group(group).column(at).statistics
    return told is None or not told.has_min_max or (told.min < window.end_ns and told.max >= window.start_ns)


def _received_in(table: pa.Table, window: Window) -> pa.Table:
    times = table[RECEIVED]
    inside = pc.and_(pc.greater_equal(times, window.start_ns), pc.less(times, window.end_ns))
    return table.filter(inside)


def _original(table: pa.Table, signal: Signal) -> pa.Table:
    """With the names and types that a decoder gives."""
    names = [original_name(name) for name in table.column_names]
    plain = [
        pa.field(name, field.type.value_type if pa.types.is_dictionary(field.type) else field.type)
        for name, field in zip(names, table.schema, strict=True)
    ]
    fixed = SCHEMAS[signal]
    fields = [*fixed, *(field for field in plain if field.name not in fixed.names)]
    return aligned(table.rename_columns(names), pa.schema(fields))
