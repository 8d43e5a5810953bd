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
DISTINCT = {"cardinality": {"field": SPAN_ID, "precision_threshold": 40_000}}
"""Exact up to that many: the same span may have arrived more than once."""


COUNTS: dict[str, Any] = {
    "spans": DISTINCT,
    "errors": {"filter": term(STATUS, "Error"), "aggs": {"spans": DISTINCT}},
    "services": {"terms": {"field": SERVICE, "size": MAX_SERVICES}, "aggs": {"spans": DISTINCT}},
}


def summarise(searcher: Searcher, trace_ids: Sequence[str]) -> tuple[dict[str, TraceSummary], str]:
    """By trace id; and why it is not all, if so."""
    if not trace_ids:
        return {}, ""
    answers = searcher.many(_questions(searcher, list(trace_ids)))
    counts, logs, firsts, lasts, roots = answers
    log_counts = {bucket["key"]: bucket["doc_count"] for bucket in _buckets(logs)}
    first, last, root = (_by_trace(answer) for answer in (firsts, lasts, roots))
    found = {
        bucket["key"]: _summary(
            bucket,
            log_counts.get(bucket["key"], 0),
            first[bucket["key"]],
            last[bucket["key"]],
            root.get(bucket["key"]),
        )
        for bucket in _buckets(counts)
        if bucket["key"] in first and bucket["key"] in last
    }
    return found, next((answer.partial for answer in answers if answer.partial), "")


def _questions(searcher: Searcher, trace_ids: list[str]) -> list[Question]:
    ids = {"terms": {TRACE_ID: trace_ids}}
    by_trace = {"terms": {"field": TRACE_ID, "size": len(trace_ids)}}

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


def _by_trace(answer: Answer) -> dict[str, Hit]:
    return {hit["_source"]["trace_id"]: hit for hit in answer.hits}


def _summary(bucket: Hit, log_count: int, first: Hit, last: Hit, root: Hit | None) -> TraceSummary:
    named = (root or first)["_source"]
    start_ns = first["sort"][0]
    services = {each["key"]: each["spans"]["value"] for each in bucket["services"]["buckets"]}
    return TraceSummary(
        trace_id=bucket["key"],
        root_service=named.get("resource", {}).get("attributes", {}).get("service.name", ""),
        root_name=named.get("name", ""),
        start_ns=start_ns,
        duration_ns=last["sort"][0] - start_ns,
        span_count=bucket["spans"]["value"],
        error_count=bucket["errors"]["spans"]["value"],
        log_count=log_count,
        services=dict(sorted(services.items(), key=lambda item: (-item[1], item[0]))),
        has_root=root is not None,
        root_duration_ns=named.get(DURATION, 0) if root is not None else 0,
    )


def _buckets(answer: Answer) -> Sequence[Hit]:
    """Empty where no index exists yet."""
    found: Sequence[Hit] = (answer.aggregations.get("traces") or {}).get("buckets", ())
    return found
