"""Whole traces: found through the trace indices, so that nothing else is read."""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.model import LogRecord, Span, Trace
from tracestitch_collector.store.embedded import trace_index
from tracestitch_collector.store.embedded.footers import asked
from tracestitch_collector.store.embedded.manifest import Signal
from tracestitch_collector.store.embedded.row_groups import RowGroups
from tracestitch_collector.store.embedded.rows import logs_of, spans_of
from tracestitch_collector.store.embedded.segments import aligned, plain_schema
from tracestitch_collector.store.embedded.snapshot import Snapshot
from tracestitch_collector.traces.identity import merge_copies


def trace_bytes(trace_id: str) -> bytes | None:
    """The id's 16 bytes; None where it is not one."""
    if len(trace_id) != 32 or not trace_id.isascii():
        return None
    try:
        found = bytes.fromhex(trace_id)
    except ValueError:
        return None
    return found if len(found) == 16 and any(found) else None


def read_trace(snapshot: Snapshot, trace_id: str) -> Trace | None:
    found = read_traces(snapshot, [trace_id])
    return found[0] if found else None


def read_traces(snapshot: Snapshot, trace_ids: Sequence[str]) -> tuple[Trace, ...]:
    """Those that are there, each once, in the order in which they are named first."""
    wanted = list(dict.fromkeys(raw for raw in map(trace_bytes, trace_ids) if raw is not None))
    if not wanted:
        return ()
    # Meanwhile another reader looks for the log records: few ids without spans are ever asked for.
    found_logs = snapshot.footers.begin(lambda: tables_of_traces(snapshot, "logs", wanted, alone=True))
    spans: dict[str, list[Span]] = {}
    for table in tables_of_traces(snapshot, "spans", wanted):
        for span in spans_of(table):
            spans.setdefault(span.trace_id, []).append(span)
    logs: dict[str, list[LogRecord]] = {}
    for table in found_logs():
        for record in logs_of(table):
            logs.setdefault(record.trace_id, []).append(record)
    return tuple(
        Trace(
            trace_id=trace_id,
            spans=merge_copies(spans[trace_id]),
            logs=tuple(sorted(logs.get(trace_id, ()), key=_moment)),
        )
        for trace_id in (raw.hex() for raw in wanted)
        if trace_id in spans
    )


def _moment(record: LogRecord) -> tuple[int, int]:
    return record.time_ns, record.observed_ns


def rows_of_traces(
    snapshot: Snapshot, signal: Signal, trace_ids: Sequence[bytes], columns: Collection[str] | None = None
) -> pa.Table:
    """All rows of these traces, with these columns or all, in one table."""
    found = tables_of_traces(snapshot, signal, trace_ids, columns)
    schema = plain_schema(table.schema for table in found)
    return pa.concat_tables([aligned(table, schema) for table in found])


def in_one_place(snapshot: Snapshot, signal: Signal, trace_ids: Sequence[bytes]) -> set[bytes]:
    """Those of the traces that are in one row group of one segment and nowhere else."""
    hot = snapshot.hot.spans if signal == "spans" else snapshot.hot.logs
    places: Counter[int] = Counter()
    hashes = trace_index.hashes(b"".join(trace_ids))
    for segment in snapshot.segments(signal):
        snapshot.index(segment).count(hashes, segment.row_groups, places)
    single = [
        trace_id for trace_id, hashed in zip(trace_ids, hashes.tolist(), strict=True) if places[hashed] == 1
    ]
    if not single or not len(hot):
        return set(single)
    in_hot = pc.is_in(pa.array(single, pa.binary(16)), value_set=hot["trace_id"])
    return {trace_id for trace_id, is_there in zip(single, in_hot.to_pylist(), strict=True) if not is_there}


def tables_of_traces(
    snapshot: Snapshot,
    signal: Signal,
    trace_ids: Sequence[bytes],
    columns: Collection[str] | None = None,
    *,
    alone: bool = False,
) -> list[pa.Table]:
    """At least one, with or without rows: making one of them takes as long as reading them. Alone, no other reader
    helps, as within a reader none may wait for others."""
    wanted = pa.array(trace_ids, pa.binary(16))
    hashes = trace_index.hashes(b"".join(trace_ids))
    hot = snapshot.hot.spans if signal == "spans" else snapshot.hot.logs
    if columns is not None:
        hot = hot.select([name for name in hot.column_names if asked(name, columns)])
    found = [_of_traces(hot, wanted), *_in_segments(snapshot, signal, hashes, wanted, columns, alone)]
    return [table for table in found if len(table)] or found[:1]


def _in_segments(
    snapshot: Snapshot,
    signal: Signal,
    hashes: trace_index.Hashes,
    wanted: pa.Array,
    columns: Collection[str] | None,
    alone: bool,
) -> list[pa.Table]:
    places = [
        (snapshot.path(segment), group, snapshot.row_groups(segment))
        for segment in snapshot.segments(signal)
        for group in snapshot.index(segment).row_groups(hashes, segment.row_groups)
    ]

    def read(place: tuple[str, int, RowGroups]) -> pa.Table:
        path, group, told = place
        return _of_traces(snapshot.footers.read(path, [group], columns, told), wanted)

    if alone:
        return list(map(read, places))
    if len(places) == 1 and columns is None:  # as a trace mostly is
        return [_of_traces(snapshot.footers.read_whole(*places[0]), wanted)]
    # One by one: only what belongs to the traces is kept.
    return snapshot.footers.each(read, places)


def _of_traces(table: pa.Table, wanted: pa.Array) -> pa.Table:
    rows = np.flatnonzero(pc.is_in(table["trace_id"], value_set=wanted).to_numpy())
    if len(rows) and rows[-1] - rows[0] == len(rows) - 1:  # side by side, as a trace is in a row group
        found = table.slice(rows[0], len(rows))
    else:
        found = table.take(pa.array(rows))
    used = [
        name
        for name in found.column_names
        if not name.startswith("attr.") or found[name].null_count < len(found)
    ]
    return found.select(used)
