"""Findings as documents: two for each fingerprint, one with its newest state and one with its first sight. Their
versions are times, so Elasticsearch itself keeps the newest and the earliest, whoever writes and how often.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

import orjson
import pyarrow as pa

from tracestitch_collector.checks.finding import Finding, from_json
from tracestitch_collector.store.elasticsearch.documents import Action
from tracestitch_collector.store.elasticsearch.fields import MAX_LONG
from tracestitch_collector.store.elasticsearch.searching import PAGE, Question, Searcher, all_of, term
from tracestitch_collector.store.elasticsearch.times import rfc3339

STATE = "state"
FIRST = "first"


def finding_actions(table: pa.Table, index: str) -> Iterator[Action]:
    for row in table.to_pylist():
        fingerprint = row["fingerprint"]
        yield _action(index, f"{fingerprint}.{STATE}", row["evaluated_ns"], _state(row))
        first = {
            "record": FIRST,
            "fingerprint": fingerprint,
            "first_seen": rfc3339(row["first_seen_ns"]),
            "tracestitch": {"first_seen_ns": row["first_seen_ns"]},
        }
        yield _action(index, f"{fingerprint}.{FIRST}", MAX_LONG - row["first_seen_ns"], first)


def _action(index: str, identity: str, version: int, document: dict[str, Any]) -> Action:
    # 409 then means that a newer state, or an earlier sight, is there already.
    header = {"_index": index, "_id": identity, "version": version, "version_type": "external_gte"}
    return Action(signal="findings", line=orjson.dumps({"index": header}), document=orjson.dumps(document))


def _state(row: dict[str, Any]) -> dict[str, Any]:
    """What Kibana can show and filter; the whole finding is in `tracestitch.document`."""
    finding = orjson.loads(row["document"])
    return {
        "@timestamp": rfc3339(row["last_seen_ns"]),
        "record": STATE,
        "fingerprint": row["fingerprint"],
        "check": row["check"],
        "pitfall": row["pitfall"],
        "severity": row["severity"],
        "service": {"name": row["service_name"]},
        "title": finding.get("title", ""),
        "operation": finding.get("operation", ""),
        "location": finding.get("location"),
        "trace_id": [item["trace_id"] for item in finding.get("evidence", ())],
        "affected": finding.get("affected", 0),
        "eligible": finding.get("eligible", 0),
        "suppressed": finding.get("suppressed_by") is not None,
        "state": finding.get("state", "open"),
        "last_seen": rfc3339(row["last_seen_ns"]),
        "tracestitch": {"document": row["document"]},
    }


def read_findings(searcher: Searcher) -> tuple[Finding, ...]:
    states, firsts = _read(searcher, (STATE, FIRST))
    earliest = {document["fingerprint"]: document["tracestitch"] for document in firsts}
    found = []
    for document in states:
        try:
            finding = from_json(orjson.loads(document["tracestitch"]["document"]))
        except (KeyError, TypeError, ValueError):
            continue  # of another version
        first = earliest.get(finding.fingerprint, {}).get("first_seen_ns", finding.first_seen_ns)
        found.append(replace(finding, first_seen_ns=min(first, finding.first_seen_ns)))
    return tuple(sorted(found, key=lambda finding: finding.fingerprint))


def _read(searcher: Searcher, records: tuple[str, ...]) -> list[list[dict[str, Any]]]:
    answers = searcher.many(
        [
            Question(
                index=searcher.settings.findings_indices,
                query=all_of(term("record", record)),
                size=PAGE,
                body={"sort": ["fingerprint"]},
            )
            for record in records
        ]
    )
    return [[dict(hit["_source"]) for hit in answer.hits] for answer in answers]
