"""Traces as OTLP JSON, the form in which they were sent: ids as hex, 64-bit numbers as text, kinds as numbers."""

from __future__ import annotations

import base64
import math
from collections.abc import Iterable, Mapping
from itertools import groupby
from typing import Any, TypeAlias

from tracestitch_collector.model import (
    SPAN_KINDS,
    STATUS_CODES,
    Attributes,
    AttributeValue,
    Resource,
    Scope,
    Span,
    SpanEvent,
    SpanLink,
    Trace,
)

Document: TypeAlias = dict[str, Any]


def traces_data(traces: Iterable[Trace]) -> Document:
    """OTLP's TracesData: spans under the process and the instrumentation they came from."""
    spans = (span for trace in traces for span in trace.spans)
    return {"resourceSpans": [_of_resource(resource, list(group)) for resource, group in _by_resource(spans)]}


def _by_resource(spans: Iterable[Span]) -> Iterable[tuple[Resource, list[Span]]]:
    groups: dict[str, tuple[Resource, list[Span]]] = {}
    for span in spans:
        groups.setdefault(repr(span.resource), (span.resource, []))[1].append(span)
    return groups.values()


def _of_resource(resource: Resource, spans: list[Span]) -> Document:
    spans.sort(key=lambda span: repr(span.scope))  # stable: within one instrumentation the order stays
    return {
        "resource": _filled(
            attributes=_pairs(resource.attributes.items()),
            droppedAttributesCount=resource.dropped_attributes_count,
        ),
        "scopeSpans": [_of_scope(list(group)) for _, group in groupby(spans, lambda span: repr(span.scope))],
        **_filled(schemaUrl=resource.schema_url),
    }


def _of_scope(spans: list[Span]) -> Document:
    scope: Scope = spans[0].scope
    return {
        "scope": _filled(
            name=scope.name,
            version=scope.version,
            attributes=_pairs(scope.attributes.items()),
            droppedAttributesCount=scope.dropped_attributes_count,
        ),
        "spans": [_span(span) for span in spans],
        **_filled(schemaUrl=scope.schema_url),
    }


def _span(span: Span) -> Document:
    return {
        "traceId": span.trace_id,
        "spanId": span.span_id,
        "name": span.name,
        "kind": SPAN_KINDS.index(span.kind),
        "startTimeUnixNano": str(span.start_ns),
        "endTimeUnixNano": str(max(span.end_ns, 0)),
        "status": _filled(code=STATUS_CODES.index(span.status_code), message=span.status_message),
        **_filled(
            parentSpanId=span.parent_span_id,
            traceState=span.trace_state,
            flags=span.flags,
            attributes=_pairs([*span.attributes.items(), *span.duplicate_attributes]),
            events=[_event(event) for event in span.events],
            links=[_link(link) for link in span.links],
            droppedAttributesCount=span.dropped_attributes_count,
            droppedEventsCount=span.dropped_events_count,
            droppedLinksCount=span.dropped_links_count,
        ),
    }


def _event(event: SpanEvent) -> Document:
    return {
        "timeUnixNano": str(event.time_ns),
        "name": event.name,
        **_filled(
            attributes=_pairs(event.attributes.items()),
            droppedAttributesCount=event.dropped_attributes_count,
        ),
    }


def _link(link: SpanLink) -> Document:
    return {
        "traceId": link.trace_id,
        "spanId": link.span_id,
        **_filled(
            traceState=link.trace_state,
            flags=link.flags,
            attributes=_pairs(link.attributes.items()),
            droppedAttributesCount=link.dropped_attributes_count,
        ),
    }


def _filled(**fields: Any) -> Document:
    """OTLP leaves out what is empty."""
    return {name: value for name, value in fields.items() if value}


def _pairs(pairs: Iterable[tuple[str, AttributeValue]]) -> list[Document]:
    return [{"key": key, "value": _any_value(value)} for key, value in pairs]


def _any_value(value: AttributeValue) -> Document:
    if value is None:
        return {}
    if isinstance(value, bool):
        return {"boolValue": value}
    if isinstance(value, str):
        return {"stringValue": value}
    if isinstance(value, int):
        return {"intValue": str(value)}
    if isinstance(value, float):
        return {"doubleValue": value if math.isfinite(value) else _NOT_FINITE[str(value)]}
    if isinstance(value, bytes):
        return {"bytesValue": base64.b64encode(value).decode()}
    if isinstance(value, Mapping):
        nested: Attributes = value
        return {"kvlistValue": {"values": _pairs(nested.items())}}
    return {"arrayValue": {"values": [_any_value(item) for item in value]}}


_NOT_FINITE = {"nan": "NaN", "inf": "Infinity", "-inf": "-Infinity"}
