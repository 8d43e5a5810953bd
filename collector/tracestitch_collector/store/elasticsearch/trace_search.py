"""Which traces match, in the order asked for.

A trace's place is its earliest matching span, but Elasticsearch can only walk spans. So spans are walked newest
first; where the walk has come to a moment, every trace whose earliest match lies after it has been met, and its place
is final.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from tracestitch_collector.store.elasticsearch.conditions import field_types, span_conditions
from tracestitch_collector.store.elasticsearch.fields import DURATION, TIME, TRACE_ID
from tracestitch_collector.store.elasticsearch.searching import MAX_LONG, Query, Searcher, all_of, by
from tracestitch_collector.store.elasticsearch.summaries import summarise
from tracestitch_collector.store.elasticsearch.walk import trace_id, walk
from tracestitch_collector.store.store import TracePage, TraceQuery, TraceSummary

CANDIDATES = 200
"""Traces that are looked at whole to find the slowest or the largest."""
SPANS_PER_TRACE = 16
"""So many spans are asked for, for each trace that is wanted."""


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
    final: list[Place] = []
    reached = MAX_LONG
    bound: list[Query] = [] if after is None else [{"range": {TIME: {"lte": -after.newness}}}]
    for step in walk(searcher, all_of(conditions, *bound), by(TIME, "desc"), SPANS_PER_TRACE * wanted):
        found |= _earliest(searcher, conditions, step.fresh)
        reached = step.reached if step.reached is not None else reached
        final = sorted(
            place
            for place in found.values()
            if (step.is_whole or -place.newness > reached) and (after is None or place > after)
        )
        if step.is_last or len(final) >= wanted:
            return final[:wanted], step.partial
    return final[:wanted], ""


def _earliest(searcher: Searcher, conditions: Query, trace_ids: Sequence[str]) -> dict[str, Place]:
    if not trace_ids:
        return {}
    answer = searcher.search(
        searcher.spans,
        all_of(conditions, {"terms": {TRACE_ID: list(trace_ids)}}),
        size=len(trace_ids),
        collapse={"field": TRACE_ID},
        sort=[by(TIME, "asc")],
        _source=False,
    )
    return {trace_id(hit): Place(newness=-hit["sort"][0], trace_id=trace_id(hit)) for hit in answer.hits}


def _largest(searcher: Searcher, conditions: Query, query: TraceQuery) -> TracePage:
    """Slowest or most spans. Candidates are chosen by their matching spans, then ordered by the whole traces."""
    wanted = max(CANDIDATES, query.limit)
    ids, partial = (_slowest if query.order == "slowest" else _most_spans)(searcher, conditions, wanted)
    summaries, incomplete = summarise(searcher, ids)
    ordered = sorted(summaries.values(), key=lambda summary: _rank(summary, query))
    return TracePage(traces=tuple(ordered[: query.limit]), partial=partial or incomplete)


def _slowest(searcher: Searcher, conditions: Query, wanted: int) -> tuple[list[str], str]:
    order = {DURATION: {"order": "desc", "missing": "_last"}}
    ids: list[str] = []
    for step in walk(searcher, conditions, order, SPANS_PER_TRACE * wanted):
        ids += step.fresh
        if step.is_last or len(ids) >= wanted:
            return ids[:wanted], step.partial
    return ids[:wanted], ""


def _most_spans(searcher: Searcher, conditions: Query, wanted: int) -> tuple[list[str], str]:
    answer = searcher.search(
        searcher.spans, conditions, aggregations={"traces": {"terms": {"field": TRACE_ID, "size": wanted}}}
    )
    buckets = answer.aggregations.get("traces", {}).get("buckets", ())
    return [bucket["key"] for bucket in buckets], answer.partial


def _rank(summary: TraceSummary, query: TraceQuery) -> tuple[int, int, str]:
    size = summary.duration_ns if query.order == "slowest" else summary.span_count
    return -size, -summary.start_ns, summary.trace_id
