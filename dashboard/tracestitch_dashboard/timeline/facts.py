"""Attributes as people read them: all of them in groups, and the few that say what a span did."""

from __future__ import annotations

import json
from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from tracestitch_collector import plain
from tracestitch_collector.model import Attributes, AttributeValue, Span

Facts: TypeAlias = tuple[tuple[str, str], ...]
"""Label to text."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    title: str
    attributes: Facts


DESCRIBED = {
    "url.path": "path",
    "http.response.status_code": "status code",
    "tracestitch.queue_time_ms": "waited before the app, ms",
    "tracestitch.requests.in_flight": "requests served at once",
    "tracestitch.client.disconnected": "client went away",
    "tracestitch.retry.attempt": "attempt",
    "db.system.name": "database",
    "db.namespace": "name",
    "db.response.returned_rows": "rows",
    "tracestitch.db.in_transaction": "in transaction",
    "tracestitch.transaction.open_ms": "open, ms",
    "tracestitch.transaction.statements": "statements in it",
    "tracestitch.transaction.writes": "writes in it",
    "tracestitch.transaction.savepoints": "savepoints",
    "tracestitch.transaction.calls": "calls and messages inside",
    "tracestitch.transaction.on_commit": "on_commit hooks",
    "tracestitch.django.lazy_relation": "lazy load of",
    "tracestitch.cache.hits": "cache hits",
    "tracestitch.cache.misses": "cache misses",
    "messaging.system": "messaging",
    "messaging.destination.name": "queue",
    "messaging.message.id": "task id",
    "tracestitch.celery.state": "state",
}
SQL = {
    "db.system.name": "database",
    "db.namespace": "name",
    "db.operation.name": "operation",
    "db.collection.name": "table",
    "db.response.returned_rows": "rows",
    "tracestitch.db.in_transaction": "in transaction",
    "server.address": "server",
    "server.port": "port",
}
HTTP = {
    "http.request.method": "method",
    "url.full": "address",
    "http.route": "route",
    "url.path": "path",
    "url.query": "query",
    "http.response.status_code": "status code",
    "server.address": "server",
    "server.port": "port",
    "client.address": "client",
    "user_agent.original": "user agent",
    "network.protocol.version": "protocol",
    "tracestitch.http.client": "library",
    "tracestitch.timeout.connect_s": "connect timeout, s",
    "tracestitch.timeout.read_s": "read timeout, s",
    "tracestitch.timeout.missing": "no timeout",
    "tracestitch.response.content_type": "content type",
    "tracestitch.response.body_shape": "shape of the body",
}


def chosen(attributes: Attributes, labels: dict[str, str]) -> Facts:
    return tuple((label, text_of(attributes[key])) for key, label in labels.items() if key in attributes)


def text_of(value: AttributeValue) -> str:
    """A value as it is written in the panel: text is itself, the rest as JSON."""
    if isinstance(value, str):
        return value
    return json.dumps(plain.value_to_json(value), ensure_ascii=False)


def all_of(attributes: Attributes, more: Iterable[tuple[str, AttributeValue]] = ()) -> Facts:
    listed = [(key, text_of(value)) for key, value in sorted(attributes.items())]
    return (*listed, *((f"{key} (again)", text_of(value)) for key, value in more))


def groups_of(span: Span) -> tuple[Group, ...]:
    scope = (("name", span.scope.name), ("version", span.scope.version))
    found = (
        Group(title="Span", attributes=all_of(span.attributes, span.duplicate_attributes)),
        Group(title="Process", attributes=all_of(span.resource.attributes)),
        Group(
            title="Instrumentation",
            attributes=(*((key, text) for key, text in scope if text), *all_of(span.scope.attributes)),
        ),
    )
    return tuple(group for group in found if group.attributes)
