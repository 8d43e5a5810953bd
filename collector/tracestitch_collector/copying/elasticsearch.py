"""Elasticsearch as one side of a copy: documents become rows with the identity that their `_id` tells."""

from __future__ import annotations

import base64
import hashlib
import re
import time
from collections.abc import Mapping, Sequence
from dataclasses import replace
from typing import Any

import pyarrow as pa

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.copying.side import Signal
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.elasticsearch.client import connect
from tracestitch_collector.store.elasticsearch.conditions import SPAN_EVENTS
from tracestitch_collector.store.elasticsearch.decoding import log_record, span
from tracestitch_collector.store.elasticsearch.fields import RECEIVED, TIME, TRACE_ID
from tracestitch_collector.store.elasticsearch.searching import (
    Query,
    Searcher,
    all_of,
    any_of,
    by,
    exists,
)
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore
from tracestitch_collector.store.elasticsearch.traces import parted
from tracestitch_collector.store.store import Batch, Rejected, Window
from tracestitch_collector.tables import Identified, findings_table, logs_table, spans_table

IDS_PER_QUESTION = 1000
CAP = 10_000_000
PATIENCE_S = 25.0
"""A page has a shorter deadline and shows a part; a copy needs all."""
MAX_LONG = 2**63 - 1

_IDENTITY = re.compile(r"([A-Za-z0-9_-]{22})(\d{1,10})")


class ElasticsearchSide:
    name = "elasticsearch"

    def __init__(self, store: ElasticsearchStore, searcher: Searcher) -> None:
        """Closes the store at the end."""
        self._store = store
        self._searcher = searcher

    @classmethod
    def open(cls, settings: ElasticsearchSettings, *, writes: bool) -> ElasticsearchSide:
        client = connect(settings)
        return cls(
            ElasticsearchStore(settings, client, write=writes),
            Searcher(client=client, settings=replace(settings, deadline_s=PATIENCE_S), pause=time.sleep),
        )

    def count(self, signal: Signal, window: Window) -> int:
        answer = self._searcher.search(self._index(signal), _items(signal, window), track_total_hits=True)
        _refuse_partial(answer.partial)
        return answer.total

    def rows(self, signal: Signal, window: Window) -> pa.Table:
        hits = self._every(self._index(signal), _items(signal, window))
        if signal == "logs":
            return logs_table([_identified(hit, log_record(hit["_source"])) for hit in hits])
        events = self._events(sorted({hit["_source"]["trace_id"] for hit in hits}))
        return spans_table(
            [_identified(hit, span(hit["_source"], events.get(hit["_id"], ()))) for hit in hits]
        )

    def findings(self) -> tuple[Finding, ...]:
        return self._store.findings()

    def put(
        self, spans: pa.Table, logs: pa.Table, findings: Sequence[Finding], window: Window
    ) -> tuple[Rejected, ...]:
        del window
        return self._store.write(
            Batch(spans=spans, logs=logs, findings=findings_table(findings), start={}, end={})
        )

    def settle(self) -> None:
        """It is durable when it is acknowledged."""

    def close(self) -> None:
        self._store.close()

    def _index(self, signal: Signal) -> str:
        return self._searcher.spans if signal == "spans" else self._searcher.logs

    def _every(self, index: str, query: Query) -> Sequence[Mapping[str, Any]]:
        answer = self._searcher.every(index, query, [by(TIME, "asc")], CAP)
        _refuse_partial(answer.partial)
        return answer.hits

    def _events(self, trace_ids: Sequence[str]) -> Mapping[str, Sequence[Mapping[str, Any]]]:
        """Of the spans' documents, by their `_id`."""
        found: dict[str, list[Mapping[str, Any]]] = {}
        for first in range(0, len(trace_ids), IDS_PER_QUESTION):
            ids: Query = {"terms": {TRACE_ID: list(trace_ids[first : first + IDS_PER_QUESTION])}}
            events, _ = parted(self._every(self._searcher.logs, all_of(ids, SPAN_EVENTS)))
            found |= events
        return found


def _refuse_partial(partial: str) -> None:
    """A page may show a part, a copy may not take it for all."""
    if partial:
        raise Unavailable(f"{partial}: run it again, it goes on where it was")


def _items(signal: Signal, window: Window) -> Query:
    start, end = max(0, window.start_ns), min(window.end_ns, MAX_LONG)
    received: Query = {"range": {RECEIVED: {"gte": start, "lt": end}}}
    moment = {
        "gte": start // 1_000_000,
        "lt": -(-end // 1_000_000),
        "format": "epoch_millis",
    }
    # Elastic's own exporter does not say when it received what it wrote.
    elsewhere = all_of({"range": {"@timestamp": moment}}, none_of=[exists(RECEIVED)])
    return all_of(any_of(received, elsewhere), none_of=[SPAN_EVENTS] if signal == "logs" else [])


def _identified(hit: Mapping[str, Any], item: Any) -> Identified[Any]:
    """The place in the request as our `_id` has it; of another's, one that is always the same."""
    found = _IDENTITY.fullmatch(hit["_id"])
    if not item.received_ns:
        item = replace(item, received_ns=item.start_ns if hasattr(item, "start_ns") else item.time_ns)
    if found is None or int(found[2]) >= 2**31:
        digest = hashlib.blake2b(hit["_id"].encode(), digest_size=16).digest()
        return Identified(digest=digest, index=0, item=item)
    return Identified(digest=base64.urlsafe_b64decode(found[1] + "=="), index=int(found[2]), item=item)
