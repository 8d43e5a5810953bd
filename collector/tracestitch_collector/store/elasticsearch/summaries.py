"""Lines of a search result: counts and names of whole traces, for many traces in one round trip."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracestitch_collector.store.elasticsearch.conditions import OWN_EVENTS, SPAN_EVENTS
from tracestitch_collector.store.elasticsearch.fields import (
    DURATION,
    END,
    NAME,
    PARENT,
    SERVICE,
    SPAN_ID,
    STATUS,
    TIME,
    TRACE_ID,
)
from tracestitch_collector.store.elasticsearch.searching import (
    Answer,
    Query,
    Question,
    Searcher,
    all_of,
    by,
    exists,
    term,
)
from tracestitch_collector.store.store import TraceSummary

Hit = Mapping[str, Any]

MAX_SERVICES = 200
IDS_PER_QUESTION = 1000
EXACT_UP_TO = 3_000
"""Spans of a trace whose distinct ids are counted by default."""


def distinct(most: int) -> dict[str, Any]:
    """The same span may have arrived more than once. Exact up to so many, of which each bucket needs memory."""
    # Hashed one by one: a set over all the ordinals of an index for each bucket costs far more than the few spans.
    return {"cardinality": {"field": SPAN_ID, "precision_threshold": most, "execution_hint": "direct"}}


DISTINCT = distinct(40_000)
COUNTS: dict[str, Any] = {
    "spans": distinct(EXACT_UP_TO),
    "errors": {"filter": term(STATUS, "Error")},
    "services": {"terms": {"field": SERVICE, "size": MAX_SERVICES}},
}
COUNTS_OF_COPIES: dict[str, Any] = {
    "spans": DISTINCT,
    "errors": {"filter": term(STATUS, "Error"), "aggs": {"spans": DISTINCT}},
    "services": {"terms": {"field": SERVICE, "size": MAX_SERVICES}, "aggs": {"spans": DISTINCT}},
}
"""Where spans arrived more than once, errors and services are to be counted by distinct spans too."""


def summarise(searcher: Searcher, trace_ids: Sequence[str]) -> tuple[dict[str, TraceSummary], str]:
    """By trace id; and why it is not all, if so."""
    found: dict[str, TraceSummary] = {}
    partial = ""
    for first in range(0, len(trace_ids), IDS_PER_QUESTION):
        more, incomplete = _summarised(searcher, trace_ids[first : first + IDS_PER_QUESTION])
        found |= more
        partial = partial or incomplete
    return found, partial


def _summarised(searcher: Searcher, trace_ids: Sequence[str]) -> tuple[dict[str, TraceSummary], str]:
    answers = searcher.many(_questions(searcher, list(trace_ids)))
    counts, logs, firsts, lasts, roots = answers
    doubled = [bucket["key"] for bucket in _buckets(counts) if _may_be_doubled(bucket)]
    exact = {bucket["key"]: bucket for bucket in _counted_exactly(searcher, doubled)}
    log_counts = {bucket["key"]: bucket["doc_count"] for bucket in _buckets(logs)}
    first, last, root = (_by_trace(answer) for answer in (firsts, lasts, roots))
    found = {
        bucket["key"]: _summary(
            exact.get(bucket["key"], bucket),
            log_counts.get(bucket["key"], 0),
            first[bucket["key"]],
            last[bucket["key"]],
            root.get(bucket["key"]),
        )
        for bucket in _buckets(counts)
        if bucket["key"] in first and bucket["key"] in last
    }
    return found, next((answer.partial for answer in answers if answer.partial), "")


def _may_be_doubled(bucket: Hit) -> bool:
    count: int = bucket["doc_count"]
    return count > EXACT_UP_TO or bucket["spans"]["value"] != count


def _counted_exactly(searcher: Searcher, trace_ids: list[str]) -> Sequence[Hit]:
    if not trace_ids:
        return ()
    by_trace = _each_of(trace_ids)
    answer = searcher.search(
        searcher.spans,
        all_of({"terms": {TRACE_ID: trace_ids}}),
        aggs={"traces": {**by_trace, "aggs": COUNTS_OF_COPIES}},
    )
    return _buckets(answer)


def _questions(searcher: Searcher, trace_ids: list[str]) -> list[Question]:
    ids = {"terms": {TRACE_ID: trace_ids}}
    by_trace = _each_of(trace_ids)

    def one_of_each(order: dict[str, Any], *none_of: Query) -> Question:
        return Question(
            index=searcher.spans,
            query=all_of(ids, none_of=none_of),
            size=len(trace_ids),
            body={
                "collapse": {"field": TRACE_ID},
                "sort": [order, {SPAN_ID: "asc"}],
                "_source": [SERVICE, NAME, TRACE_ID, DURATION],
            },
        )

    return [
        Question(
            index=searcher.spans,
            query=all_of(ids),
            body={"aggs": {"traces": {**by_trace, "aggs": COUNTS}}},
        ),
        Question(
            index=searcher.logs,
            query=all_of(ids, none_of=[SPAN_EVENTS, OWN_EVENTS]),
            body={"aggs": {"traces": by_trace}},
        ),
        one_of_each(by(TIME, "asc")),
        one_of_each(by(END, "desc")),
        one_of_each(by(TIME, "asc"), exists(PARENT)),
    ]


def _each_of(trace_ids: list[str]) -> dict[str, Any]:
    """Without ordinals of every trace of an index: these are few."""
    return {"terms": {"field": TRACE_ID, "size": len(trace_ids), "execution_hint": "map"}}


def _by_trace(answer: Answer) -> dict[str, Hit]:
    return {hit["_source"]["trace_id"]: hit for hit in answer.hits}


def _summary(bucket: Hit, log_count: int, first: Hit, last: Hit, root: Hit | None) -> TraceSummary:
    named = (root or first)["_source"]
    start_ns = first["sort"][0]
    services = {each["key"]: _count(each) for each in bucket["services"]["buckets"]}
    return TraceSummary(
        trace_id=bucket["key"],
        root_service=named.get("resource", {}).get("attributes", {}).get("service.name", ""),
        root_name=named.get("name", ""),
        start_ns=start_ns,
        duration_ns=last["sort"][0] - start_ns,
        span_count=bucket["spans"]["value"],
        error_count=_count(bucket["errors"]),
        log_count=log_count,
        services=dict(sorted(services.items(), key=lambda item: (-item[1], item[0]))),
        has_root=root is not None,
        root_duration_ns=named.get(DURATION, 0) if root is not None else 0,
    )


def _count(bucket: Hit) -> int:
    """Of distinct spans, where these were asked for."""
    found: int = bucket["spans"]["value"] if "spans" in bucket else bucket["doc_count"]
    return found


def _buckets(answer: Answer) -> Sequence[Hit]:
    """Empty where no index exists yet."""
    found: Sequence[Hit] = (answer.aggregations.get("traces") or {}).get("buckets", ())
    return found
