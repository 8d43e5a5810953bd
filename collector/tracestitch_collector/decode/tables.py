"""Decoded rows as Arrow tables in the schemas of `columns.py`."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tracestitch_collector.columns import ATTRIBUTE_TYPES, LOGS, SPANS
from tracestitch_collector.decode.attributes import Attributes, Column
from tracestitch_collector.decode.cuts import LIMITS, Cuts
from tracestitch_collector.decode.events import json_text, other_text
from tracestitch_collector.decode.values import INT64_MAX, text
from tracestitch_collector.decode.wire import LogRows, Rows, SpanRows


def spans_table(rows: SpanRows, requests: Sequence[tuple[bytes, int, int]]) -> pa.Table:
    """`requests` are (digest, received_ns, rows) in the order in which they were decoded."""
    count = rows.count
    starts, ends = _times(rows.starts), _times(rows.ends)
    columns = {
        **_origin(rows, requests),
        "trace_id": _ids(rows.trace_ids, 16),
        "span_id": _ids(rows.span_ids, 8),
        "parent_span_id": pa.array(rows.parent_ids, pa.binary(8)),
        "trace_state": _texts(rows.trace_states, count, ""),
        "name": _utf8(rows.names, "name", rows.cuts),
        "kind": pa.array(rows.kinds, pa.int8()),
        "start_ns": pa.array(starts),
        "duration_ns": pa.array(ends - starts),
        "status_code": _numbers(rows.status_codes, count, np.int8),
        "status_message": _texts(rows.messages, count, ""),
        "events": _texts({row: json_text(items) for row, items in rows.events.items()}, count, None),
        "links": _texts({row: json_text(items) for row, items in rows.links.items()}, count, None),
        "dropped_events_count": _numbers(rows.dropped_events, count, np.uint32),
        "dropped_links_count": _numbers(rows.dropped_links, count, np.uint32),
    }
    return _table(SPANS, columns, rows.attributes, count)


def logs_table(rows: LogRows, requests: Sequence[tuple[bytes, int, int]]) -> pa.Table:
    count = rows.count
    is_text = np.ones(count, np.bool_)
    is_text[list(rows.other_bodies)] = False
    origin = _origin(rows, requests)
    times = _times(rows.times)
    columns = {
        **origin,
        # A record that tells no time happened when it came: in 1970 nobody would find it.
        "time_ns": pa.array(np.where(times == 0, origin["received_ns"].to_numpy(), times)),
        "observed_ns": pa.array(_times(rows.observed)),
        "severity_number": pa.array(rows.severities, pa.int8()),
        "severity_text": _utf8(rows.severity_texts, "severity", rows.cuts),
        "body": pa.array(rows.bodies, pa.string()),
        "body_is_text": pa.array(is_text),
        "event_name": _texts(rows.event_names, count, ""),
        "trace_id": pa.array(rows.trace_ids, pa.binary(16)),
        "span_id": pa.array(rows.span_ids, pa.binary(8)),
    }
    return _table(LOGS, columns, rows.attributes, count)


def _origin(rows: Rows, requests: Sequence[tuple[bytes, int, int]]) -> dict[str, pa.Array]:
    """The columns that say from where and with what a row came."""
    sizes = [size for _, _, size in requests]
    received = np.repeat(np.array([moment for _, moment, _ in requests], np.int64), sizes)
    digests = np.repeat(np.frombuffer(b"".join(digest for digest, _, _ in requests), "V16"), sizes)
    numbers = [np.arange(size, dtype=np.int32) for size in sizes]
    resources = np.repeat(np.array(rows.group_resources, np.int32), rows.group_sizes)
    scopes = np.repeat(np.array(rows.group_scopes, np.int32), rows.group_sizes)
    origins = rows.origins
    return {
        "request_digest": _fixed(digests.tobytes(), 16),
        "request_index": pa.array(np.concatenate(numbers) if numbers else np.empty(0, np.int32)),
        "received_ns": pa.array(received),
        "service_name": _repeated(resources, origins.services),
        "environment": _repeated(resources, origins.environments),
        "resource": _repeated(resources, origins.resources),
        "scope": _repeated(scopes, origins.scopes),
        "flags": _numbers(rows.flags, rows.count, np.uint32),
        "dropped_attributes_count": _numbers(rows.dropped_attributes, rows.count, np.uint32),
        "attributes_other": _texts(
            {row: other_text(pairs) for row, pairs in rows.attributes.other.items()}, rows.count, None
        ),
    }


def _table(schema: pa.Schema, columns: dict[str, Any], attributes: Attributes, count: int) -> pa.Table:
    fixed = pa.table([columns[name] for name in schema.names], schema=schema)
    used = [column for column in attributes.columns if column.rows]
    arrays = fixed.columns + [_attribute(column, count) for column in used]
    return pa.table(arrays, names=schema.names + [column.name for column in used])


def _attribute(column: Column, count: int) -> pa.Array:
    values = pa.array(column.values, ATTRIBUTE_TYPES[column.letter])
    return values if len(column.rows) == count else _spread(values, column.rows, count)


def _spread(values: pa.Array, rows: list[int], count: int) -> pa.Array:
    """The values at their rows, null elsewhere."""
    indices = np.full(count, -1, np.int32)
    indices[rows] = np.arange(len(rows), dtype=np.int32)
    return values.take(pa.array(indices, mask=indices < 0))


def _texts(values: Mapping[int, str], count: int, default: str | None) -> pa.Array:
    """A mostly empty column of text."""
    if not values:
        return pa.nulls(count, pa.string()) if default is None else pa.repeat(default, count)
    column: list[str | None] = [default] * count
    for row, value in values.items():
        column[row] = value
    return pa.array(column, pa.string())


def _numbers(values: Mapping[int, int], count: int, kind: type[np.generic]) -> pa.Array:
    """A mostly zero column of numbers."""
    column = np.zeros(count, kind)
    if values:
        column[list(values)] = list(values.values())
    return pa.array(column)


def _repeated(codes: npt.NDArray[np.int32], texts: list[str]) -> pa.Array:
    return pa.array(texts, pa.string()).take(pa.array(codes))


def _times(raw: list[bytes]) -> npt.NDArray[np.int64]:
    """Unsigned times, clamped to what a signed column holds."""
    unsigned = np.frombuffer(b"".join(raw), np.dtype("<u8"))
    clamped: npt.NDArray[np.int64] = np.minimum(unsigned, np.uint64(INT64_MAX)).astype(np.int64)
    return clamped


def _ids(raw: list[bytes], size: int) -> pa.Array:
    return _fixed(b"".join(raw), size)


def _fixed(content: bytes, size: int) -> pa.Array:
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(size), len(content) // size, [None, pa.py_buffer(content)]
    )


def _utf8(raw: list[bytes], what: str, cuts: Cuts) -> pa.Array:
    """Text that repeats: each distinct value is decoded once."""
    decoded = {value: text(value) for value in set(raw)}
    if any(len(value) > LIMITS[what] for value in decoded):
        for value, times in Counter(raw).items():
            decoded[value] = cuts.clip(what, decoded[value], times)
    return pa.array([decoded[value] for value in raw], pa.string())
