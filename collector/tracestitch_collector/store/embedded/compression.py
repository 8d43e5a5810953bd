"""How each column of a segment is written: its encoding, and how its pages are compressed. Reading pays for each page
that zstd packed, however small it is, so zstd takes what is large afterwards and LZ4 the others.
"""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.store.embedded.manifest import Signal

ENCODINGS = {
    "start_ns": "DELTA_BINARY_PACKED",
    "time_ns": "DELTA_BINARY_PACKED",
    "observed_ns": "DELTA_BINARY_PACKED",
    "duration_ns": "BYTE_STREAM_SPLIT",
    "trace_id": "PLAIN",
    "span_id": "PLAIN",
    "parent_span_id": "PLAIN",
    "request_index": "BYTE_STREAM_SPLIT",
}
"""Columns whose values seldom repeat; all others have dictionaries."""
UNCOMPRESSED: dict[Signal, tuple[str, ...]] = {"spans": ("start_ns", "span_id"), "logs": ()}
"""Packed by their encoding already, or random; several log records may be of one span, and of one moment."""
FEW = 48
"""Different values: the dictionary is small, and so are the numbers that stand for them."""
SMALL, LARGE = "lz4", "zstd"


def codecs(signal: Signal, schema: pa.Schema, first: pa.Table) -> Mapping[str, str]:
    """By column, as the first rows suggest; of a column that they lack nothing is known."""
    there = set(first.column_names)
    found = {name: _codec(name, first[name]) if name in there else LARGE for name in schema.names}
    return {**found, **dict.fromkeys(UNCOMPRESSED[signal], "none")}


def _codec(name: str, column: pa.ChunkedArray) -> str:
    return LARGE if name in ENCODINGS or _values(column) > FEW else SMALL


def _values(column: pa.ChunkedArray) -> int:
    if pa.types.is_dictionary(column.type):
        return max((len(chunk.dictionary) for chunk in column.chunks), default=0)
    count: int = pc.count_distinct(column).as_py()
    return count
