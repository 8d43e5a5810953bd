"""Model objects as plain JSON and back: one form for the pages' twins and the terminal.

Times are integer nanoseconds, ids hex, attributes an object. Bytes are {"bytes": base64}; a double that
JSON has no word for is {"double": "nan"}; a map that could be mistaken for one of these is
{"kvlist": [[key, value]]}.
"""

from __future__ import annotations

import base64
import math
from collections.abc import Mapping
from dataclasses import fields
from typing import Any, TypeAlias

from tracestitch_collector.model import (
    SPAN_KINDS,
    STATUS_CODES,
    Attributes,
    AttributeValue,
    LogRecord,
    Resource,
    Scope,
    Span,
    SpanEvent,
    SpanLink,
)
from tracestitch_collector.store.store import Bucket, ServiceSummary, TraceSummary

Document: TypeAlias = dict[str, Any]

_MARKS = ("bytes", "double", "kvlist")


def value_to_json(value: AttributeValue) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return {"double": str(value)}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, tuple):
        return [value_to_json(item) for item in value]
    if isinstance(value, Mapping):
        if len(value) == 1 and next(iter(value)) in _MARKS:
            return {"kvlist": [[key, value_to_json(item)] for key, item in value.items()]}
        return attributes_to_json(value)
    return value


def value_from_json(plain: Any) -> AttributeValue:
    if isinstance(plain, list):
        return tuple(value_from_json(item) for item in plain)
    if isinstance(plain, dict):
        match plain:
            case {"double": str(text), **rest} if not rest and text in ("nan", "inf", "-inf"):
                return float(text)
            case {"bytes": str(text), **rest} if not rest:
                return base64.b64decode(text)
            case {"kvlist": list(pairs), **rest} if not rest:
                return {key: value_from_json(item) for key, item in pairs}
        return attributes_from_json(plain)
    value: AttributeValue = plain
    return value


def attributes_to_json(attributes: Attributes) -> Document:
    return {key: value_to_json(value) for key, value in attributes.items()}


def attributes_from_json(plain: Mapping[str, Any]) -> Attributes:
    return {key: value_from_json(value) for key, value in plain.items()}


def resource_to_json(resource: Resource) -> Document:
    return {
        "attributes": attributes_to_json(resource.attributes),
        "schema_url": resource.schema_url,
        "dropped_attributes_count": resource.dropped_attributes_count,
    }


def scope_to_json(scope: Scope) -> Document:
    return {
        "name": scope.name,
        "version": scope.version,
        "attributes": attributes_to_json(scope.attributes),
        "schema_url": scope.schema_url,
        "dropped_attributes_count": scope.dropped_attributes_count,
    }


def event_to_json(event: SpanEvent) -> Document:
    return {
        "time_ns": event.time_ns,
        "name": event.name,
        "attributes": attributes_to_json(event.attributes),
        "dropped_attributes_count": event.dropped_attributes_count,
    }


def link_to_json(link: SpanLink) -> Document:
    return {
        "trace_id": link.trace_id,
        "span_id": link.span_id,
        "trace_state": link.trace_state,
        "flags": link.flags,
        "attributes": attributes_to_json(link.attributes),
        "dropped_attributes_count": link.dropped_attributes_count,
    }


def span_to_json(span: Span) -> Document:
    """Every field of the span; `service` and `end_ns` are there for the reader's convenience."""
    return {
        "trace_id": span.trace_id,
        "span_id": span.span_id,
        "parent_span_id": span.parent_span_id,
        "service": span.service,
        "name": span.name,
        "kind": span.kind,
        "start_ns": span.start_ns,
        "end_ns": span.end_ns,
        "duration_ns": span.duration_ns,
        "status_code": span.status_code,
        "status_message": span.status_message,
        "attributes": attributes_to_json(span.attributes),
        "duplicate_attributes": [[key, value_to_json(value)] for key, value in span.duplicate_attributes],
        "events": [event_to_json(event) for event in span.events],
        "links": [link_to_json(link) for link in span.links],
        "trace_state": span.trace_state,
        "flags": span.flags,
        "dropped_attributes_count": span.dropped_attributes_count,
        "dropped_events_count": span.dropped_events_count,
        "dropped_links_count": span.dropped_links_count,
        "resource": resource_to_json(span.resource),
        "scope": scope_to_json(span.scope),
        "received_ns": span.received_ns,
        "copies": span.copies,
        "conflicting": span.conflicting,
    }


def log_to_json(record: LogRecord) -> Document:
    return {
        "time_ns": record.time_ns,
        "observed_ns": record.observed_ns,
        "service": record.service,
        "severity_number": record.severity_number,
        "severity_text": record.severity_text,
        "body": value_to_json(record.body),
        "event_name": record.event_name,
        "trace_id": record.trace_id,
        "span_id": record.span_id,
        "flags": record.flags,
        "attributes": attributes_to_json(record.attributes),
        "duplicate_attributes": [[key, value_to_json(value)] for key, value in record.duplicate_attributes],
        "dropped_attributes_count": record.dropped_attributes_count,
        "resource": resource_to_json(record.resource),
        "scope": scope_to_json(record.scope),
        "received_ns": record.received_ns,
    }


def summary_to_json(summary: TraceSummary) -> Document:
    return {
        "trace_id": summary.trace_id,
        "root_service": summary.root_service,
        "root_name": summary.root_name,
        "start_ns": summary.start_ns,
        "duration_ns": summary.duration_ns,
        "span_count": summary.span_count,
        "error_count": summary.error_count,
        "log_count": summary.log_count,
        "services": dict(summary.services),
        "has_root": summary.has_root,
        "root_duration_ns": summary.root_duration_ns,
    }


def service_to_json(summary: ServiceSummary) -> Document:
    return {
        "service": summary.service,
        "requests": summary.requests,
        "errors": summary.errors,
        "p50_ns": summary.p50_ns,
        "p95_ns": summary.p95_ns,
        "p99_ns": summary.p99_ns,
        "spans": summary.spans,
        "last_seen_ns": summary.last_seen_ns,
        "buckets": [[bucket.start_ns, bucket.requests, bucket.errors] for bucket in summary.buckets],
    }


def _known(
    model: type[Span | LogRecord | TraceSummary | ServiceSummary], plain: Mapping[str, Any]
) -> Document:
    """Only the model's own fields: a page may add what it computed."""
    return {item.name: plain[item.name] for item in fields(model) if item.name in plain}


def _resource(plain: Document) -> Resource:
    return Resource(**{**plain, "attributes": attributes_from_json(plain["attributes"])})


def _scope(plain: Document) -> Scope:
    return Scope(**{**plain, "attributes": attributes_from_json(plain["attributes"])})


def _repeated(plain: list[Any]) -> tuple[tuple[str, AttributeValue], ...]:
    return tuple((key, value_from_json(value)) for key, value in plain)


def span_from_json(plain: Mapping[str, Any]) -> Span:
    """The inverse of `span_to_json`. Raises KeyError or TypeError on a document that is not a span."""
    kind, status = plain["kind"], plain["status_code"]
    return Span(
        **{
            **_known(Span, plain),
            "kind": kind if kind in SPAN_KINDS else "unspecified",
            "status_code": status if status in STATUS_CODES else "unset",
            "attributes": attributes_from_json(plain["attributes"]),
            "duplicate_attributes": _repeated(plain["duplicate_attributes"]),
            "events": tuple(
                SpanEvent(**{**event, "attributes": attributes_from_json(event["attributes"])})
                for event in plain["events"]
            ),
            "links": tuple(
                SpanLink(**{**link, "attributes": attributes_from_json(link["attributes"])})
                for link in plain["links"]
            ),
            "resource": _resource(plain["resource"]),
            "scope": _scope(plain["scope"]),
        }
    )


def log_from_json(plain: Mapping[str, Any]) -> LogRecord:
    """The inverse of `log_to_json`."""
    return LogRecord(
        **{
            **_known(LogRecord, plain),
            "body": value_from_json(plain["body"]),
            "attributes": attributes_from_json(plain["attributes"]),
            "duplicate_attributes": _repeated(plain["duplicate_attributes"]),
            "resource": _resource(plain["resource"]),
            "scope": _scope(plain["scope"]),
        }
    )


def summary_from_json(plain: Mapping[str, Any]) -> TraceSummary:
    return TraceSummary(**_known(TraceSummary, plain))


def service_from_json(plain: Mapping[str, Any]) -> ServiceSummary:
    buckets = tuple(
        Bucket(start_ns=start_ns, requests=requests, errors=errors)
        for start_ns, requests, errors in plain["buckets"]
    )
    return ServiceSummary(**{**_known(ServiceSummary, plain), "buckets": buckets})
