"""Alert rules of Kibana's own, one row each: how many documents of a query within a window are too many (or too few).
They have no actions: a team adds its own connectors, in Kibana. Pure.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tracestitch_collector.kibana.objects import OPEN_FINDINGS, REQUESTS


@dataclass(frozen=True, slots=True, kw_only=True)
class Rule:
    id: str
    """A UUID, so that a second import finds the first one's."""
    name: str
    indices: str
    query: str
    comparator: str
    threshold: int
    minutes: int
    by: str = ""
    """A field: each of its values is counted on its own."""


RULES = (
    Rule(
        id="5d0b4f4e-6c0e-4b0e-9a56-0a5f5f5f0001",
        name="Tracestitch: requests fail",
        indices="traces-*.otel-*",
        query=f"{REQUESTS} AND status.code:Error",
        comparator=">",
        threshold=10,
        minutes=5,
        by="resource.attributes.service.name",
    ),
    Rule(
        id="5d0b4f4e-6c0e-4b0e-9a56-0a5f5f5f0002",
        name="Tracestitch: requests take over one second",
        indices="traces-*.otel-*",
        query=f"{REQUESTS} AND duration:>=1000000000",
        comparator=">",
        threshold=50,
        minutes=5,
        by="resource.attributes.service.name",
    ),
    Rule(
        id="5d0b4f4e-6c0e-4b0e-9a56-0a5f5f5f0003",
        name="Tracestitch: errors are logged",
        indices="logs-*.otel-*",
        query="severity_number:>=17",
        comparator=">",
        threshold=20,
        minutes=5,
        by="resource.attributes.service.name",
    ),
    Rule(
        id="5d0b4f4e-6c0e-4b0e-9a56-0a5f5f5f0004",
        name="Tracestitch: a critical or important pitfall is open",
        indices="tracestitch-findings-*",
        query=f"{OPEN_FINDINGS} AND severity:(critical OR important)",
        comparator=">",
        threshold=0,
        minutes=60,
        by="check",
    ),
    Rule(
        id="5d0b4f4e-6c0e-4b0e-9a56-0a5f5f5f0005",
        name="Tracestitch: no spans arrive",
        indices="traces-*.otel-*",
        query="*",
        comparator="<",
        threshold=1,
        minutes=15,
    ),
)


def definition(rule: Rule) -> dict[str, Any]:
    """The body for `POST /api/alerting/rule/{id}`."""
    grouped = {"groupBy": "top", "termField": rule.by, "termSize": 50} if rule.by else {"groupBy": "all"}
    return {
        "name": rule.name,
        "rule_type_id": ".es-query",
        "consumer": "stackAlerts",
        "schedule": {"interval": "1m"},
        "tags": ["tracestitch"],
        "enabled": True,
        "actions": [],
        "params": {
            "searchType": "esQuery",
            "index": [rule.indices],
            "timeField": "@timestamp",
            "esQuery": json.dumps({"query": query(rule)}),
            "size": 10,
            "threshold": [rule.threshold],
            "thresholdComparator": rule.comparator,
            "timeWindowSize": rule.minutes,
            "timeWindowUnit": "m",
            "aggType": "count",
            "excludeHitsFromPreviousRun": False,
            **grouped,
        },
    }


def query(rule: Rule) -> dict[str, Any]:
    return {"query_string": {"query": rule.query}}
