"""Who calls whom. Elasticsearch cannot join a span to its parent, so the newest traces are paired here."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tracestitch_collector.store.elasticsearch.fields import (
    CALL_KINDS,
    KIND,
    PARENT,
    REQUEST_KINDS,
    SERVICE,
    SPAN_ID,
    STATUS,
    TIME,
    TRACE_ID,
)
from tracestitch_collector.store.elasticsearch.searching import (
    Answer,
    Query,
    Searcher,
    all_of,
    by,
    exists,
    within,
)
from tracestitch_collector.store.elasticsearch.walk import walk
from tracestitch_collector.store.store import Dependency, Listed, Window

MAX_TRACES = 1000
SPANS_PER_STEP = 4000
MAX_SPANS = 100_000
FIELDS = (TRACE_ID, SPAN_ID, PARENT, KIND, SERVICE, STATUS)


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """The part of a span that pairing looks at."""

    trace_id: str
    span_id: str
    parent: str
    kind: str
    service: str
    failed: bool


def read_dependencies(searcher: Searcher, window: Window) -> Listed[Dependency]:
    """From the newest traces in the window."""
    if window.end_ns <= window.start_ns:
        return Listed()
    end_s = time.monotonic() + searcher.settings.deadline_s
    trace_ids, partial = _newest_traces(searcher, window, end_s)
    calls = _calls(searcher, window, trace_ids)
    partial = partial or calls.partial
    return Listed.of(paired(_call(hit["fields"]) for hit in calls.hits), partial)


def paired(calls: Iterator[Call]) -> tuple[Dependency, ...]:
    """Each callee once, however often its span arrived."""
    callers: dict[tuple[str, str], Call] = {}
    callees: dict[tuple[str, str], Call] = {}
    for call in calls:
        key = (call.trace_id, call.span_id)
        if call.kind in CALL_KINDS:
            callers[key] = call
        else:
            callees[key] = call
    counts: Counter[tuple[str, str]] = Counter()
    errors: Counter[tuple[str, str]] = Counter()
    for call in callees.values():
        caller = callers.get((call.trace_id, call.parent))
        if caller is not None and caller.service != call.service:
            counts[caller.service, call.service] += 1
            errors[caller.service, call.service] += caller.failed or call.failed
    return tuple(
        Dependency(caller=pair[0], callee=pair[1], calls=number, errors=errors[pair])
        for pair, number in sorted(counts.items())
    )


def _newest_traces(searcher: Searcher, window: Window, end_s: float) -> tuple[list[str], str]:
    """As many as are looked at and as time allows, and what is said where there are more."""
    called: Query = {"terms": {KIND: list(REQUEST_KINDS)}}
    query = all_of(*within(window, TIME), called, exists(PARENT))
    ids: list[str] = []
    for step in walk(searcher, query, by(TIME, "desc"), SPANS_PER_STEP):
        ids += step.fresh
        if step.is_last and len(ids) <= MAX_TRACES:
            return ids, step.partial
        if len(ids) > MAX_TRACES or time.monotonic() >= end_s:
            return ids[:MAX_TRACES], "only the newest traces were looked at; choose a shorter time range"
    return ids, ""


def _calls(searcher: Searcher, window: Window, trace_ids: list[str]) -> Answer:
    if not trace_ids:
        return Answer(hits=(), total=0)
    kinds: Query = {"terms": {KIND: [*CALL_KINDS, *REQUEST_KINDS]}}
    query = all_of(*within(window, TIME), {"terms": {TRACE_ID: trace_ids}}, kinds)
    return searcher.every(
        searcher.spans,
        query,
        [by(TIME, "asc")],
        MAX_SPANS,
        stored_fields="_none_",
        docvalue_fields=list(FIELDS),
    )


def _call(fields: Mapping[str, Any]) -> Call:
    def first(name: str) -> str:
        text: str = fields.get(name, [""])[0]
        return text

    return Call(
        trace_id=first(TRACE_ID),
        span_id=first(SPAN_ID),
        parent=first(PARENT),
        kind=first(KIND),
        service=first(SERVICE),
        failed=first(STATUS) == "Error",
    )
