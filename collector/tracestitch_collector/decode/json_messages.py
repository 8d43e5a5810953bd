"""OTLP's messages as JSON spells them: for each the field names, their numbers and what they hold."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Literal, TypeAlias

Scalar: TypeAlias = Literal[
    "text", "hex", "bool", "enum", "uint32", "int32", "sint32", "uint64", "int64", "fixed32", "fixed64",
    "sfixed64", "double",
]  # fmt: skip


@dataclass(frozen=True, slots=True)
class Field:
    number: int
    kind: Scalar | str
    """A scalar, or the name of a message in MESSAGES."""
    repeated: bool = False


def _one(number: int, kind: str) -> Field:
    return Field(number, kind)


def _many(number: int, kind: str) -> Field:
    return Field(number, kind, repeated=True)


_ATTRIBUTES_DROPPED = "droppedAttributesCount"
_POINT_TIMES = {"startTimeUnixNano": _one(2, "fixed64"), "timeUnixNano": _one(3, "fixed64")}
_BUCKETS = {"offset": _one(1, "sint32"), "bucketCounts": _many(2, "uint64")}

MESSAGES: Mapping[str, Mapping[str, Field]] = {
    "traces": {"resourceSpans": _many(1, "ResourceSpans")},
    "logs": {"resourceLogs": _many(1, "ResourceLogs")},
    "metrics": {"resourceMetrics": _many(1, "ResourceMetrics")},
    "Resource": {
        "attributes": _many(1, "KeyValue"),
        _ATTRIBUTES_DROPPED: _one(2, "uint32"),
        "entityRefs": _many(3, "EntityRef"),
    },
    "EntityRef": {
        "schemaUrl": _one(1, "text"),
        "type": _one(2, "text"),
        "idKeys": _many(3, "text"),
        "descriptionKeys": _many(4, "text"),
    },
    "Scope": {
        "name": _one(1, "text"),
        "version": _one(2, "text"),
        "attributes": _many(3, "KeyValue"),
        _ATTRIBUTES_DROPPED: _one(4, "uint32"),
    },
    "KeyValue": {"key": _one(1, "text"), "value": _one(2, "AnyValue")},
    "ArrayValue": {"values": _many(1, "AnyValue")},
    "KeyValueList": {"values": _many(1, "KeyValue")},
    "ResourceSpans": {
        "resource": _one(1, "Resource"),
        "scopeSpans": _many(2, "ScopeSpans"),
        "schemaUrl": _one(3, "text"),
    },
    "ScopeSpans": {"scope": _one(1, "Scope"), "spans": _many(2, "Span"), "schemaUrl": _one(3, "text")},
    "Span": {
        "traceId": _one(1, "hex"),
        "spanId": _one(2, "hex"),
        "traceState": _one(3, "text"),
        "parentSpanId": _one(4, "hex"),
        "flags": _one(16, "fixed32"),
        "name": _one(5, "text"),
        "kind": _one(6, "enum"),
        "startTimeUnixNano": _one(7, "fixed64"),
        "endTimeUnixNano": _one(8, "fixed64"),
        "attributes": _many(9, "KeyValue"),
        _ATTRIBUTES_DROPPED: _one(10, "uint32"),
        "events": _many(11, "SpanEvent"),
        "droppedEventsCount": _one(12, "uint32"),
        "links": _many(13, "SpanLink"),
        "droppedLinksCount": _one(14, "uint32"),
        "status": _one(15, "Status"),
    },
    "SpanEvent": {
        "timeUnixNano": _one(1, "fixed64"),
        "name": _one(2, "text"),
        "attributes": _many(3, "KeyValue"),
        _ATTRIBUTES_DROPPED: _one(4, "uint32"),
    },
    "SpanLink": {
        "traceId": _one(1, "hex"),
        "spanId": _one(2, "hex"),
        "traceState": _one(3, "text"),
        "attributes": _many(4, "KeyValue"),
        _ATTRIBUTES_DROPPED: _one(5, "uint32"),
        "flags": _one(6, "fixed32"),
    },
    "Status": {"message": _one(2, "text"), "code": _one(3, "enum")},
    "ResourceLogs": {
        "resource": _one(1, "Resource"),
        "scopeLogs": _many(2, "ScopeLogs"),
        "schemaUrl": _one(3, "text"),
    },
    "ScopeLogs": {
        "scope": _one(1, "Scope"),
        "logRecords": _many(2, "LogRecord"),
        "schemaUrl": _one(3, "text"),
    },
    "LogRecord": {
        "timeUnixNano": _one(1, "fixed64"),
        "observedTimeUnixNano": _one(11, "fixed64"),
        "severityNumber": _one(2, "enum"),
        "severityText": _one(3, "text"),
        "body": _one(5, "AnyValue"),
        "attributes": _many(6, "KeyValue"),
        _ATTRIBUTES_DROPPED: _one(7, "uint32"),
        "flags": _one(8, "fixed32"),
        "traceId": _one(9, "hex"),
        "spanId": _one(10, "hex"),
        "eventName": _one(12, "text"),
    },
    "ResourceMetrics": {
        "resource": _one(1, "Resource"),
        "scopeMetrics": _many(2, "ScopeMetrics"),
        "schemaUrl": _one(3, "text"),
    },
    "ScopeMetrics": {"scope": _one(1, "Scope"), "metrics": _many(2, "Metric"), "schemaUrl": _one(3, "text")},
    "Metric": {
        "name": _one(1, "text"),
        "description": _one(2, "text"),
        "unit": _one(3, "text"),
        "gauge": _one(5, "Gauge"),
        "sum": _one(7, "Sum"),
        "histogram": _one(9, "Histogram"),
        "exponentialHistogram": _one(10, "ExponentialHistogram"),
        "summary": _one(11, "Summary"),
        "metadata": _many(12, "KeyValue"),
    },
    "Gauge": {"dataPoints": _many(1, "NumberPoint")},
    "Sum": {
        "dataPoints": _many(1, "NumberPoint"),
        "aggregationTemporality": _one(2, "enum"),
        "isMonotonic": _one(3, "bool"),
    },
    "Histogram": {"dataPoints": _many(1, "HistogramPoint"), "aggregationTemporality": _one(2, "enum")},
    "ExponentialHistogram": {
        "dataPoints": _many(1, "ExponentialPoint"),
        "aggregationTemporality": _one(2, "enum"),
    },
    "Summary": {"dataPoints": _many(1, "SummaryPoint")},
    "NumberPoint": {
        **_POINT_TIMES,
        "asDouble": _one(4, "double"),
        "exemplars": _many(5, "Exemplar"),
        "asInt": _one(6, "sfixed64"),
        "attributes": _many(7, "KeyValue"),
        "flags": _one(8, "uint32"),
    },
    "HistogramPoint": {
        **_POINT_TIMES,
        "count": _one(4, "fixed64"),
        "sum": _one(5, "double"),
        "bucketCounts": _many(6, "fixed64"),
        "explicitBounds": _many(7, "double"),
        "exemplars": _many(8, "Exemplar"),
        "attributes": _many(9, "KeyValue"),
        "flags": _one(10, "uint32"),
        "min": _one(11, "double"),
        "max": _one(12, "double"),
    },
    "ExponentialPoint": {
        "attributes": _many(1, "KeyValue"),
        **_POINT_TIMES,
        "count": _one(4, "fixed64"),
        "sum": _one(5, "double"),
        "scale": _one(6, "sint32"),
        "zeroCount": _one(7, "fixed64"),
        "positive": _one(8, "Buckets"),
        "negative": _one(9, "Buckets"),
        "flags": _one(10, "uint32"),
        "exemplars": _many(11, "Exemplar"),
        "min": _one(12, "double"),
        "max": _one(13, "double"),
        "zeroThreshold": _one(14, "double"),
    },
    "Buckets": _BUCKETS,
    "SummaryPoint": {
        **_POINT_TIMES,
        "count": _one(4, "fixed64"),
        "sum": _one(5, "double"),
        "quantileValues": _many(6, "Quantile"),
        "attributes": _many(7, "KeyValue"),
        "flags": _one(8, "uint32"),
    },
    "Quantile": {"quantile": _one(1, "double"), "value": _one(2, "double")},
    "Exemplar": {
        "timeUnixNano": _one(2, "fixed64"),
        "asDouble": _one(3, "double"),
        "spanId": _one(4, "hex"),
        "traceId": _one(5, "hex"),
        "asInt": _one(6, "sfixed64"),
        "filteredAttributes": _many(7, "KeyValue"),
    },
}
