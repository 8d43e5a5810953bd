"""A trace in Jaeger's form: tags, references, processes, times in microseconds."""

from __future__ import annotations

import json
import math
from collections.abc import Iterable
from typing import Any

from tracestitch_collector.model import Attributes, AttributeValue, Resource, Span, SpanEvent, Trace
from tracestitch_collector.plain import value_to_json


def trace_form(trace: Trace) -> dict[str, Any]:
    numbers: dict[str, str] = {}
    processes: dict[str, Any] = {}
    spans = []
    for span in trace.spans:
        identity = json.dumps(_process(span.resource), sort_keys=True)
        number = numbers.setdefault(identity, f"p{len(numbers) + 1}")
        if number not in processes:
            processes[number] = _process(span.resource)
        spans.append(_span(span, number))
    return {
        "traceID": trace.trace_id,
        "spans": spans,
        "processes": processes,
        "warnings": [trace.partial] if trace.partial else None,
    }


def _process(resource: Resource) -> dict[str, Any]:
    tags = _tags((key, value) for key, value in resource.attributes.items() if key != "service.name")
    return {"serviceName": resource.service, "tags": tags}


def _span(span: Span, process: str) -> dict[str, Any]:
    return {
        "traceID": span.trace_id,
        "spanID": span.span_id,
        "operationName": span.name,
        "references": _references(span),
        "startTime": span.start_ns // 1000,
        "duration": max(span.duration_ns, 0) // 1000,
        "tags": _span_tags(span),
        "logs": [_log(event) for event in span.events],
        "processID": process,
        "warnings": _warnings(span),
    }


def _references(span: Span) -> list[dict[str, str]]:
    links = [("FOLLOWS_FROM", link.trace_id, link.span_id) for link in span.links]
    if span.parent_span_id:
        links.insert(0, ("CHILD_OF", span.trace_id, span.parent_span_id))
    return [{"refType": kind, "traceID": trace_id, "spanID": span_id} for kind, trace_id, span_id in links]


def _span_tags(span: Span) -> list[dict[str, Any]]:
    more: dict[str, AttributeValue] = {}
    if span.kind != "unspecified":
        more["span.kind"] = span.kind
    if span.status_code != "unset":
        more["otel.status_code"] = span.status_code.upper()
    if span.is_error:
        more["error"] = True
    if span.status_message:
        more["otel.status_description"] = span.status_message
    if span.scope.name:
        more["otel.scope.name"] = span.scope.name
    if span.scope.version:
        more["otel.scope.version"] = span.scope.version
    if span.trace_state:
        more["w3c.tracestate"] = span.trace_state
    return _tags([*span.attributes.items(), *more.items(), *span.duplicate_attributes])


def _log(event: SpanEvent) -> dict[str, Any]:
    named: Attributes = {"event": event.name, **event.attributes}
    return {"timestamp": event.time_ns // 1000, "fields": _tags(named.items())}


def _warnings(span: Span) -> list[str] | None:
    found = []
    if span.conflicting:
        found.append("another span with the same id and other content arrived too")
    if span.duration_ns < 0:
        found.append(f"the span says that it ended {-span.duration_ns} ns before it began")
    lost = span.dropped_attributes_count + span.dropped_events_count + span.dropped_links_count
    if lost:
        found.append(f"the sender dropped {lost} attributes, events or links")
    return found or None


def _tags(pairs: Iterable[tuple[str, AttributeValue]]) -> list[dict[str, Any]]:
    return [{"key": key, **_typed(value)} for key, value in pairs]


def _typed(value: AttributeValue) -> dict[str, Any]:
    """JSON has no word for NaN and the infinities, and Jaeger none for lists: both become text."""
    if isinstance(value, bool):
        return {"type": "bool", "value": value}
    if isinstance(value, int):
        return {"type": "int64", "value": value}
    if isinstance(value, float):
        finite = math.isfinite(value)
        return {"type": "float64" if finite else "string", "value": value if finite else str(value)}
    if isinstance(value, str):
        return {"type": "string", "value": value}
    return {"type": "string", "value": json.dumps(value_to_json(value), ensure_ascii=False)}
