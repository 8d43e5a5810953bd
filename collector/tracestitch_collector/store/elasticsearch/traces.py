"""Whole traces: their span documents, and from the log streams their records and their spans' events."""

from __future__ import annotations

import re
from collections import defaultdict
from collections.abc import Mapping, Sequence
from typing import Any, TypeAlias

from tracestitch_collector.model import Trace
from tracestitch_collector.store.elasticsearch.decoding import log_record, span
from tracestitch_collector.store.elasticsearch.fields import TIME, TRACE_ID
from tracestitch_collector.store.elasticsearch.searching import Searcher, all_of, by
from tracestitch_collector.traces.identity import merge_copies

MAX_DOCUMENTS = 200_000
"""Of each kind in one question; what lies beyond is said to be missing."""
IDS_PER_QUESTION = 1000

Hit: TypeAlias = Mapping[str, Any]
Document: TypeAlias = Mapping[str, Any]

_TRACE_ID = re.compile(r"[0-9a-f]{32}")


def read_traces(searcher: Searcher, trace_ids: Sequence[str]) -> tuple[Trace, ...]:
    """Each once, in the order asked for, without those that are not there."""
    wanted = list(dict.fromkeys(each.lower() for each in trace_ids if _TRACE_ID.fullmatch(each.lower())))
    found: list[Trace] = []
    for first in range(0, len(wanted), IDS_PER_QUESTION):
        found += _read(searcher, wanted[first : first + IDS_PER_QUESTION])
    return tuple(found)


def _read(searcher: Searcher, trace_ids: list[str]) -> list[Trace]:
    query = all_of({"terms": {TRACE_ID: trace_ids}})
    spans, logs = searcher.every_of_each(
        [searcher.spans, searcher.logs], query, [by(TIME, "asc")], MAX_DOCUMENTS
    )
    by_trace: dict[str, list[Hit]] = defaultdict(list)
    for hit in spans.hits:
        by_trace[hit["_source"]["trace_id"]].append(hit)
    events, records = parted(logs.hits)
    partial = spans.partial or logs.partial
    return [
        _trace(trace_id, by_trace[trace_id], events, records[trace_id], partial)
        for trace_id in trace_ids
        if trace_id in by_trace
    ]


def _trace(
    trace_id: str,
    spans: Sequence[Hit],
    events: Mapping[str, Sequence[Document]],
    records: Sequence[Document],
    partial: str,
) -> Trace:
    return Trace(
        trace_id=trace_id,
        spans=merge_copies(span(hit["_source"], events.get(hit["_id"], ())) for hit in spans),
        logs=tuple(sorted(map(log_record, records), key=lambda record: record.time_ns)),
        partial=partial,
    )


def parted(hits: Sequence[Hit]) -> tuple[dict[str, list[Document]], dict[str, list[Document]]]:
    """Span events by the `_id` of their span, and log records by trace."""
    events: dict[str, list[Document]] = defaultdict(list)
    records: dict[str, list[Document]] = defaultdict(list)
    for hit in hits:
        document = hit["_source"]
        owner = (document.get("tracestitch") or {}).get("event_of")
        if owner is None:
            records[document["trace_id"]].append(document)
        else:
            events[owner].append(document)
    return events, records
