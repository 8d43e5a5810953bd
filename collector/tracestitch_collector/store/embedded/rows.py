"""Rows of the tables as the objects a reader sees."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from tracestitch_collector.columns import from_plain
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
from tracestitch_collector.store.embedded.layout import original_name


def spans_of(table: pa.Table) -> list[Span]:
    origins, attributes = _Origins(), _attributes_by_row(table)
    return [_span(row, own, origins) for row, own in zip(_fixed(table), attributes, strict=True)]


def logs_of(table: pa.Table) -> list[LogRecord]:
    origins, attributes = _Origins(), _attributes_by_row(table)
    return [_log(row, own, origins) for row, own in zip(_fixed(table), attributes, strict=True)]


def _span(row: Mapping[str, Any], own: dict[str, AttributeValue], origins: _Origins) -> Span:
    attributes, duplicates = _with_other(own, row["attributes_other"])
    return Span(
        trace_id=row["trace_id"].hex(),
        span_id=row["span_id"].hex(),
        parent_span_id=_hex(row["parent_span_id"]),
        name=row["name"],
        kind=SPAN_KINDS[row["kind"]],
        start_ns=row["start_ns"],
        duration_ns=row["duration_ns"],
        status_code=STATUS_CODES[row["status_code"]],
        status_message=row["status_message"],
        trace_state=row["trace_state"],
        flags=row["flags"],
        attributes=attributes,
        duplicate_attributes=duplicates,
        dropped_attributes_count=row["dropped_attributes_count"],
        events=tuple(map(_event, json.loads(row["events"] or "[]"))),
        dropped_events_count=row["dropped_events_count"],
        links=tuple(map(_link, json.loads(row["links"] or "[]"))),
        dropped_links_count=row["dropped_links_count"],
        resource=origins.resource(row["resource"]),
        scope=origins.scope(row["scope"]),
        received_ns=row["received_ns"],
    )


def _log(row: Mapping[str, Any], own: dict[str, AttributeValue], origins: _Origins) -> LogRecord:
    attributes, duplicates = _with_other(own, row["attributes_other"])
    return LogRecord(
        time_ns=row["time_ns"],
        observed_ns=row["observed_ns"],
        severity_number=row["severity_number"],
        severity_text=row["severity_text"],
        body=row["body"] if row["body_is_text"] else from_plain(json.loads(row["body"])),
        event_name=row["event_name"],
        trace_id=_hex(row["trace_id"]),
        span_id=_hex(row["span_id"]),
        flags=row["flags"],
        attributes=attributes,
        duplicate_attributes=duplicates,
        dropped_attributes_count=row["dropped_attributes_count"],
        resource=origins.resource(row["resource"]),
        scope=origins.scope(row["scope"]),
        received_ns=row["received_ns"],
    )


def _event(plain: Mapping[str, Any]) -> SpanEvent:
    return SpanEvent(
        time_ns=plain["time_ns"],
        name=plain["name"],
        attributes=pairs_of(plain["attributes"]),
        dropped_attributes_count=plain["dropped"],
    )


def _link(plain: Mapping[str, Any]) -> SpanLink:
    return SpanLink(
        trace_id=plain["trace_id"],
        span_id=plain["span_id"],
        trace_state=plain["trace_state"],
        flags=plain["flags"],
        attributes=pairs_of(plain["attributes"]),
        dropped_attributes_count=plain["dropped"],
    )


class _Origins:
    """Many rows share few resources and scopes: each text is made an object once."""

    def __init__(self) -> None:
        self._resources: dict[str, Resource] = {}
        self._scopes: dict[str, Scope] = {}

    def resource(self, text: str) -> Resource:
        found = self._resources.get(text)
        if found is None:
            found = self._resources[text] = resource_of(text)
        return found

    def scope(self, text: str) -> Scope:
        found = self._scopes.get(text)
        if found is None:
            found = self._scopes[text] = _scope_of(text)
        return found


def resource_of(text: str) -> Resource:
    plain = json.loads(text)
    return Resource(
        attributes=pairs_of(plain["attributes"]),
        schema_url=plain["schema_url"],
        dropped_attributes_count=plain["dropped"],
    )


def _scope_of(text: str) -> Scope:
    plain = json.loads(text)
    return Scope(
        name=plain["name"],
        version=plain["version"],
        attributes=pairs_of(plain["attributes"]),
        schema_url=plain["schema_url"],
        dropped_attributes_count=plain["dropped"],
    )


def pairs_of(pairs: list[list[Any]]) -> Attributes:
    """Attributes from [key, value] pairs; the first value of a key counts."""
    found: dict[str, AttributeValue] = {}
    for key, plain in pairs:
        found.setdefault(key, from_plain(plain))
    return found


def _with_other(
    own: dict[str, AttributeValue], other: str | None
) -> tuple[Attributes, tuple[tuple[str, AttributeValue], ...]]:
    """The attributes with those that have no column, and further values of keys that are already there."""
    if not other:
        return own, ()
    repeated: list[tuple[str, AttributeValue]] = []
    for key, plain in json.loads(other):
        if key in own:
            repeated.append((key, from_plain(plain)))
        else:
            own[key] = from_plain(plain)
    return own, tuple(repeated)


def _fixed(table: pa.Table) -> list[dict[str, Any]]:
    """The columns every row has."""
    found: list[dict[str, Any]] = table.select(
        [name for name in table.column_names if not name.startswith("attr.")]
    ).to_pylist()
    return found


def _attributes_by_row(table: pa.Table) -> list[dict[str, AttributeValue]]:
    """The attributes that have columns. Columns are mostly empty, so only their values are visited."""
    found: list[dict[str, AttributeValue]] = [{} for _ in range(len(table))]
    for name in table.column_names:
        if not name.startswith("attr."):
            continue
        key = original_name(name)[len("attr.s.") :]
        for row, value in enumerate(table[name].to_pylist()):
            if value is not None:
                found[row][key] = value
    return found


def _hex(raw: bytes | None) -> str:
    return raw.hex() if raw else ""
