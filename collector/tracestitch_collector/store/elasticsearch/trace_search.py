"""Which traces match, in the order asked for.

A trace's place is its earliest matching span, but Elasticsearch can only walk spans. So spans are walked newest
first, one per trace; where the walk has come to a moment, every trace whose earliest match lies after it has been
met, and its place is final.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracestitch_collector.store.elasticsearch.conditions import field_types, span_conditions
from tracestitch_collector.store.elasticsearch.fields import DURATION, TIME, TRACE_ID
from tracestitch_collector.store.elasticsearch.searching import PAGE, Answer, Query, Searcher, all_of, by
from tracestitch_collector.store.elasticsearch.summaries import summarise
from tracestitch_collector.store.store import TracePage, TraceQuery, TraceSummary

CANDIDATES = 200
"""Traces that are looked at whole to find the slowest or the largest."""
MAX_STEPS = 50


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Place:
    """Where a trace stands in the result: newest first, then by id. Its text is the cursor."""

    newness: int
    """Minus the earliest matching start."""
    trace_id: str

    def __str__(self) -> str:
        return f"{-self.newness}-{self.trace_id}"

    @classmethod
    def read(cls, cursor: str) -> Place | None:
        """None for what is no cursor of ours: the search then begins at the start."""
        found = re.fullmatch(r"(-?\d{1,19})-([0-9a-f]{32})", cursor, re.ASCII)
        return cls(newness=-int(found[1]), trace_id=found[2]) if found else None


def search_traces(searcher: Searcher, query: TraceQuery) -> TracePage:
    conditions = span_conditions(query, field_types(searcher, searcher.spans, query))
    if query.window.end_ns <= query.window.start_ns or query.limit < 1:
        return TracePage(traces=())
    if query.order == "newest":
        return _newest(searcher, conditions, query)
    return _largest(searcher, conditions, query)


def _newest(searcher: Searcher, conditions: Query, query: TraceQuery) -> TracePage:
    places, partial = _places(searcher, conditions, Place.read(query.cursor), query.limit + 1)
    shown = places[: query.limit]
    summaries, incomplete = summarise(searcher, [place.trace_id for place in shown])
    return TracePage(
        traces=tuple(summaries[place.trace_id] for place in shown if place.trace_id in summaries),
        next_cursor=str(shown[-1]) if len(places) > query.limit else "",
        partial=partial or incomplete,
    )


def _places(
    searcher: Searcher, conditions: Query, after: Place | None, wanted: int
) -> tuple[list[Place], str]:
    """The next places after the given one, and why they are not all that were wanted, if so."""
    found: dict[str, Place] = {}
    upper = -after.newness if after else None
    size = 10 + 2 * wanted
    for _ in range(MAX_STEPS):
        heads = _newest_span_of_each(searcher, conditions, upper, size)
        starts = [hit["sort"][0] for hit in heads.hits]
        fresh = [_trace_id(hit) for hit in heads.hits if _trace_id(hit) not in found]
        found |= _earliest(searcher, conditions, fresh)
        whole = len(starts) < size
        final = sorted(
            place
            for place in found.values()
            if (whole or -place.newness > starts[-1]) and (after is None or place > after)
        )
        if whole or heads.partial or len(final) >= wanted:
            return final[:wanted], heads.partial
        if upper is not None and starts[-1] >= upper:
            if size >= PAGE:
                return final, f"more than {PAGE:,} traces begin at the same nanosecond"
            size = min(PAGE, size * 4)
        upper = starts[-1]
    return final, "the search looked at many spans and may have missed traces: narrow the window"


def _newest_span_of_each(searcher: Searcher, conditions: Query, upper: int | None, size: int) -> Answer:
    bound: list[Query] = [] if upper is None else [{"range": {TIME: {"lte": upper}}}]
    return _one_of_each(searcher, all_of(conditions, *bound), by(TIME, "desc"), size)


def _one_of_each(searcher: Searcher, query: Query, order: Mapping[str, Any], size: int) -> Answer:
    """The first span of each trace in the order; its sort value is exact, where an aggregation counts in doubles
    and would lose nanoseconds."""
    return searcher.search(
        searcher.spans, query, size=size, collapse={"field": TRACE_ID}, sort=[order], _source=False
    )


def _trace_id(hit: Mapping[str, Any]) -> str:
    trace_id: str = hit["fields"][TRACE_ID][0]
    return trace_id


def _earliest(searcher: Searcher, conditions: Query, trace_ids: Sequence[str]) -> dict[str, Place]:
    if not trace_ids:
        return {}
    query = all_of(conditions, {"terms": {TRACE_ID: list(trace_ids)}})
    answer = _one_of_each(searcher, query, by(TIME, "asc"), len(trace_ids))
    return {_trace_id(hit): Place(newness=-hit["sort"][0], trace_id=_trace_id(hit)) for hit in answer.hits}


def _largest(searcher: Searcher, conditions: Query, query: TraceQuery) -> TracePage:
    """Slowest or most spans. Candidates are chosen by their matching spans, then ordered by the whole traces."""
    wanted = max(CANDIDATES, query.limit)
    if query.order == "slowest":
        order = {DURATION: {"order": "desc", "missing": "_last"}}
        answer = _one_of_each(searcher, conditions, order, wanted)
        ids = [_trace_id(hit) for hit in answer.hits]
    else:
        answer = searcher.search(
            searcher.spans,
            conditions,
            aggregations={"traces": {"terms": {"field": TRACE_ID, "size": wanted}}},
        )
        ids = [bucket["key"] for bucket in answer.aggregations.get("traces", {}).get("buckets", ())]
    summaries, incomplete = summarise(searcher, ids)
    ordered = sorted(summaries.values(), key=lambda summary: _rank(summary, query))
    return TracePage(traces=tuple(ordered[: query.limit]), partial=answer.partial or incomplete)


def _rank(summary: TraceSummary, query: TraceQuery) -> tuple[int, int, str]:
    size = summary.duration_ns if query.order == "slowest" else summary.span_count
    return -size, -summary.start_ns, summary.trace_id
