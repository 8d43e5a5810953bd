"""OTLP requests for tests, made with the official protobuf classes, so that the decoder is tested against
bytes it did not make itself.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, ArrayValue, KeyValue, KeyValueList
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span, Status

from tracestitch_collector.model import AttributeValue

BASE_NS = 1_795_000_000_000_000_000
"""A moment for deterministic data."""

Pairs = Mapping[str, AttributeValue] | Sequence[tuple[str, AttributeValue]]
"""A sequence where a key is to be sent twice."""


def any_value(value: AttributeValue) -> AnyValue:
    if isinstance(value, bool):
        return AnyValue(bool_value=value)
    if isinstance(value, str):
        return AnyValue(string_value=value)
    if isinstance(value, int):
        return AnyValue(int_value=value)
    if isinstance(value, float):
        return AnyValue(double_value=value)
    if isinstance(value, bytes):
        return AnyValue(bytes_value=value)
    if isinstance(value, tuple):
        return AnyValue(array_value=ArrayValue(values=[any_value(item) for item in value]))
    if isinstance(value, Mapping):
        return AnyValue(kvlist_value=KeyValueList(values=key_values(value)))
    return AnyValue()


def key_values(pairs: Pairs) -> list[KeyValue]:
    items = pairs.items() if isinstance(pairs, Mapping) else pairs
    return [KeyValue(key=key, value=any_value(value)) for key, value in items]


def otlp_span(
    *,
    trace_id: str = "0af7651916cd43dd8448eb211c80319c",
    span_id: str = "b7ad6b7169203331",
    parent_span_id: str = "",
    name: str = "GET /stock/<sku>",
    kind: int = 2,
    start_ns: int = BASE_NS,
    duration_ns: int = 1_000_000,
    status: int = 0,
    message: str = "",
    attributes: Pairs = (),
    **more: Any,
) -> Span:
    """A span; `more` are further fields of the protobuf class (events, links, trace_state, flags …)."""
    return Span(
        trace_id=bytes.fromhex(trace_id),
        span_id=bytes.fromhex(span_id),
        parent_span_id=bytes.fromhex(parent_span_id),
        name=name,
        kind=kind,  # type: ignore[arg-type]  # the stubs want the enum, the wire any number
        start_time_unix_nano=start_ns,
        end_time_unix_nano=start_ns + duration_ns,
        status=Status(code=status, message=message) if status or message else None,  # type: ignore[arg-type]  # as above
        attributes=key_values(attributes),
        **more,
    )


def otlp_log(
    *,
    body: AttributeValue = "stock checked",
    time_ns: int = BASE_NS,
    severity: int = 9,
    severity_text: str = "INFO",
    trace_id: str = "",
    span_id: str = "",
    attributes: Pairs = (),
    **more: Any,
) -> LogRecord:
    return LogRecord(
        time_unix_nano=time_ns,
        severity_number=severity,  # type: ignore[arg-type]  # the stubs want the enum, the wire any number
        severity_text=severity_text,
        body=any_value(body),
        trace_id=bytes.fromhex(trace_id),
        span_id=bytes.fromhex(span_id),
        attributes=key_values(attributes),
        **more,
    )


def trace_request(
    *spans: Span, resource: Pairs = (("service.name", "inventory"),), scope: str = "tests"
) -> ExportTraceServiceRequest:
    """One request of one resource and one scope; concatenate serialised requests for more."""
    request = ExportTraceServiceRequest()
    group = request.resource_spans.add()
    group.resource.attributes.extend(key_values(resource))
    scoped = group.scope_spans.add()
    scoped.scope.name = scope
    scoped.spans.extend(spans)
    return request


def log_request(
    *records: LogRecord, resource: Pairs = (("service.name", "inventory"),), scope: str = "tests"
) -> ExportLogsServiceRequest:
    request = ExportLogsServiceRequest()
    group = request.resource_logs.add()
    group.resource.attributes.extend(key_values(resource))
    scoped = group.scope_logs.add()
    scoped.scope.name = scope
    scoped.log_records.extend(records)
    return request
