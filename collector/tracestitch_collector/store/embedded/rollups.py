"""What pages about services need of a segment's spans, summed up when it is written: requests by minute, operation and
duration, all spans by second and service, and calls between services. One file of Arrow streams beside each segment.

Durations are counted in steps of 2.2 %; a step's mean stands for its spans, so percentiles are within 1.1 %.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.store.embedded.layout import stored_name

SECOND_NS = 1_000_000_000
MINUTE_NS = 60 * SECOND_NS
STEPS_PER_DOUBLING = 32
STEPS = 64 * STEPS_PER_DOUBLING
MAX_LOOSE = 8_192
"""Ends of calls whose other end is not in the segment, kept of each side to be matched with other segments'."""
COLUMNS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "service_name",
    "name",
    "kind",
    "start_ns",
    "duration_ns",
    "status_code",
    *(stored_name(f"attr.s.{key}") for key in ("db.system.name", "db.system")),
)
CHECKSUM_BYTES = 4
MAX_REACH = 4_096
"""Numbers that lie so close together need not be sorted to be counted."""
Ints = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Rollup:
    """Three tables; see docs/store.md."""

    operations: pa.Table
    """minute, service, operation, kind, step, requests, errors, total_ns"""
    services: pa.Table
    """second, service, spans, last_ns, requests, errors"""
    calls: pa.Table
    """second, caller, callee, calls, errors"""
    loose: pa.Table
    """second, service, failed, is_caller, key: one end of a call each"""


def of_spans(table: pa.Table) -> Rollup:
    columns = _Columns(table)
    return Rollup(
        operations=_operations(columns),
        services=_services(columns),
        **_calls(columns, table),
    )


class _Columns:
    def __init__(self, table: pa.Table) -> None:
        self.service, self.services = _coded(table["service_name"])
        self.operation, self.operations = _coded(table["name"])
        self.kind = table["kind"].to_numpy().astype(np.int64)
        self.start_ns = table["start_ns"].to_numpy()
        self.duration_ns = table["duration_ns"].to_numpy()
        self.failed: Mask = table["status_code"].to_numpy() == 2
        self.is_request: Mask = (self.kind == 2) | (self.kind == 5)


def _coded(column: pa.ChunkedArray) -> tuple[Ints, pa.Array]:
    """Numbers for the texts, and the text of each number."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    if not pa.types.is_dictionary(whole.type):
        whole = whole.dictionary_encode()
    return whole.indices.to_numpy().astype(np.int64), whole.dictionary


def steps_of(durations_ns: Ints) -> Ints:
    positive = np.maximum(durations_ns, 1).astype(np.float64)
    found: Ints = np.minimum(np.log2(positive) * STEPS_PER_DOUBLING, STEPS - 1).astype(np.int64)
    return found


def _grouped(
    keys: list[Ints], sums: list[npt.NDArray[np.generic]]
) -> tuple[list[Ints], list[Ints], Ints, Ints]:
    """Distinct combinations of the keys, how often each occurs, their sums, and each row's group."""
    if not len(keys[0]):
        empty = np.empty(0, np.int64)
        return [empty for _ in keys], [empty for _ in sums], empty, empty
    combined, reach = np.zeros(len(keys[0]), np.int64), 1
    for key in keys:
        codes, count = _dense(key)
        if reach * count >= 2**63:  # of rows that nearly all differ: as many numbers as rows will do
            distinct, combined = np.unique(combined, return_inverse=True)
            reach = len(distinct)
        combined, reach = combined * count + codes, reach * count
    _, first, group = np.unique(combined, return_index=True, return_inverse=True)
    totals = [np.bincount(group, values, len(first)).astype(np.int64) for values in sums]
    return [key[first] for key in keys], totals, np.bincount(group, minlength=len(first)), group


def _dense(key: Ints) -> tuple[Ints, int]:
    """Small numbers for the key's, and how many there may be."""
    least = int(key.min())
    reach = int(key.max()) - least + 1
    if reach < MAX_REACH:
        return key - least, reach
    values, codes = np.unique(key, return_inverse=True)
    return codes, len(values)


def _operations(of: _Columns) -> pa.Table:
    only = of.is_request
    keys = [of.start_ns[only] // MINUTE_NS, of.service[only], of.operation[only], of.kind[only]]
    durations = of.duration_ns[only]
    (minute, service, operation, kind, step), (errors,), count, group = _grouped(
        [*keys, steps_of(durations)], [of.failed[only]]
    )
    # In doubles: anybody may send spans of centuries, whose sum must not wrap round.
    total = np.bincount(group, durations, len(minute))
    return pa.table(
        {
            "minute": minute,
            "service": _texts(of.services, service),
            "operation": _texts(of.operations, operation),
            "kind": kind.astype(np.int8),
            "step": step.astype(np.int16),
            "requests": count,
            "errors": errors,
            "total_ns": total,
        }
    )


def _services(of: _Columns) -> pa.Table:
    (second, service), (requests, errors), count, group = _grouped(
        [of.start_ns // SECOND_NS, of.service], [of.is_request, of.is_request & of.failed]
    )
    last = np.zeros(len(second), np.int64)
    np.maximum.at(last, group, of.start_ns)
    return pa.table(
        {
            "second": second,
            "service": _texts(of.services, service),
            "spans": count,
            "last_ns": last,
            "requests": requests,
            "errors": errors,
        }
    )


def _calls(of: _Columns, table: pa.Table) -> dict[str, pa.Table]:
    traces = _words(table["trace_id"]).reshape(-1, 2)
    trace = traces[:, 0] * np.uint64(0x9E3779B97F4A7C15) ^ traces[:, 1] * np.uint64(0xD6E8FEB86659FD93)
    calling = np.flatnonzero(((of.kind == 3) | (of.kind == 4)) & ~_is_statement(table))
    called = np.flatnonzero(of.is_request & table["parent_span_id"].is_valid().to_numpy())
    ends = [
        _ends(of, calling, (trace ^ _words(table["span_id"]))[calling], is_caller=True),
        _ends(of, called, (trace ^ _words(table["parent_span_id"]))[called], is_caller=False),
    ]
    calls, loose = matched(pa.concat_tables(ends))
    return {"calls": calls, "loose": loose}


def _ends(of: _Columns, rows: Ints, keys: npt.NDArray[np.uint64], *, is_caller: bool) -> pa.Table:
    return pa.table(
        {
            "second": of.start_ns[rows] // SECOND_NS,
            "service": _texts(of.services, of.service[rows]).cast(pa.string()),
            "failed": of.failed[rows],
            "is_caller": np.full(len(rows), is_caller),
            "key": keys,
        }
    )


def _is_statement(table: pa.Table) -> Mask:
    """Calls to a database, which never have another end."""
    found = np.zeros(len(table), bool)
    for name in COLUMNS[-2:]:
        if name in table.column_names:
            found |= table[name].is_valid().to_numpy()
    return found


def _words(column: pa.ChunkedArray) -> npt.NDArray[np.uint64]:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    width = whole.type.byte_width
    raw = whole.buffers()[1]
    if raw is None:
        return np.empty(0, np.uint64)
    return np.frombuffer(raw, "<u8", len(whole) * width // 8, whole.offset * width)


def matched(ends: pa.Table) -> tuple[pa.Table, pa.Table]:
    """Calls between services whose both ends are there, and the ends that are left. Each end called counts once."""
    keys, is_caller = ends["key"].to_numpy(), ends["is_caller"].to_numpy()
    callers, called = np.flatnonzero(is_caller), np.flatnonzero(~is_caller)
    order = callers[np.argsort(keys[callers], kind="stable")]
    at = np.searchsorted(keys[order], keys[called])
    there = at < len(order)
    there[there] = keys[order[at[there]]] == keys[called[there]]
    caller, callee = order[at[there]], called[there]
    service, names = _coded(ends["service"])
    failed = ends["failed"].to_numpy()
    apart = service[caller] != service[callee]
    one, other = caller[apart], callee[apart]
    (second, calling, answering), (errors,), count, _ = _grouped(
        [ends["second"].to_numpy()[other], service[one], service[other]], [failed[one] | failed[other]]
    )
    calls = pa.table(
        {
            "second": second,
            "caller": _texts(names, calling),
            "callee": _texts(names, answering),
            "calls": count,
            "errors": errors,
        }
    )
    left = np.ones(len(keys), bool)
    left[caller] = left[callee] = False
    rest = np.flatnonzero(left)
    kept = [rest[is_caller[rest]][-MAX_LOOSE:], rest[~is_caller[rest]][-MAX_LOOSE:]]
    return calls, ends.take(pa.array(np.concatenate(kept)))


def _texts(names: pa.Array, codes: Ints) -> pa.DictionaryArray:
    used, compact = np.unique(codes, return_inverse=True)
    return pa.DictionaryArray.from_arrays(pa.array(compact.astype(np.int32)), names.take(pa.array(used)))


def joined(parts: Sequence[Rollup]) -> Rollup:
    """One of all the parts; ends of calls that lie in different parts are matched."""
    if len(parts) == 1:
        return parts[0]
    calls, loose = matched(_table([part.loose for part in parts]))
    minutes = _table([part.operations for part in parts])
    sums = [(name, "sum") for name in ("requests", "errors", "total_ns")]
    summed = minutes.group_by(["minute", "service", "operation", "kind", "step"]).aggregate(sums)
    summed = summed.rename_columns([name.removesuffix("_sum") for name in summed.column_names])
    return Rollup(
        operations=_repeating(summed.select(minutes.column_names)),
        services=_repeating(_table([part.services for part in parts])),
        calls=_repeating(_table([*(part.calls for part in parts), calls])),
        loose=loose,
    )


def _table(parts: Sequence[pa.Table]) -> pa.Table:
    """All rows, with texts instead of dictionaries."""
    return pa.concat_tables([_plain(part) for part in parts])


def _plain(table: pa.Table) -> pa.Table:
    for at, field in enumerate(table.schema):
        if pa.types.is_dictionary(field.type):
            table = table.set_column(at, field.name, table.column(at).cast(field.type.value_type))
    return table


def _repeating(table: pa.Table) -> pa.Table:
    for at, field in enumerate(table.schema):
        if pa.types.is_string(field.type):
            table = table.set_column(at, field.name, table.column(at).combine_chunks().dictionary_encode())
    return table


# The file


def write(path: Path, rollup: Rollup) -> None:
    sink = pa.BufferOutputStream()
    for table in (rollup.operations, rollup.services, rollup.calls, rollup.loose):
        with pa.ipc.new_stream(
            sink, table.schema, options=pa.ipc.IpcWriteOptions(compression="zstd")
        ) as stream:
            stream.write_table(table.combine_chunks())
    content = sink.getvalue().to_pybytes()
    path.write_bytes(content + crc32(content).to_bytes(CHECKSUM_BYTES, "little"))


def read(path: Path) -> Rollup | None:
    """None where it is not what it was written as: the spans themselves tell the same."""
    try:
        whole = path.read_bytes()
    except OSError:
        return None
    content = whole[:-CHECKSUM_BYTES]
    if len(whole) < CHECKSUM_BYTES or crc32(content).to_bytes(CHECKSUM_BYTES, "little") != whole[-4:]:
        return None
    source = pa.BufferReader(content)
    operations, services, calls, loose = (pa.ipc.open_stream(source).read_all() for _ in range(4))
    return Rollup(operations=operations, services=services, calls=calls, loose=loose)


def clipped(rollup: Rollup, start_ns: int, end_ns: int) -> Rollup:
    """Of whole minutes, those that begin in the window."""
    return Rollup(
        operations=_between(rollup.operations, "minute", start_ns // MINUTE_NS, end_ns // MINUTE_NS),
        services=_between(rollup.services, "second", start_ns // SECOND_NS, end_ns // SECOND_NS),
        calls=_between(rollup.calls, "second", start_ns // SECOND_NS, end_ns // SECOND_NS),
        loose=_between(rollup.loose, "second", start_ns // SECOND_NS, end_ns // SECOND_NS),
    )


def _between(table: pa.Table, column: str, first: int, end: int) -> pa.Table:
    values = table[column]
    return table.filter(pc.and_(pc.greater_equal(values, first), pc.less(values, end)))
