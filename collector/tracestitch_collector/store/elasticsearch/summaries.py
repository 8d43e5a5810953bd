"""Lines of a search result: counts and names of whole traces, for many traces in one question to the spans and
one to the logs.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from tracestitch_collector.store.elasticsearch.conditions import OWN_EVENTS, SPAN_EVENTS
from tracestitch_collector.store.elasticsearch.fields import (
    END,
    NAME,
    PARENT,
    SERVICE,
    SPAN_ID,
    STATUS,
    TIME,
    TRACE_ID,
)
from tracestitch_collector.store.elasticsearch.searching import Searcher, all_of, exists, term
from tracestitch_collector.store.store import TraceSummary

Bucket = Mapping[str, Any]

MAX_SERVICES = 200
DISTINCT = {"cardinality": {"field": SPAN_ID, "precision_threshold": 40_000}}
"""Exact up to that many: the same span may have arrived more than once."""


def _first(sort: list[dict[str, str]]) -> dict[str, Any]:
    return {"top_hits": {"size": 1, "sort": sort, "_source": [SERVICE, NAME, TIME]}}


OF_A_TRACE: dict[str, Any] = {
    "spans": DISTINCT,
    "errors": {"filter": term(STATUS, "Error"), "aggs": {"spans": DISTINCT}},
    "services": {"terms": {"field": SERVICE, "size": MAX_SERVICES}, "aggs": {"spans": DISTINCT}},
    "first": _first([{TIME: "asc"}, {SPAN_ID: "asc"}]),
    "last": {"top_hits": {"size": 1, "sort": [{END: "desc"}], "_source": False}},
    "roots": {
        "filter": {"bool": {"must_not": [exists(PARENT)]}},
        "aggs": {"first": _first([{TIME: "asc"}, {SPAN_ID: "asc"}])},
    },
}


def summarise(searcher: Searcher, trace_ids: Sequence[str]) -> tuple[dict[str, TraceSummary], str]:
    """By trace id; and why it is not all, if so."""
    if not trace_ids:
        return {}, ""
    ids = {"terms": {TRACE_ID: list(trace_ids)}}
    by_trace = {"terms": {"field": TRACE_ID, "size": len(trace_ids)}}
    spans = searcher.search(
        searcher.spans, all_of(ids), aggregations={"traces": {**by_trace, "aggs": OF_A_TRACE}}
    )
    logs = searcher.search(
        searcher.logs,
        all_of(ids, none_of=[SPAN_EVENTS, OWN_EVENTS]),
        aggregations={"traces": by_trace},
    )
    log_counts = {bucket["key"]: bucket["doc_count"] for bucket in _buckets(logs.aggregations, "traces")}
    found = {
        bucket["key"]: _summary(bucket, log_counts.get(bucket["key"], 0))
        for bucket in _buckets(spans.aggregations, "traces")
    }
    return found, spans.partial or logs.partial


def _summary(bucket: Bucket, log_count: int) -> TraceSummary:
    first = bucket["first"]["hits"]["hits"][0]
    roots = bucket["roots"]["first"]["hits"]["hits"]
    named = (roots or [first])[0]["_source"]
    start_ns = first["sort"][0]
    services = {each["key"]: each["spans"]["value"] for each in bucket["services"]["buckets"]}
    return TraceSummary(
        trace_id=bucket["key"],
        root_service=named.get("resource", {}).get("attributes", {}).get("service.name", ""),
        root_name=named.get("name", ""),
        start_ns=start_ns,
        duration_ns=bucket["last"]["hits"]["hits"][0]["sort"][0] - start_ns,
        span_count=bucket["spans"]["value"],
        error_count=bucket["errors"]["spans"]["value"],
        log_count=log_count,
        services=dict(sorted(services.items(), key=lambda item: (-item[1], item[0]))),
        has_root=bool(roots),
    )


def _buckets(aggregations: Mapping[str, Any], name: str) -> Sequence[Bucket]:
    """Empty where no index exists yet."""
    found: Sequence[Bucket] = (aggregations.get(name) or {}).get("buckets", ())
    return found
