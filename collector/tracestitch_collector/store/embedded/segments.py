"""Segments: immutable Parquet files, written once from sorted rows, each with its trace index."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from tracestitch_collector.store.embedded import trace_index
from tracestitch_collector.store.embedded.layout import Layout, place, settle, unfinished_name
from tracestitch_collector.store.embedded.manifest import MAX_SERVICES, Segment, Signal
from tracestitch_collector.store.embedded.provenance import Provenance, metadata

ROW_GROUP_ROWS = 16_384
"""What is read at least to get one trace; smaller ones compress worse."""
TIME_COLUMN: dict[Signal, str] = {"spans": "start_ns", "logs": "time_ns"}
ORDER: dict[Signal, list[tuple[str, str]]] = {
    "spans": [("trace_id", "ascending"), ("start_ns", "ascending")],
    "logs": [("time_ns", "ascending")],
}
NO_DICTIONARY = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "start_ns",
    "duration_ns",
    "time_ns",
    "request_index",
)
"""Columns whose values seldom repeat."""


class SegmentWriter:
    """Writes row groups one by one, so that a segment may be larger than what fits into memory."""

    def __init__(
        self, layout: Layout, segment_id: int, signal: Signal, schema: pa.Schema, origin: Provenance
    ) -> None:
        self._layout = layout
        self._origin = origin
        self._id = segment_id
        self._signal = signal
        self._schema = schema
        self._index: list[Any] = []
        self._services: set[str] = set()
        self._rows = 0
        self._times = _Range()
        self._received = _Range()
        self._path = layout.segments / f"{segment_id:012d}.{signal}.parquet"
        self._writer = pq.ParquetWriter(
            unfinished_name(self._path),
            schema,
            compression="zstd",
            compression_level=1,
            use_dictionary=[name for name in schema.names if name not in NO_DICTIONARY],
            write_statistics=["start_ns", "time_ns", "duration_ns", "received_ns", "service_name"],
            store_schema=False,
            write_page_checksum=True,
        )

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    def write(self, table: pa.Table) -> None:
        """Appends the rows in order. Only one row group at a time is copied: dictionaries become plain there."""
        order = pc.sort_indices(table, sort_keys=ORDER[self._signal])
        for start in range(0, len(table), ROW_GROUP_ROWS):
            part = aligned(table.take(order.slice(start, ROW_GROUP_ROWS)), self._schema)
            self._index.append(trace_index.entries(part["trace_id"], len(self._index)))
            self._writer.write_table(part, row_group_size=ROW_GROUP_ROWS)
        self._rows += len(table)
        self._times.add(table[TIME_COLUMN[self._signal]])
        self._received.add(table["received_ns"])
        if len(self._services) <= MAX_SERVICES:
            self._services.update(table["service_name"].unique().to_pylist())

    def finish(self) -> Segment:
        """Closes the files and makes them durable. They are part of the store once a manifest names them."""
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
        settle(self._path, durable=True)
        segment = replace(segment, bytes=self._path.stat().st_size)
        index = self._layout.segments / segment.index_name
        place(index, lambda unfinished: trace_index.write(unfinished, self._index), durable=True)
        return segment


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
    columns = [
        table[field.name].cast(field.type)
        if field.name in table.column_names
        else pa.nulls(len(table), field.type)
        for field in schema
    ]
    return pa.table(columns, schema=schema)


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
        for table in _batched(paths, schema):
            writer.write(table)
        return writer.finish()


def _batched(paths: list[Path], schema: pa.Schema) -> Iterator[pa.Table]:
    """Row groups of the files, small ones together."""
    waiting: list[pa.Table] = []
    for path in paths:
        with opened(path) as file:
            for group in range(file.num_row_groups):
                waiting.append(aligned(file.read_row_group(group), schema))
                if sum(map(len, waiting)) >= ROW_GROUP_ROWS:
                    yield pa.concat_tables(waiting)
                    waiting = []
    if waiting:
        yield pa.concat_tables(waiting)


def unreadable(path: Path) -> bool:
    """Whether the file is there and not what it should be."""
    try:
        with opened(path) as file:
            for group in range(file.num_row_groups):
                file.read_row_group(group)
    except FileNotFoundError:
        return False
    except (pa.ArrowException, OSError):
        return True
    return False
