"""Model objects with sensible defaults, and the Arrow batches they make: what a store is given in tests."""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Sequence
from typing import Any

import pyarrow as pa

from tracestitch_collector import tables
from tracestitch_collector.checks.finding import Finding, Fix, Impact
from tracestitch_collector.model import AttributeValue, LogRecord, Resource, Scope, Span
from tracestitch_collector.store.store import Batch, Window
from tracestitch_collector.tables import Identified

BASE_NS = 1_795_000_000_000_000_000
"""The moment around which test data lies."""
SECOND = 1_000_000_000
MILLISECOND = 1_000_000
ALWAYS = Window(start_ns=BASE_NS - 3600 * SECOND, end_ns=BASE_NS + 3600 * SECOND)
TRACE_ID = "0af7651916cd43dd8448eb211c80319c"


def resource(service: str = "inventory", **attributes: AttributeValue) -> Resource:
    """Keyword names with `__` for the dots of attribute keys."""
    named = {key.replace("__", "."): value for key, value in attributes.items()}
    return Resource(attributes={"service.name": service, **named})


def span(**fields: Any) -> Span:
    """A server span of the inventory service; name any field of `Span` to differ, `service` for the resource."""
    service = fields.pop("service", "inventory")
    defaults: dict[str, Any] = {
        "trace_id": TRACE_ID,
        "span_id": "b7ad6b7169203331",
        "name": "GET /stock/<sku>",
        "kind": "server",
        "start_ns": BASE_NS,
        "duration_ns": 10 * MILLISECOND,
        "resource": resource(service),
        "scope": Scope(name="tests"),
        "received_ns": BASE_NS + SECOND,
    }
    return Span(**{**defaults, **fields})


def log(**fields: Any) -> LogRecord:
    service = fields.pop("service", "inventory")
    defaults: dict[str, Any] = {
        "time_ns": BASE_NS,
        "observed_ns": BASE_NS,
        "severity_number": 9,
        "severity_text": "INFO",
        "body": "stock checked",
        "resource": resource(service),
        "scope": Scope(name="inventory.views"),
        "received_ns": BASE_NS + SECOND,
    }
    return LogRecord(**{**defaults, **fields})


def finding(**fields: Any) -> Finding:
    defaults: dict[str, Any] = {
        "fingerprint": "00000000000000aa",
        "check": "n-plus-one-db",
        "pitfall": "P4",
        "severity": "important",
        "tier": "B",
        "title": "41 queries where 2 would do",
        "service": "inventory",
        "operation": "GET /stock",
        "location": None,
        "evidence": (),
        "affected": 3,
        "eligible": 4,
        "impact": Impact(ms_per_day=12.5, requests_share=0.75, text="12.5 ms a day"),
        "fix": Fix(text="Load them together.", before="a", after="b"),
        "first_seen_ns": BASE_NS,
        "last_seen_ns": BASE_NS + SECOND,
    }
    return Finding(**{**defaults, **fields})


def batch(
    spans: Sequence[Span] = (),
    logs: Sequence[LogRecord] = (),
    findings: Sequence[Finding] = (),
    *,
    request: str = "request",
    start: int = 0,
    end: int = 1000,
    evaluated_ns: int = BASE_NS,
) -> Batch:
    """One batch of one request, whose identity is made from its name: the same name is the same request sent
    again. `start` and `end` are positions in the log `receiver`."""
    digest = hashlib.blake2b(request.encode(), digest_size=16).digest()
    return Batch(
        spans=spans_table(spans, digest),
        logs=logs_table(logs, digest, first=len(spans)),
        findings=findings_table(findings, evaluated_ns),
        start={"receiver": start},
        end={"receiver": end},
        digests=(digest,) if spans or logs else (),
    )


def spans_table(spans: Sequence[Span], digest: bytes = bytes(16)) -> pa.Table:
    return tables.spans_table(
        [Identified(digest=digest, index=index, item=item) for index, item in enumerate(spans)]
    )


def logs_table(logs: Sequence[LogRecord], digest: bytes = bytes(16), first: int = 0) -> pa.Table:
    return tables.logs_table(
        [Identified(digest=digest, index=first + index, item=item) for index, item in enumerate(logs)]
    )


def findings_table(items: Iterable[Finding], evaluated_ns: int = BASE_NS) -> pa.Table:
    return tables.findings_table(items, evaluated_ns)
