"""Trace search: which traces have a span that meets every condition, in the order asked for."""

from __future__ import annotations

from dataclasses import replace

import pyarrow as pa

from tracestitch_collector.store.embedded import conditions, summaries, walk
from tracestitch_collector.store.embedded.conditions import Conditions, clamped
from tracestitch_collector.store.embedded.engine import Engine, rows_of
from tracestitch_collector.store.embedded.newest import After, Newest
from tracestitch_collector.store.embedded.snapshot import Snapshot
from tracestitch_collector.store.embedded.trace import trace_bytes
from tracestitch_collector.store.embedded.walk import OLDEST, Deadline
from tracestitch_collector.store.store import TracePage, TraceQuery, Window

AROUND_NS = 3_600 * 1_000_000_000
"""Orders other than by time look at spans of a trace so far outside the window; the summary at all of them."""
MEASURES = {
    "slowest": "max(start_ns::HUGEINT + duration_ns) - min(start_ns)",
    "most_spans": "count(DISTINCT span_id)",
}
COMPARED = {"slowest": 200_000, "most_spans": 50_000}
"""So many traces are measured within the engine's memory; of more, the newest."""


def search(snapshot: Snapshot, engine: Engine, query: TraceQuery) -> TracePage:
    window = clamped(query.window)
    if window.end_ns <= window.start_ns or query.limit < 1:
        return TracePage(traces=())
    asked, deadline = conditions.of_traces(query, window), Deadline(query.deadline_s)
    if query.order != "newest":
        return _measured(snapshot, engine, query, asked, deadline)
    found = Newest(
        snapshot=snapshot,
        asked=asked,
        deadline=deadline,
        wanted=query.limit,
        after=_cursor(query.cursor),
    )
    return found.page(query.service)


def _cursor(text: str) -> After | None:
    first, _, trace_id = text.partition("-")
    after = trace_bytes(trace_id)
    if not first.isdecimal() or len(first) > 19 or after is None:
        return None
    return After(min(int(first), 2**63 - 2), after)


def _measured(
    snapshot: Snapshot,
    engine: Engine,
    query: TraceQuery,
    asked: Conditions,
    deadline: Deadline,
) -> TracePage:
    """The matching traces by a measure of the whole trace."""
    matching, partial = _matching(snapshot, query, asked, deadline)
    window = clamped(
        Window(start_ns=query.window.start_ns - AROUND_NS, end_ns=query.window.end_ns + AROUND_NS)
    )
    whole = snapshot.source("spans", window.start_ns, window.end_ns)
    if not len(matching):
        return TracePage(traces=(), partial=partial)
    rows = rows_of(whole, ["trace_id", "span_id", "start_ns", "duration_ns"])
    found = engine.query(
        f"SELECT trace_id, {MEASURES[query.order]} AS measure FROM {rows} "
        "WHERE trace_id IN (SELECT trace_id FROM matching) "
        "GROUP BY trace_id ORDER BY measure DESC, trace_id LIMIT $limit",
        {"limit": query.limit},
        [whole],
        {"matching": matching},
    )
    page = TracePage(traces=summaries.of_traces(snapshot, found["trace_id"].to_pylist()))
    return replace(page, partial=partial)


def _matching(
    snapshot: Snapshot, query: TraceQuery, asked: Conditions, deadline: Deadline
) -> tuple[pa.Table, str]:
    """Ids of all traces that match, newest first as far as time allows."""
    found: dict[bytes, None] = {}
    limit = COMPARED[query.order]
    for step in walk.steps(snapshot, "spans", asked, {"trace_id"}, service=query.service):
        for rows in step.rows:
            if len(rows):
                found.update(dict.fromkeys(rows["trace_id"].unique().to_pylist()))
        if len(found) > limit:
            partial = (
                f"only the newest {limit:,} traces were compared; choose a shorter time range or a service"
            )
            return _ids(list(found)[:limit]), partial
        if deadline.is_over and step.frontier_ns != OLDEST:
            return _ids(list(found)), deadline.said("only the newest traces were compared")
    return _ids(list(found)), ""


def _ids(found: list[bytes]) -> pa.Table:
    return pa.table({"trace_id": pa.array(found, pa.binary(16))})
