"""Log search: newest first, in pages that stay the same while records arrive."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.store.embedded import conditions, walk
from tracestitch_collector.store.embedded.conditions import Conditions, clamped
from tracestitch_collector.store.embedded.footers import FileRows, TableRows
from tracestitch_collector.store.embedded.rows import logs_of
from tracestitch_collector.store.embedded.segments import aligned, plain_schema
from tracestitch_collector.store.embedded.snapshot import Snapshot
from tracestitch_collector.store.embedded.trace import rows_of_traces, trace_bytes
from tracestitch_collector.store.embedded.walk import OLDEST, Deadline
from tracestitch_collector.store.store import LogPage, LogQuery, Window

KEYS = ("time_ns", "request_digest", "request_index")
"""Newest first; the last two tell apart what happened at one moment."""


def search_logs(snapshot: Snapshot, query: LogQuery) -> LogPage:
    window, trace_id = clamped(query.window), trace_bytes(query.trace_id)
    if window.end_ns <= window.start_ns or query.limit < 1 or (query.trace_id and trace_id is None):
        return LogPage(records=())
    cursor = _cursor(query.cursor)
    if cursor:
        window = Window(start_ns=window.start_ns, end_ns=min(window.end_ns, cursor["time_ns"] + 1))
    asked = conditions.of_logs(query, window, trace_id)
    if cursor:
        asked.add(lambda table: _is_after(table, cursor), *KEYS)
    if trace_id is not None:
        rows = rows_of_traces(snapshot, "logs", [trace_id])
        mask = asked.mask(TableRows(rows)) if len(rows) else None
        return _page(rows.slice(0, 0) if mask is None else rows.filter(pa.array(mask)), query.limit)
    return _walked(snapshot, query, asked)


def _walked(snapshot: Snapshot, query: LogQuery, asked: Conditions) -> LogPage:
    """Only what tells the order is read of records that match, then the page's records with all they have."""
    deadline, best, late = Deadline(query.deadline_s), pa.table({}), False
    for step in walk.steps(snapshot, "logs", asked, set(KEYS), service=query.service):
        found = [_recent(rows, query.limit + 1) for rows in (best, *step.rows) if len(rows)]
        best = _first(pa.concat_tables(found), query.limit + 1) if found else best
        if len(best) > query.limit and best["time_ns"][query.limit].as_py() > step.frontier_ns:
            break
        if deadline.is_over and step.frontier_ns != OLDEST:
            late = True
            break
    page = _page(_whole(snapshot, best), query.limit)
    if late:
        return replace(page, partial=deadline.said(f"{len(page.records)} records found so far"))
    return page


def _first(table: pa.Table, count: int) -> pa.Table:
    """The newest, in order."""
    if not len(table):
        return table
    digests = b"".join(table["request_digest"].to_pylist())
    high, low = np.frombuffer(digests, ">u8").reshape(-1, 2).T
    order = np.lexsort((table["request_index"].to_numpy(), low, high, -table["time_ns"].to_numpy()))
    return table.take(pa.array(order[:count]))


def _recent(table: pa.Table, count: int) -> pa.Table:
    """Without what cannot be among so many newest: whole requests may share a moment, so that is few seldom."""
    if len(table) <= 4 * count:
        return table
    times = table["time_ns"].to_numpy()
    least = np.partition(times, len(times) - count)[len(times) - count]
    return table.filter(pa.array(times >= least))


def _whole(snapshot: Snapshot, keys: pa.Table) -> pa.Table:
    """The records with these keys, with all their columns."""
    if not len(keys):
        return keys
    times = keys["time_ns"].to_pylist()
    wanted = {tuple(row.values()) for row in keys.select(KEYS).to_pylist()}
    window = Window(start_ns=min(times), end_ns=max(times) + 1)
    asked = Conditions(window=window, time_column="time_ns")
    moments = pa.array(sorted(set(times)))
    asked.add(lambda table: pc.is_in(table["time_ns"], value_set=moments).to_numpy(), "time_ns")

    def read(place: walk.Place) -> pa.Table:
        path = snapshot.path(place.segment)
        rows = FileRows(snapshot.footers, path, place.row_groups, snapshot.row_groups(place.segment))
        return pa.table({}) if asked.mask(rows) is None else _chosen(rows.everything(), asked, wanted)

    sorted_times = np.array(sorted(times))
    places = [
        place for place in walk.places(snapshot, "logs", asked) if _may_hold(snapshot, place, sorted_times)
    ]
    found = [_chosen(snapshot.hot.logs, asked, wanted), *snapshot.footers.each(read, places)]
    found = [table for table in found if len(table)]
    schema = plain_schema(table.schema for table in found)
    return pa.concat_tables([aligned(table, schema) for table in found])


def _may_hold(snapshot: Snapshot, place: walk.Place, times: npt.NDArray[np.int64]) -> bool:
    fact = snapshot.row_groups(place.segment).facts[place.row_groups[0]]
    at = int(np.searchsorted(times, fact["min_ns"]))
    return at < len(times) and bool(times[at] <= fact["max_ns"])


def _chosen(table: pa.Table, asked: Conditions, wanted: set[tuple[Any, ...]]) -> pa.Table:
    if not len(table):
        return table
    mask = asked.mask(TableRows(table))
    if mask is None:
        return table.slice(0, 0)
    some = table.filter(pa.array(mask))
    keep = [tuple(row.values()) in wanted for row in some.select(KEYS).to_pylist()]
    some = some.filter(pa.array(keep, pa.bool_()))
    used = [
        name
        for name in some.column_names
        if not name.startswith("attr.") or some[name].null_count < len(some)
    ]
    return some.select(used)


def _page(rows: pa.Table, limit: int) -> LogPage:
    if not len(rows):
        return LogPage(records=())
    ordered = _first(rows, limit + 1)
    page = ordered.slice(0, limit)
    last = page.select(KEYS).slice(len(page) - 1).to_pylist()[0]
    return LogPage(
        records=tuple(logs_of(page)),
        next_cursor=f"{last['time_ns']}-{last['request_digest'].hex()}-{last['request_index']}"
        if len(ordered) > limit
        else "",
    )


def _is_after(table: pa.Table, cursor: dict[str, Any]) -> Any:
    time = pc.less(table["time_ns"], cursor["time_ns"])
    same = pc.equal(table["time_ns"], cursor["time_ns"])
    digests = table["request_digest"].cast(pa.binary())
    digest, index = pa.scalar(cursor["request_digest"], pa.binary()), min(cursor["request_index"], 2**31 - 1)
    later = pc.or_(
        pc.greater(digests, digest),
        pc.and_(pc.equal(digests, digest), pc.greater(table["request_index"], index)),
    )
    return pc.or_(time, pc.and_(same, later)).to_numpy()


def _cursor(text: str) -> dict[str, Any] | None:
    parts = text.split("-")
    if len(parts) != 3 or not parts[0].isdecimal() or not parts[2].isdecimal():
        return None
    if max(len(parts[0]), len(parts[2])) > 19:
        return None
    try:
        digest = bytes.fromhex(parts[1])
    except ValueError:
        return None
    return {
        "time_ns": min(int(parts[0]), 2**63 - 2),
        "request_digest": digest,
        "request_index": int(parts[2]),
    }
