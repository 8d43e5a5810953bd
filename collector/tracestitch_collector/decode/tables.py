"""Decoded rows as Arrow tables in the schemas of `columns.py`."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tracestitch_collector.columns import ATTRIBUTE_TYPES, LOGS, SPANS
from tracestitch_collector.decode.attributes import ROW_END, Attributes, Column
from tracestitch_collector.decode.cuts import LIMITS, Cuts
from tracestitch_collector.decode.events import json_text, other_text
from tracestitch_collector.decode.values import INT64_MAX, text
from tracestitch_collector.decode.wire import IDS, TIMES, LogRows, Repeated, Rows, SpanRows

_IDS = np.dtype(
    {
        "names": [name for name, _, _ in IDS],
        "formats": [f"V{size}" for _, _, size in IDS],
        "offsets": [at for _, at, _ in IDS],
        "itemsize": 28,
    }
)
_TIMES = np.dtype(
    {
        "names": [name for name, _ in TIMES],
        "formats": ["<u8" for _ in TIMES],
        "offsets": [at for _, at in TIMES],
        "itemsize": 18,
    }
)
_ROW_END = int.from_bytes(ROW_END, "little", signed=True)


def spans_table(rows: SpanRows, requests: Sequence[tuple[bytes, int, int]]) -> pa.Table:
    """`requests` are (digest, received_ns, rows) in the order in which they were decoded."""
    count = rows.count
    starts, ends = _starts_and_ends(rows.times)
    ids = np.frombuffer(b"".join(rows.ids), _IDS)
    parents = np.frombuffer(b"".join(rows.parent_ids), "<u8")
    columns = {
        **_origin(rows, requests),
        "trace_id": _fixed(ids["trace_id"].tobytes(), 16),
        "span_id": _fixed(ids["span_id"].tobytes(), 8),
        "parent_span_id": _fixed(parents.tobytes(), 8, absent=parents == 0),
        "flags": pa.array(np.frombuffer(b"".join(rows.flags), "<u4")),
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
        "flags": _numbers(rows.flags, count, np.uint32),
        "trace_id": pa.array(rows.trace_ids, pa.binary(16)),
        "span_id": pa.array(rows.span_ids, pa.binary(8)),
    }
    return _table(LOGS, columns, rows.attributes, count)


def _origin(rows: Rows, requests: Sequence[tuple[bytes, int, int]]) -> dict[str, pa.Array]:
    """The columns that say from where and with what a row came."""
    sizes = [size for _, _, size in requests]
    received = np.repeat(np.array([moment for _, moment, _ in requests], np.int64), sizes)
    digests = _fixed(b"".join(digest for digest, _, _ in requests), 16)
    places = np.repeat(np.arange(len(requests), dtype=np.int32), sizes)
    numbers = [np.arange(size, dtype=np.int32) for size in sizes]
    resources = np.repeat(np.array(rows.group_resources, np.int32), rows.group_sizes)
    scopes = np.repeat(np.array(rows.group_scopes, np.int32), rows.group_sizes)
    origins = rows.origins
    return {
        "request_digest": pa.DictionaryArray.from_arrays(pa.array(places), digests),
        "request_index": pa.array(np.concatenate(numbers) if numbers else np.empty(0, np.int32)),
        "received_ns": pa.array(received),
        "service_name": _repeated(resources, origins.services),
        "environment": _repeated(resources, origins.environments),
        "resource": _repeated(resources, origins.resources),
        "scope": _repeated(scopes, origins.scopes),
        "dropped_attributes_count": _numbers(rows.dropped_attributes, rows.count, np.uint32),
        "attributes_other": _texts(
            {row: other_text(pairs) for row, pairs in rows.attributes.other.items()}, rows.count, None
        ),
    }


def _table(schema: pa.Schema, columns: dict[str, Any], attributes: Attributes, count: int) -> pa.Table:
    fields = [pa.field(name, columns[name].type) for name in schema.names]
    arrays = [columns[name] for name in schema.names]
    for name, values in _attribute_columns(attributes, count):
        fields.append(pa.field(name, values.type))
        arrays.append(values)
    return pa.table(arrays, schema=pa.schema(fields))


def _attribute_columns(attributes: Attributes, count: int) -> Iterator[tuple[str, pa.Array]]:
    """The stream of numbers, sorted into the columns that they belong to."""
    stream = np.frombuffer(b"".join(attributes.stream), "<i4")
    is_end = stream == _ROW_END
    is_pair = ~is_end
    rows = np.cumsum(is_end, dtype=np.int32)[is_pair]
    numbers = stream[is_pair]
    # Those of this table alone stand behind the others: they count from below ROW_END down.
    kept = len(attributes.kept.columns)
    numbers = np.where(numbers >= 0, numbers, kept + _ROW_END - 1 - numbers)
    columns = np.array(attributes.kept.columns + attributes.loose.columns)[numbers]
    places = np.array(attributes.kept.places + attributes.loose.places)
    order = np.argsort(columns, kind="stable")
    bounds = np.searchsorted(columns[order], np.arange(len(attributes.columns) + 1))
    for column, begin, end in zip(attributes.columns, bounds, bounds[1:], strict=False):
        if begin < end:
            chosen = order[begin:end]
            number = numbers[chosen]
            place = places[number] + np.where(number >= kept, len(column.values), 0)
            yield column.name, _spread(_values(column), place, rows[chosen], count)


def _values(column: Column) -> pa.Array:
    """Those that come again, then those of this table alone."""
    kind = ATTRIBUTE_TYPES[column.letter]
    packed = pa.array([], kind) if column.packed is None else column.packed
    if len(packed) < len(column.values):
        packed = pa.concat_arrays([packed, pa.array(column.values[len(packed) :], kind)])
        column.packed = packed
    return pa.concat_arrays([packed, pa.array(column.loose, kind)]) if column.loose else packed


def _spread(
    values: pa.Array, places: npt.NDArray[np.int_], rows: npt.NDArray[np.int32], count: int
) -> pa.Array:
    """The values at these places in these rows, null elsewhere."""
    if len(rows) == count:
        return values.take(pa.array(places))
    indices = np.zeros(count, places.dtype)
    indices[rows] = places
    is_absent = np.ones(count, np.bool_)
    is_absent[rows] = False
    return values.take(pa.array(indices, mask=is_absent))


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


def _repeated(codes: npt.NDArray[np.int32], texts: list[str]) -> pa.DictionaryArray:
    return pa.DictionaryArray.from_arrays(pa.array(codes), pa.array(texts, pa.string()))


def _starts_and_ends(raw: list[bytes]) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
    both = np.frombuffer(b"".join(raw), _TIMES)
    return _clamped(both["start"]), _clamped(both["end"])


def _times(raw: list[bytes]) -> npt.NDArray[np.int64]:
    return _clamped(np.frombuffer(b"".join(raw), np.dtype("<u8")))


def _clamped(unsigned: npt.NDArray[np.uint64]) -> npt.NDArray[np.int64]:
    """Unsigned times, as far as a signed column holds them."""
    clamped: npt.NDArray[np.int64] = np.minimum(unsigned, np.uint64(INT64_MAX)).astype(np.int64)
    return clamped


def _fixed(content: bytes, size: int, absent: npt.NDArray[np.bool_] | None = None) -> pa.Array:
    """Values of one size that follow each other; null where they are said to be absent."""
    validity = None
    if absent is not None and absent.any():
        validity = pa.py_buffer(np.packbits(~absent, bitorder="little").tobytes())
    return pa.FixedSizeBinaryArray.from_buffers(
        pa.binary(size), len(content) // size, [validity, pa.py_buffer(content)]
    )


def _utf8(raw: Repeated, what: str, cuts: Cuts) -> pa.Array:
    """Each distinct text is decoded once."""
    numbers = np.frombuffer(b"".join(raw.stream), "<i4")
    decoded = [text(value) for value in raw.distinct()]
    if any(len(value) > LIMITS[what] for value in decoded):
        times = np.bincount(numbers).tolist()
        decoded = [cuts.clip(what, value, count) for value, count in zip(decoded, times, strict=True)]
    return pa.array(decoded, pa.string()).take(pa.array(numbers))
