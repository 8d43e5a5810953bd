"""A slow, obvious decoder from the official protobuf classes to the model, to hold the fast one against."""

from __future__ import annotations

from collections.abc import Iterable, Iterator

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as OtlpLog
from opentelemetry.proto.resource.v1.resource_pb2 import Resource as OtlpResource
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan

from tracestitch_collector.model import (
    SPAN_KINDS,
    STATUS_CODES,
    AttributeValue,
    LogRecord,
    Resource,
    Scope,
    Span,
    SpanEvent,
    SpanLink,
)

LATEST = 2**63 - 1


def spans_of(body: bytes, received_ns: int) -> list[Span]:
    return [
        _span(span, _resource(group.resource, group.schema_url), _scope(scoped.scope, scoped.schema_url), received_ns)
        for group in ExportTraceServiceRequest.FromString(body).resource_spans
        for scoped in group.scope_spans
        for span in scoped.spans
    ]  # fmt: skip


def logs_of(body: bytes, received_ns: int) -> list[LogRecord]:
    return [
        _log(record, _resource(group.resource, group.schema_url), _scope(scoped.scope, scoped.schema_url), received_ns)
        for group in ExportLogsServiceRequest.FromString(body).resource_logs
        for scoped in group.scope_logs
        for record in scoped.log_records
    ]  # fmt: skip


def value(item: AnyValue) -> AttributeValue:
    kind = item.WhichOneof("value")
    if kind is None:
        return None
    if kind == "array_value":
        return tuple(value(each) for each in item.array_value.values)
    if kind == "kvlist_value":
        return {each.key: value(each.value) for each in item.kvlist_value.values}
    found: AttributeValue = getattr(item, kind)
    return found


def _attributes(items: Iterable[KeyValue]) -> dict[str, AttributeValue]:
    found: dict[str, AttributeValue] = {}
    for item in items:
        found.setdefault(item.key, value(item.value))
    return found


def _duplicates(items: Iterable[KeyValue]) -> Iterator[tuple[str, AttributeValue]]:
    seen: set[str] = set()
    for item in items:
        if item.key in seen:
            yield item.key, value(item.value)
        seen.add(item.key)


def _span(span: OtlpSpan, resource: Resource, scope: Scope, received_ns: int) -> Span:
    start, end = min(span.start_time_unix_nano, LATEST), min(span.end_time_unix_nano, LATEST)
    return Span(
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_span_id=span.parent_span_id.hex() if any(span.parent_span_id) else "",
        name=span.name,
        kind=SPAN_KINDS[span.kind],
        start_ns=start,
        duration_ns=end - start,
        status_code=STATUS_CODES[span.status.code],
        status_message=span.status.message,
        trace_state=span.trace_state,
        flags=span.flags,
        attributes=_attributes(span.attributes),
        duplicate_attributes=tuple(_duplicates(span.attributes)),
        dropped_attributes_count=span.dropped_attributes_count,
        events=tuple(
            SpanEvent(
                time_ns=min(event.time_unix_nano, LATEST),
                name=event.name,
                attributes=_attributes(event.attributes),
                dropped_attributes_count=event.dropped_attributes_count,
            )
            for event in span.events
        ),
        dropped_events_count=span.dropped_events_count,
        links=tuple(
            SpanLink(
                trace_id=link.trace_id.hex(),
                span_id=link.span_id.hex(),
                trace_state=link.trace_state,
                flags=link.flags,
                attributes=_attributes(link.attributes),
                dropped_attributes_count=link.dropped_attributes_count,
            )
            for link in span.links
        ),
        dropped_links_count=span.dropped_links_count,
        resource=resource,
        scope=scope,
        received_ns=received_ns,
    )


def _log(record: OtlpLog, resource: Resource, scope: Scope, received_ns: int) -> LogRecord:
    return LogRecord(
        time_ns=min(record.time_unix_nano or record.observed_time_unix_nano or received_ns, LATEST),
        observed_ns=min(record.observed_time_unix_nano, LATEST),
        severity_number=record.severity_number,
        severity_text=record.severity_text,
        body=value(record.body),
        event_name=record.event_name,
        trace_id=record.trace_id.hex() if any(record.trace_id) else "",
        span_id=record.span_id.hex() if any(record.span_id) else "",
        flags=record.flags,
        attributes=_attributes(record.attributes),
        duplicate_attributes=tuple(_duplicates(record.attributes)),
        dropped_attributes_count=record.dropped_attributes_count,
        resource=resource,
        scope=scope,
        received_ns=received_ns,
    )


def _resource(resource: OtlpResource, schema_url: str) -> Resource:
    return Resource(
        attributes=_attributes(resource.attributes),
        schema_url=schema_url,
        dropped_attributes_count=resource.dropped_attributes_count,
    )


def _scope(scope: InstrumentationScope, schema_url: str) -> Scope:
    return Scope(
        name=scope.name,
        version=scope.version,
        attributes=_attributes(scope.attributes),
        schema_url=schema_url,
        dropped_attributes_count=scope.dropped_attributes_count,
    )
