"""Model objects with sensible defaults, and the Arrow batches they make: what a store is given in tests."""

from __future__ import annotations

import hashlib
import itertools
import json
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

import pyarrow as pa

from tracestitch_collector.checks import finding as findings
from tracestitch_collector.checks.finding import Finding, Fix, Impact
from tracestitch_collector.columns import (
    ATTRIBUTE_TYPES,
    FINDINGS,
    LOGS,
    SPANS,
    resource_text,
    scope_text,
    to_plain,
    value_text,
)
from tracestitch_collector.model import (
    SPAN_KINDS,
    STATUS_CODES,
    AttributeValue,
    LogRecord,
    Resource,
    Scope,
    Span,
)
from tracestitch_collector.store.store import Batch, Window

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
    rows = [_span_row(item, digest, index) for index, item in enumerate(spans)]
    return _table(SPANS, rows, [item.attributes for item in spans])


def logs_table(logs: Sequence[LogRecord], digest: bytes = bytes(16), first: int = 0) -> pa.Table:
    rows = [_log_row(item, digest, first + index) for index, item in enumerate(logs)]
    return _table(LOGS, rows, [item.attributes for item in logs])


def findings_table(items: Iterable[Finding], evaluated_ns: int = BASE_NS) -> pa.Table:
    rows = [
        {
            "evaluated_ns": evaluated_ns,
            "fingerprint": item.fingerprint,
            "check": item.check,
            "pitfall": item.pitfall,
            "severity": item.severity,
            "service_name": item.service,
            "first_seen_ns": item.first_seen_ns,
            "last_seen_ns": item.last_seen_ns,
            "document": json.dumps(findings.to_json(item)),
        }
        for item in items
    ]
    return pa.Table.from_pylist(rows, schema=FINDINGS)


def _span_row(item: Span, digest: bytes, index: int) -> dict[str, Any]:
    return {
        "request_digest": digest,
        "request_index": index,
        "received_ns": item.received_ns,
        "trace_id": bytes.fromhex(item.trace_id),
        "span_id": bytes.fromhex(item.span_id),
        "parent_span_id": bytes.fromhex(item.parent_span_id) or None,
        "trace_state": item.trace_state,
        "flags": item.flags,
        "name": item.name,
        "kind": SPAN_KINDS.index(item.kind),
        "start_ns": item.start_ns,
        "duration_ns": item.duration_ns,
        "status_code": STATUS_CODES.index(item.status_code),
        "status_message": item.status_message,
        "service_name": item.service,
        "environment": item.resource.environment,
        "resource": _resource(item.resource),
        "scope": _scope(item.scope),
        "events": _json(
            {
                "time_ns": event.time_ns,
                "name": event.name,
                "attributes": _pairs(event.attributes),
                "dropped": event.dropped_attributes_count,
            }
            for event in item.events
        ),
        "links": _json(
            {
                "trace_id": link.trace_id,
                "span_id": link.span_id,
                "trace_state": link.trace_state,
                "flags": link.flags,
                "attributes": _pairs(link.attributes),
                "dropped": link.dropped_attributes_count,
            }
            for link in item.links
        ),
        "dropped_attributes_count": item.dropped_attributes_count,
        "dropped_events_count": item.dropped_events_count,
        "dropped_links_count": item.dropped_links_count,
        "attributes_other": _other(item.attributes, item.duplicate_attributes),
    }


def _log_row(item: LogRecord, digest: bytes, index: int) -> dict[str, Any]:
    return {
        "request_digest": digest,
        "request_index": index,
        "received_ns": item.received_ns,
        "time_ns": item.time_ns,
        "observed_ns": item.observed_ns,
        "severity_number": item.severity_number,
        "severity_text": item.severity_text,
        "body": item.body if isinstance(item.body, str) else value_text(item.body),
        "body_is_text": isinstance(item.body, str),
        "event_name": item.event_name,
        "trace_id": bytes.fromhex(item.trace_id) or None,
        "span_id": bytes.fromhex(item.span_id) or None,
        "flags": item.flags,
        "service_name": item.service,
        "environment": item.resource.environment,
        "resource": _resource(item.resource),
        "scope": _scope(item.scope),
        "dropped_attributes_count": item.dropped_attributes_count,
        "attributes_other": _other(item.attributes, item.duplicate_attributes),
    }


def _table(
    schema: pa.Schema, rows: list[dict[str, Any]], attributes: list[Mapping[str, AttributeValue]]
) -> pa.Table:
    table = pa.Table.from_pylist(rows, schema=schema)
    columns: dict[str, list[AttributeValue]] = {}
    for row, pairs in enumerate(attributes):
        for key, value in pairs.items():
            if letter := _letter(value):
                columns.setdefault(f"attr.{letter}.{key}", [None] * len(rows))[row] = value
    for name, values in columns.items():
        table = table.append_column(name, pa.array(values, ATTRIBUTE_TYPES[name[5]]))
    return table


def _letter(value: AttributeValue) -> str:
    """The type of the value's column; empty where it has none."""
    return {str: "s", int: "i", float: "d", bool: "b"}.get(type(value), "")


def _other(
    attributes: Mapping[str, AttributeValue], duplicates: Sequence[tuple[str, AttributeValue]]
) -> str | None:
    odd = [(key, value) for key, value in attributes.items() if not _letter(value)]
    pairs = [[key, to_plain(value)] for key, value in itertools.chain(odd, duplicates)]
    return json.dumps(pairs) if pairs else None


def _resource(item: Resource) -> str:
    return resource_text(list(item.attributes.items()), item.schema_url, item.dropped_attributes_count)


def _scope(item: Scope) -> str:
    return scope_text(
        item.name, item.version, list(item.attributes.items()), item.schema_url, item.dropped_attributes_count
    )


def _pairs(attributes: Mapping[str, AttributeValue]) -> list[list[Any]]:
    return [[key, to_plain(value)] for key, value in attributes.items()]


def _json(items: Iterable[dict[str, Any]]) -> str | None:
    plain = list(items)
    return json.dumps(plain) if plain else None
