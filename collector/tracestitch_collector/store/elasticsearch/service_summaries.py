"""Services and operations, summed up by Elasticsearch."""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from tracestitch_collector.store.elasticsearch.fields import (
    DURATION,
    KIND,
    NAME,
    REQUEST_KINDS,
    SERVICE,
    STATUS,
    TIME,
)
from tracestitch_collector.store.elasticsearch.searching import Answer, Searcher, all_of, by, term, within
from tracestitch_collector.store.store import (
    MAX_LISTED,
    Bucket,
    Listed,
    OperationSummary,
    Part,
    ServiceSummary,
    Window,
    part_starts,
)

MAX_SERVICES = 1000
OPERATIONS_PER_QUESTION = 500
PARTS = 30
PERCENTS = (50, 95, 99)

REQUESTS = {"terms": {KIND: list(REQUEST_KINDS)}}
ERRORS = {"filter": term(STATUS, "Error")}
DURATIONS = {"percentiles": {"field": DURATION, "percents": PERCENTS, "tdigest": {"compression": 200}}}


def read_services(searcher: Searcher, window: Window) -> Listed[ServiceSummary]:
    if window.end_ns <= window.start_ns:
        return Listed()
    starts = [
        window.start_ns + (window.end_ns - window.start_ns) * part // PARTS for part in range(PARTS + 1)
    ]
    requests = {
        "filter": REQUESTS,
        "aggs": {
            "errors": ERRORS,
            "durations": DURATIONS,
            "parts": {"filters": {"filters": _parts(starts)}, "aggs": {"errors": ERRORS}},
        },
    }
    last = {"top_hits": {"size": 1, "sort": [by(TIME, "desc")], "_source": False}}
    answer = searcher.search(
        searcher.spans,
        all_of(*within(window, TIME)),
        aggregations={
            "services": {
                "terms": {"field": SERVICE, "size": MAX_SERVICES, "order": {"_key": "asc"}},
                "aggs": {"requests": requests, "last": last},
            }
        },
    )
    buckets = answer.aggregations.get("services", {}).get("buckets", ())
    partial = answer.partial
    if len(buckets) == MAX_SERVICES:
        partial = partial or f"only the first {MAX_SERVICES:,} services are listed"
    return Listed.of(
        sorted((_service(each, starts) for each in buckets), key=lambda each: each.service), partial
    )


def _parts(starts: Sequence[int]) -> list[dict[str, Any]]:
    """As range queries, which compare integers; a range or histogram aggregation would count in doubles."""
    return [{"range": {TIME: {"gte": start, "lt": end}}} for start, end in itertools.pairwise(starts)]


def _service(bucket: Mapping[str, Any], starts: Sequence[int]) -> ServiceSummary:
    requests = bucket["requests"]
    p50, p95, p99 = _percentiles(requests)
    return ServiceSummary(
        service=bucket["key"],
        requests=requests["doc_count"],
        errors=requests["errors"]["doc_count"],
        p50_ns=p50,
        p95_ns=p95,
        p99_ns=p99,
        spans=bucket["doc_count"],
        last_seen_ns=bucket["last"]["hits"]["hits"][0]["sort"][0],
        buckets=tuple(
            Bucket(start_ns=start, requests=part["doc_count"], errors=part["errors"]["doc_count"])
            for start, part in zip(starts, requests["parts"]["buckets"], strict=False)
        ),
    )


def _percentiles(bucket: Mapping[str, Any]) -> tuple[int, int, int]:
    values = bucket["durations"]["values"]
    p50, p95, p99 = (round(values[f"{percent}.0"] or 0) for percent in PERCENTS)
    return p50, p95, p99


def read_operations(searcher: Searcher, window: Window, service: str) -> Listed[OperationSummary]:
    if window.end_ns <= window.start_ns:
        return Listed()
    found: list[OperationSummary] = []
    partial, end_s = "", time.monotonic() + searcher.settings.deadline_s
    for answer in _operations(searcher, window, service):
        partial = partial or answer.partial
        found += map(_operation, answer.aggregations.get("operations", {}).get("buckets", ()))
        if len(found) > MAX_LISTED or time.monotonic() >= end_s:
            partial = partial or f"only {len(found):,} operations were summed up; choose a service"
            break
    found.sort(key=lambda each: (-each.total_ns, each.service, each.operation, each.kind))
    return Listed.of(found, partial)


def _operations(searcher: Searcher, window: Window, service: str) -> Iterator[Answer]:
    """Page after page."""
    conditions = [*within(window, TIME), REQUESTS]
    if service:
        conditions.append(term(SERVICE, service))
    sources = [{name: {"terms": {"field": name}}} for name in (SERVICE, NAME, KIND)]
    after: dict[str, Any] = {}
    while True:
        answer = searcher.search(
            searcher.spans,
            all_of(*conditions),
            aggregations={
                "operations": {
                    "composite": {"size": OPERATIONS_PER_QUESTION, "sources": sources, **after},
                    "aggs": {
                        "errors": ERRORS,
                        "durations": DURATIONS,
                        "total": {"sum": {"field": DURATION}},
                    },
                }
            },
        )
        operations = answer.aggregations.get("operations", {})
        yield answer
        if "after_key" not in operations or len(operations["buckets"]) < OPERATIONS_PER_QUESTION:
            return
        after = {"after": operations["after_key"]}


def read_history(
    searcher: Searcher, window: Window, service: str, operation: str, *, parts: int
) -> tuple[Part, ...]:
    if window.end_ns <= window.start_ns:
        return ()
    starts = part_starts(window, parts)
    conditions = [*within(window, TIME), REQUESTS, term(SERVICE, service)]
    if operation:
        conditions.append(term(NAME, operation))
    answer = searcher.search(
        searcher.spans,
        all_of(*conditions),
        aggregations={
            "parts": {
                "filters": {"filters": _parts(starts)},
                "aggs": {"errors": ERRORS, "durations": DURATIONS},
            }
        },
    )
    buckets = answer.aggregations.get("parts", {}).get("buckets", ())
    found = dict(zip(starts, buckets, strict=False))
    return tuple(_part(start, found.get(start)) for start in starts[:-1])


def _part(start_ns: int, bucket: Mapping[str, Any] | None) -> Part:
    if bucket is None:  # no index yet
        return Part(start_ns=start_ns, requests=0, errors=0, p50_ns=0, p95_ns=0, p99_ns=0)
    p50, p95, p99 = _percentiles(bucket)
    return Part(
        start_ns=start_ns,
        requests=bucket["doc_count"],
        errors=bucket["errors"]["doc_count"],
        p50_ns=p50,
        p95_ns=p95,
        p99_ns=p99,
    )


def _operation(bucket: Mapping[str, Any]) -> OperationSummary:
    p50, p95, p99 = _percentiles(bucket)
    return OperationSummary(
        service=bucket["key"][SERVICE],
        operation=bucket["key"][NAME],
        kind=bucket["key"][KIND].lower(),
        requests=bucket["doc_count"],
        errors=bucket["errors"]["doc_count"],
        p50_ns=p50,
        p95_ns=p95,
        p99_ns=p99,
        total_ns=round(bucket["total"]["value"]),
    )
