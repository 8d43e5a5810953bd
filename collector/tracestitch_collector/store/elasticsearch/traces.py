"""One whole trace: its span documents, and from the log streams its records and its spans' events."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any

from tracestitch_collector.model import Trace
from tracestitch_collector.store.elasticsearch.decoding import log_record, span
from tracestitch_collector.store.elasticsearch.fields import TIME, TRACE_ID
from tracestitch_collector.store.elasticsearch.searching import Answer, Searcher, all_of, by, term
from tracestitch_collector.traces.identity import merge_copies

MAX_DOCUMENTS = 200_000
"""Of each kind; a trace beyond it is shown in part."""

_TRACE_ID = re.compile(r"[0-9a-f]{32}")


def read_trace(searcher: Searcher, trace_id: str) -> Trace | None:
    trace_id = trace_id.lower()
    if not _TRACE_ID.fullmatch(trace_id):
        return None
    spans = _documents(searcher, searcher.spans, trace_id)
    if not spans.hits:
        return None
    logs = _documents(searcher, searcher.logs, trace_id)
    events, records = _parted(logs.hits)
    merged = merge_copies(span(hit["_source"], events.get(hit["_id"], ())) for hit in spans.hits)
    return Trace(
        trace_id=trace_id,
        spans=merged,
        logs=tuple(sorted(map(log_record, records), key=lambda record: record.time_ns)),
        partial=spans.partial or logs.partial,
    )


def _documents(searcher: Searcher, index: str, trace_id: str) -> Answer:
    return searcher.every(index, all_of(term(TRACE_ID, trace_id)), [by(TIME, "asc")], MAX_DOCUMENTS)


def _parted(
    hits: Sequence[Mapping[str, Any]],
) -> tuple[dict[str, list[Mapping[str, Any]]], list[Mapping[str, Any]]]:
    """Span events by the document of their span, and log records."""
    events: dict[str, list[Mapping[str, Any]]] = defaultdict(list)
    records = []
    for hit in hits:
        document = hit["_source"]
        owner = (document.get("tracestitch") or {}).get("event_of")
        if owner is None:
            records.append(document)
        else:
            events[owner].append(document)
    return events, records
