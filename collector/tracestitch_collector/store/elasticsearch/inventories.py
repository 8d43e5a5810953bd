"""The newest inventory event of each process."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from tracestitch_collector.store.elasticsearch.decoding import log_record
from tracestitch_collector.store.elasticsearch.fields import INSTANCE, SERVICE, TIME
from tracestitch_collector.store.elasticsearch.searching import Searcher, all_of, by, term, within
from tracestitch_collector.store.store import Inventory, Window

EVENT = "tracestitch.inventory"
PER_QUESTION = 200


def read_inventories(searcher: Searcher, window: Window) -> tuple[Inventory, ...]:
    if window.end_ns <= window.start_ns:
        return ()
    found = [
        _inventory(bucket["newest"]["hits"]["hits"][0]["_source"]) for bucket in _processes(searcher, window)
    ]
    return tuple(sorted(found, key=lambda each: (each.service, each.instance)))


def _processes(searcher: Searcher, window: Window) -> Iterator[Mapping[str, Any]]:
    sources = [{name: {"terms": {"field": name, "missing_bucket": True}}} for name in (SERVICE, INSTANCE)]
    newest = {"top_hits": {"size": 1, "sort": [by(TIME, "desc")]}}
    after: dict[str, Any] = {}
    while True:
        answer = searcher.search(
            searcher.logs,
            all_of(*within(window, TIME), term("event_name", EVENT)),
            aggregations={
                "processes": {
                    "composite": {"size": PER_QUESTION, "sources": sources, **after},
                    "aggs": {"newest": newest},
                }
            },
        )
        processes = answer.aggregations.get("processes", {})
        yield from processes.get("buckets", ())
        if "after_key" not in processes or len(processes["buckets"]) < PER_QUESTION:
            return
        after = {"after": processes["after_key"]}


def _inventory(document: Mapping[str, Any]) -> Inventory:
    record = log_record(document)
    return Inventory(
        service=record.service,
        environment=record.resource.environment,
        instance=record.resource.text("service.instance.id"),
        time_ns=record.time_ns,
        resource=record.resource.attributes,
        body=record.body if isinstance(record.body, Mapping) else {},
    )
