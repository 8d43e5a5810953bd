"""Segments: immutable Parquet files, written once, each with its trace index and the facts of its row groups beside it.
A row group is both a slice of time and whole traces: see order.py.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tracestitch_collector.columns import LOGS, SPANS
from tracestitch_collector.store.embedded import (
    dictionaries,
    empty,
    order,
    rollups,
    row_groups,
    row_terms,
    terms,
    trace_index,
)
from tracestitch_collector.store.embedded.compression import ENCODINGS, codecs
from tracestitch_collector.store.embedded.layout import Layout, place, settle, unfinished_name
from tracestitch_collector.store.embedded.manifest import MAX_SERVICES, Segment, Signal
from tracestitch_collector.store.embedded.order import TIME_COLUMN
from tracestitch_collector.store.embedded.provenance import Provenance, metadata

ROW_GROUP_ROWS = 4_096
"""What is read at least to get one trace; smaller ones compress worse."""
MERGED_ROWS = 65_536
"""So many rows are in memory, and sorted, at a time when segments are merged."""
FIXED = {"spans": frozenset(SPANS.names), "logs": frozenset(LOGS.names)}


class SegmentWriter:
    """Writes row groups one by one, so that a segment may be larger than what fits into memory."""

    def __init__(
        self, layout: Layout, segment_id: int, signal: Signal, schema: pa.Schema, origin: Provenance
    ) -> None:
        self._layout = layout
        self._origin = origin
        self._id = segment_id
        self._signal = signal
        self._schema = dictionaries.schema_of(schema)
        self._index: list[Any] = []
        self._facts: list[row_groups.Fact] = []
        self._rollups: list[rollups.Rollup] = []
        self._services: set[str] = set()
        self._rows = 0
        self._times = _Range()
        self._received = _Range()
        self._path = layout.segments / f"{segment_id:012d}.{signal}.parquet"
        self._writer: pq.ParquetWriter | None = None

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        if self._writer is not None:
            self._writer.close()

    def _opened(self, first: pa.Table) -> pq.ParquetWriter:
        names = self._schema.names
        return pq.ParquetWriter(
            self._layout.files.sink(unfinished_name(self._path)),
            self._schema,
            compression=dict(codecs(self._signal, self._schema, first)),
            use_dictionary=[name for name in names if name not in ENCODINGS],
            column_encoding={name: ENCODINGS[name] for name in names if name in ENCODINGS},
            write_statistics=["start_ns", "time_ns", "duration_ns", "received_ns", "service_name"],
            store_schema=False,
            write_page_checksum=True,
        )

    def write(self, table: pa.Table) -> None:
        """Appends the rows, sorted. Only one row group at a time is copied."""
        table = dictionaries.encoded(table)
        if self._writer is None:
            self._writer = self._opened(table)
        if self._signal == "spans":
            self._rollups.append(rollups.of_spans(table))
        for rows in order.row_groups(table, self._signal, ROW_GROUP_ROWS):
            part = dictionaries.trimmed(table.take(pa.array(rows)))
            self._facts.append(_fact(part, self._signal))
            self._index.append(trace_index.entries(part["trace_id"], len(self._index)))
            self._writer.write_table(aligned(part, self._schema), row_group_size=len(part))
        self._rows += len(table)
        self._times.add(table[TIME_COLUMN[self._signal]])
        self._received.add(table["received_ns"])
        if len(self._services) <= MAX_SERVICES:
            self._services.update(pc.unique(table["service_name"]).to_pylist())

    def finish(self) -> Segment:
        """Closes the files and makes them durable. They are part of the store once a manifest names them."""
        if self._writer is None:
            raise ValueError("a segment without rows: write some before finishing it")
        segment = Segment(
            id=self._id,
            signal=self._signal,
            rows=self._rows,
            row_groups=len(self._index),
            bytes=0,
            min_ns=self._times.lowest,
            max_ns=self._times.highest,
            min_received_ns=self._received.lowest,
            max_received_ns=self._received.highest,
            services=tuple(sorted(self._services)) if len(self._services) <= MAX_SERVICES else (),
        )
        self._writer.add_key_value_metadata(metadata(segment, self._origin))
        self._writer.close()
        files = self._layout.files
        settle(files, self._path, durable=True)
        segment = replace(segment, bytes=self._path.stat().st_size)
        index = self._layout.segments / segment.index_name
        place(files, index, lambda unfinished: trace_index.write(unfinished, self._index), durable=True)
        facts = self._layout.segments / segment.facts_name
        place(files, facts, lambda unfinished: row_groups.write(unfinished, self._facts), durable=True)
        if self._signal == "spans":
            summed = rollups.joined(self._rollups)
            path = self._layout.segments / segment.rollup_name
            place(files, path, lambda unfinished: rollups.write(unfinished, summed), durable=True)
        beside = segment.file_names[1:]
        sizes = [(self._layout.segments / name).stat().st_size for name in beside]
        return replace(segment, beside_bytes=sum(sizes))


def _fact(table: pa.Table, signal: Signal) -> row_groups.Fact:
    times = table[TIME_COLUMN[signal]].to_numpy()
    return row_groups.Fact(
        rows=len(table),
        min_ns=int(times.min()),
        max_ns=int(times.max()),
        max_duration_ns=pc.max(table["duration_ns"]).as_py() if signal == "spans" else 0,
        max_severity=pc.max(table["severity_number"]).as_py() if signal == "logs" else 0,
        empty=empty.bits(table, signal),
        bloom=terms.bloom(row_terms.of_rows(table)),
    )


class _Range:
    def __init__(self) -> None:
        self.lowest = 0
        self.highest = 0
        self._empty = True

    def add(self, values: pa.ChunkedArray) -> None:
        found = pc.min_max(values).as_py()
        if found["min"] is None:
            return
        self.lowest = found["min"] if self._empty else min(self.lowest, found["min"])
        self.highest = found["max"] if self._empty else max(self.highest, found["max"])
        self._empty = False


def opened(path: Path) -> pq.ParquetFile:
    """For reading, so that a flipped bit is an error and no answer."""
    return pq.ParquetFile(path, page_checksum_verification=True)


def aligned(table: pa.Table, schema: pa.Schema) -> pa.Table:
    """The table with exactly these columns, null where it has none of that name."""
    return pa.table([_as(table, field) for field in schema], schema=schema)


def _as(table: pa.Table, field: pa.Field) -> pa.ChunkedArray | pa.Array:
    at = table.schema.get_field_index(field.name)
    if at < 0:
        return pa.nulls(len(table), field.type)
    column = table.column(at)
    return column if column.type == field.type else column.cast(field.type)


def plain_schema(schemas: Iterable[pa.Schema]) -> pa.Schema:
    """The columns of all the schemas, dictionaries as the type of their values."""
    fields: dict[str, pa.Field] = {}
    for schema in schemas:
        for field in schema:
            kind = field.type.value_type if pa.types.is_dictionary(field.type) else field.type
            fields.setdefault(field.name, pa.field(field.name, kind))
    return pa.schema(list(fields.values()))


def write_segment(
    layout: Layout, segment_id: int, signal: Signal, table: pa.Table, origin: Provenance
) -> Segment:
    with SegmentWriter(layout, segment_id, signal, plain_schema([table.schema]), origin) as writer:
        writer.write(table)
        return writer.finish()


def merge_segments(layout: Layout, segment_id: int, parts: list[Segment], origin: Provenance) -> Segment:
    """One segment of the rows of several, streamed: only a row group or so is in memory at a time."""
    signal = parts[0].signal
    paths = [layout.segments / part.file_name for part in parts]
    schema = plain_schema(pq.read_schema(path) for path in paths)
    origin = replace(origin, replaces=tuple(part.file_name for part in parts))
    with SegmentWriter(layout, segment_id, signal, schema, origin) as writer:
        for table in _batched(paths):
            writer.write(table)
        return writer.finish()


def _batched(paths: list[Path]) -> Iterator[pa.Table]:
    """Row groups of the files, several together."""
    waiting: list[pa.Table] = []
    for path in paths:
        texts = [field.name for field in pq.read_schema(path) if pa.types.is_string(field.type)]
        with pq.ParquetFile(path, read_dictionary=texts, page_checksum_verification=True) as file:
            for group in range(file.num_row_groups):
                waiting.append(file.read_row_group(group))
                if sum(map(len, waiting)) >= MERGED_ROWS:
                    yield _joined(waiting)
                    waiting = []
    if waiting:
        yield _joined(waiting)


def _joined(tables: list[pa.Table]) -> pa.Table:
    return pa.concat_tables(tables, promote_options="default").unify_dictionaries().combine_chunks()


def unreadable(path: Path) -> bool:
    """Whether the file is there and not what it should be."""
    try:
        with opened(path) as file:
            check_names(path, file.schema_arrow.names)
            for group in range(file.num_row_groups):
                file.read_row_group(group)
    except FileNotFoundError:
        return False
    except (pa.ArrowException, OSError):
        return True
    return False


def check_names(path: Path, names: Iterable[str]) -> None:
    """Raises where a column is missing that every file has: a footer has no checksum of its own."""
    fixed = FIXED.get(path.name.split(".")[1], frozenset())
    missing = fixed - set(names)
    if missing:
        raise pa.ArrowInvalid(f"{path} is damaged: it has no column {sorted(missing)[0]}")
