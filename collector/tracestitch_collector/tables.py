"""Model objects as tables in the schemas of columns.py: the way back into a store for what was read out of one."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Generic, TypeVar

import pyarrow as pa

from tracestitch_collector.checks import finding as findings
from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.columns import (
    ATTRIBUTE_TYPES,
    FINDINGS,
    LOGS,
    MAX_ATTRIBUTE_COLUMNS,
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

Item = TypeVar("Item")
Pairs = Iterable[tuple[str, AttributeValue]]

MAX_INTEGER = 2**63


@dataclass(frozen=True, slots=True, kw_only=True)
class Identified(Generic[Item]):
    """An item and the place in a request that is its identity."""

    digest: bytes
    index: int
    item: Item


def spans_table(spans: Sequence[Identified[Span]]) -> pa.Table:
    columns = _Columns(each.item.attributes for each in spans)
    rows = [
        {**_identity(each), **_span(each.item), "attributes_other": columns.other(each.item)}
        for each in spans
    ]
    return columns.added_to(pa.Table.from_pylist(rows, schema=SPANS))


def logs_table(logs: Sequence[Identified[LogRecord]]) -> pa.Table:
    columns = _Columns(each.item.attributes for each in logs)
    rows = [
        {**_identity(each), **_log(each.item), "attributes_other": columns.other(each.item)} for each in logs
    ]
    return columns.added_to(pa.Table.from_pylist(rows, schema=LOGS))


def findings_table(items: Iterable[Finding], evaluated_ns: int | None = None) -> pa.Table:
    """Evaluated then, or when each was seen last."""
    rows = [
        {
            "evaluated_ns": item.last_seen_ns if evaluated_ns is None else evaluated_ns,
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


class _Columns:
    """Which attributes have a column of their own, and what they hold."""

    def __init__(self, attributes: Iterable[Mapping[str, AttributeValue]]) -> None:
        self._columns: dict[str, list[AttributeValue]] = {}
        rows = list(attributes)
        for row, own in enumerate(rows):
            for key, value in own.items():
                if name := self._name(key, value):
                    self._columns.setdefault(name, [None] * len(rows))[row] = value

    def _name(self, key: str, value: AttributeValue) -> str:
        """Empty where it has none."""
        letter = {str: "s", int: "i", float: "d", bool: "b"}.get(type(value), "")
        if not letter or (letter == "i" and not -MAX_INTEGER <= value < MAX_INTEGER):  # type: ignore[operator]  # its letter says that it is an integer
            return ""
        name = f"attr.{letter}.{key}"
        return name if name in self._columns or len(self._columns) < MAX_ATTRIBUTE_COLUMNS else ""

    def other(self, item: Span | LogRecord) -> str | None:
        odd = [(key, value) for key, value in item.attributes.items() if not self._name(key, value)]
        pairs = _pairs((*odd, *item.duplicate_attributes))
        return json.dumps(pairs) if pairs else None

    def added_to(self, table: pa.Table) -> pa.Table:
        for name, values in self._columns.items():
            table = table.append_column(name, pa.array(values, ATTRIBUTE_TYPES[name[5]]))
        return table


def _identity(each: Identified[Any]) -> dict[str, Any]:
    return {"request_digest": each.digest, "request_index": each.index}


def _span(item: Span) -> dict[str, Any]:
    return {
        **_origin(item),
        "trace_id": bytes.fromhex(item.trace_id),
        "span_id": bytes.fromhex(item.span_id),
        "parent_span_id": bytes.fromhex(item.parent_span_id) or None,
        "trace_state": item.trace_state,
        "name": item.name,
        "kind": SPAN_KINDS.index(item.kind),
        "start_ns": item.start_ns,
        "duration_ns": item.duration_ns,
        "status_code": STATUS_CODES.index(item.status_code),
        "status_message": item.status_message,
        "events": _events(item),
        "links": _links(item),
        "dropped_events_count": item.dropped_events_count,
        "dropped_links_count": item.dropped_links_count,
    }


def _log(item: LogRecord) -> dict[str, Any]:
    return {
        **_origin(item),
        "time_ns": item.time_ns,
        "observed_ns": item.observed_ns,
        "severity_number": item.severity_number,
        "severity_text": item.severity_text,
        "body": item.body if isinstance(item.body, str) else value_text(item.body),
        "body_is_text": isinstance(item.body, str),
        "event_name": item.event_name,
        "trace_id": bytes.fromhex(item.trace_id) or None,
        "span_id": bytes.fromhex(item.span_id) or None,
    }


def _origin(item: Span | LogRecord) -> dict[str, Any]:
    return {
        "received_ns": item.received_ns,
        "flags": item.flags,
        "service_name": item.service,
        "environment": item.resource.environment,
        "resource": _resource(item.resource),
        "scope": _scope(item.scope),
        "dropped_attributes_count": item.dropped_attributes_count,
    }


def _events(item: Span) -> str | None:
    return _json(
        {
            "time_ns": event.time_ns,
            "name": event.name,
            "attributes": _pairs(event.attributes.items()),
            "dropped": event.dropped_attributes_count,
        }
        for event in item.events
    )


def _links(item: Span) -> str | None:
    return _json(
        {
            "trace_id": link.trace_id,
            "span_id": link.span_id,
            "trace_state": link.trace_state,
            "flags": link.flags,
            "attributes": _pairs(link.attributes.items()),
            "dropped": link.dropped_attributes_count,
        }
        for link in item.links
    )


def _pairs(pairs: Pairs) -> list[list[Any]]:
    return [[key, to_plain(value)] for key, value in pairs]


def _json(items: Iterable[dict[str, Any]]) -> str | None:
    found = list(items)
    return json.dumps(found) if found else None


def _resource(item: Resource) -> str:
    return resource_text(list(item.attributes.items()), item.schema_url, item.dropped_attributes_count)


def _scope(item: Scope) -> str:
    return scope_text(
        item.name, item.version, list(item.attributes.items()), item.schema_url, item.dropped_attributes_count
    )
