"""Documents as model objects: the inverse of documents.py. Documents that Elastic's own exporter wrote are read
too, as far as their shape goes; whatever is missing or odd in one is left out, never an error.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import orjson

from tracestitch_collector.columns import from_plain
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
from tracestitch_collector.store.elasticsearch.fields import (
    ENRICHED_ATTRIBUTES,
    ENRICHED_RESOURCE,
    KINDS,
    OWN_ATTRIBUTES,
    STATUSES,
)
from tracestitch_collector.store.elasticsearch.times import nanoseconds

Document = Mapping[str, Any]
Attributes = dict[str, AttributeValue]
Repeated = tuple[tuple[str, AttributeValue], ...]

_KINDS = {name: kind for name, kind in zip(KINDS, SPAN_KINDS, strict=True) if name}
_STATUSES = {name: code for name, code in zip(STATUSES, STATUS_CODES, strict=True) if name}


def span(document: Document, events: Iterable[Document] = ()) -> Span:
    """The events are the log documents of this span document, in any order."""
    kept = document.get("tracestitch") or {}
    own = document.get("attributes") or {}
    status = document.get("status") or {}
    attributes, duplicates = _attributes(document, kept, ENRICHED_ATTRIBUTES)
    return Span(
        trace_id=document.get("trace_id", ""),
        span_id=document.get("span_id", ""),
        parent_span_id=document.get("parent_span_id", ""),
        name=document.get("name", ""),
        kind=_KINDS.get(document.get("kind", ""), "unspecified"),
        start_ns=_time(document),
        duration_ns=kept["duration_ns"] if "duration_ns" in kept else document.get("duration", 0),
        status_code=_STATUSES.get(status.get("code", ""), "unset"),
        status_message=status.get("message", ""),
        trace_state=document.get("trace_state", ""),
        flags=kept.get("flags", 0),
        attributes=attributes,
        duplicate_attributes=duplicates,
        dropped_attributes_count=document.get("dropped_attributes_count", 0),
        events=tuple(_event(event) for event in sorted(events, key=_event_index)),
        dropped_events_count=document.get("dropped_events_count", 0),
        links=_links(document, kept),
        dropped_links_count=document.get("dropped_links_count", 0),
        resource=_resource(document, kept),
        scope=_scope(document, kept),
        received_ns=own.get("tracestitch.received_ns", 0),
    )


def log_record(document: Document) -> LogRecord:
    kept = document.get("tracestitch") or {}
    own = document.get("attributes") or {}
    attributes, duplicates = _attributes(document, kept, frozenset())
    return LogRecord(
        time_ns=_time(document),
        observed_ns=nanoseconds(document.get("observed_timestamp")),
        severity_number=document.get("severity_number", 0),
        severity_text=document.get("severity_text", ""),
        body=_body(document, kept),
        event_name=kept["event_name"] if "event_name" in kept else document.get("event_name", ""),
        trace_id=document.get("trace_id", ""),
        span_id=document.get("span_id", ""),
        flags=kept.get("flags", 0),
        attributes=attributes,
        duplicate_attributes=duplicates,
        dropped_attributes_count=document.get("dropped_attributes_count", 0),
        resource=_resource(document, kept),
        scope=_scope(document, kept),
        received_ns=own.get("tracestitch.received_ns", 0),
    )


def _event(document: Document) -> SpanEvent:
    kept = document.get("tracestitch") or {}
    attributes, _ = _attributes(document, kept, ENRICHED_ATTRIBUTES | {"event.name"})
    return SpanEvent(
        time_ns=_time(document),
        name=document.get("event_name", ""),
        attributes=attributes,
        dropped_attributes_count=document.get("dropped_attributes_count", 0),
    )


def _event_index(document: Document) -> int:
    index: int = document["attributes"]["tracestitch.event_index"]
    return index


def _time(document: Document) -> int:
    exact = (document.get("attributes") or {}).get("tracestitch.time_ns")
    return exact if isinstance(exact, int) else nanoseconds(document.get("@timestamp"))


def _attributes(document: Document, kept: Document, added: frozenset[str]) -> tuple[Attributes, Repeated]:
    """The sender's attributes, without ours and without what enrichment added."""
    hidden = OWN_ATTRIBUTES | (added - set(kept.get("sent", ())))
    exact = {key: from_plain(value) for key, value in _pairs(kept.get("attributes"))}
    attributes = {
        key: _shown(value)
        for key, value in (document.get("attributes") or {}).items()
        if key not in hidden and key not in exact
    }
    duplicates = tuple((key, from_plain(value)) for key, value in _pairs(kept.get("duplicates")))
    return {**attributes, **exact}, duplicates


def _pairs(text: str | None) -> list[list[Any]]:
    return orjson.loads(text) if text else []


def _shown(value: Any) -> AttributeValue:
    """A value as JSON has it."""
    if isinstance(value, list):
        return tuple(_shown(item) for item in value)
    if isinstance(value, dict):
        return {key: _shown(item) for key, item in value.items()}
    plain: AttributeValue = value
    return plain


def _resource(document: Document, kept: Document) -> Resource:
    if "resource" in kept:
        return Resource(**_exact(kept["resource"]))
    resource = document.get("resource") or {}
    hidden = ENRICHED_RESOURCE - set(kept.get("resource_sent", ()))
    if kept.get("unnamed"):
        hidden |= {"service.name"}
    return Resource(
        attributes={
            key: _shown(value)
            for key, value in (resource.get("attributes") or {}).items()
            if key not in hidden
        },
        schema_url=resource.get("schema_url", ""),
        dropped_attributes_count=resource.get("dropped_attributes_count", 0),
    )


def _scope(document: Document, kept: Document) -> Scope:
    if "scope" in kept:
        return Scope(**_exact(kept["scope"]))
    scope = document.get("scope") or {}
    return Scope(
        name=scope.get("name", ""),
        version=scope.get("version", ""),
        attributes={key: _shown(value) for key, value in (scope.get("attributes") or {}).items()},
        schema_url=scope.get("schema_url", ""),
        dropped_attributes_count=scope.get("dropped_attributes_count", 0),
    )


def _exact(text: str) -> dict[str, Any]:
    """The fields of a resource or scope from the text of columns.py; the first value of a repeated key counts."""
    plain = orjson.loads(text)
    attributes: Attributes = {}
    for key, value in plain.pop("attributes"):
        attributes.setdefault(key, from_plain(value))
    return {"attributes": attributes, "dropped_attributes_count": plain.pop("dropped"), **plain}


def _links(document: Document, kept: Document) -> tuple[SpanLink, ...]:
    if "links" in kept:
        return tuple(
            SpanLink(
                trace_id=link["trace_id"],
                span_id=link["span_id"],
                trace_state=link["trace_state"],
                flags=link["flags"],
                attributes={key: from_plain(value) for key, value in link["attributes"]},
                dropped_attributes_count=link["dropped"],
            )
            for link in orjson.loads(kept["links"])
        )
    return tuple(
        SpanLink(
            trace_id=link.get("trace_id", ""),
            span_id=link.get("span_id", ""),
            trace_state=link.get("trace_state", ""),
            attributes={key: _shown(value) for key, value in (link.get("attributes") or {}).items()},
            dropped_attributes_count=link.get("dropped_attributes_count", 0),
        )
        for link in document.get("links") or ()
    )


def _body(document: Document, kept: Document) -> AttributeValue:
    if "body" in kept:
        return from_plain(orjson.loads(kept["body"]))
    body = document.get("body") or {}
    return _shown(body.get("text", body.get("structured")))
