"""Columns that every span or log record has and that mostly hold nothing: which they are is told of each row group, so
that nobody reads what is not there.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.store.embedded.manifest import Signal

EMPTY: dict[Signal, dict[str, pa.Scalar]] = {
    "spans": {
        "trace_state": pa.scalar(""),
        "status_message": pa.scalar(""),
        "environment": pa.scalar(""),
        "events": pa.scalar(None, pa.string()),
        "links": pa.scalar(None, pa.string()),
        "attributes_other": pa.scalar(None, pa.string()),
        "flags": pa.scalar(0, pa.uint32()),
        "dropped_attributes_count": pa.scalar(0, pa.uint32()),
        "dropped_events_count": pa.scalar(0, pa.uint32()),
        "dropped_links_count": pa.scalar(0, pa.uint32()),
    },
    "logs": {
        "event_name": pa.scalar(""),
        "severity_text": pa.scalar(""),
        "environment": pa.scalar(""),
        "trace_id": pa.scalar(None, pa.binary(16)),
        "span_id": pa.scalar(None, pa.binary(8)),
        "attributes_other": pa.scalar(None, pa.string()),
        "flags": pa.scalar(0, pa.uint32()),
        "dropped_attributes_count": pa.scalar(0, pa.uint32()),
    },
}
"""What nothing is in each of them. A bit for each, in this order: at most 32, and only more at the end."""


def bits(table: pa.Table, signal: Signal) -> int:
    """Which of the columns hold nothing in all of these rows."""
    found = enumerate(EMPTY[signal].items())
    return sum(1 << bit for bit, (name, nothing) in found if _is_all(table[name], nothing))


def _is_all(column: pa.ChunkedArray, nothing: pa.Scalar) -> bool:
    if not nothing.is_valid or column.null_count:
        return not nothing.is_valid and column.null_count == len(column)
    if pa.types.is_dictionary(column.type):
        return all(chunk.dictionary.to_pylist() == [nothing.as_py()] for chunk in column.chunks)
    return bool(pc.all(pc.equal(column, nothing)).as_py())


def names(signal: Signal, told: int) -> Iterator[str]:
    return (name for bit, name in enumerate(EMPTY[signal]) if told >> bit & 1)


def column(signal: Signal, name: str, rows: int) -> pa.Array:
    """As one that was read would be: texts as dictionaries."""
    nothing = EMPTY[signal][name]
    if not pa.types.is_string(nothing.type):
        return pa.repeat(nothing, rows)
    if nothing.is_valid:
        return pa.DictionaryArray.from_arrays(np.zeros(rows, np.int32), pa.array([nothing.as_py()]))
    return pa.DictionaryArray.from_arrays(pa.nulls(rows, pa.int32()), pa.array([], pa.string()))
