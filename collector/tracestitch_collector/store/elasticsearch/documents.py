"""Arrow tables as OTel-native documents, the shape that Elastic's exporter and Elasticsearch's own OTLP endpoint
write: spans, their events as log documents, and log records. See docs/elasticsearch.md for every field.

`_id` is made from the identity of the request and the place in it, so that writing twice stores once.
"""

from __future__ import annotations

import base64
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any, Literal

import orjson
import pyarrow as pa

from tracestitch_collector.columns import LOGS, SPANS
from tracestitch_collector.store.elasticsearch.attributes import (
    RowAttributes,
    event_attributes,
    row_attributes,
)
from tracestitch_collector.store.elasticsearch.bodies import body_fields
from tracestitch_collector.store.elasticsearch.enrichment import (
    SpanFacts,
    exception_attributes,
    span_attributes,
)
from tracestitch_collector.store.elasticsearch.fields import KINDS, MAX_LONG, STATUSES
from tracestitch_collector.store.elasticsearch.origins import Origin, Origins
from tracestitch_collector.store.elasticsearch.plain_logs import plain_logs
from tracestitch_collector.store.elasticsearch.plain_spans import plain_spans
from tracestitch_collector.store.elasticsearch.routing import Router, Stream
from tracestitch_collector.store.elasticsearch.times import rfc3339
from tracestitch_collector.store.elasticsearch.values import can_be_indexed, rendered

MAX_ROWS = 2**14
"""That are rendered at a time: some 25 MB of text."""

Signal = Literal["traces", "logs", "findings"]
Row = dict[str, Any]
Document = dict[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class Action:
    """One document and where it goes: two lines of a bulk request."""

    signal: Signal
    line: bytes
    document: bytes

    @property
    def size(self) -> int:
        return len(self.line) + len(self.document) + 2


def span_lines(table: pa.Table, router: Router, origins: Origins) -> Iterator[pa.Array]:
    """For every span and every event two lines of a bulk request, in arrays."""
    for part in _parts(table):
        texts, odd = plain_spans(part, router, origins)
        yield texts
        if odd.any():
            yield lines_of(span_actions(part.filter(pa.array(odd)), router, origins))
        with_events = ~part.column("events").is_null().to_numpy() & ~odd
        if with_events.any():
            others = span_actions(part.filter(pa.array(with_events)), router, origins)
            yield lines_of(action for action in others if action.signal == "logs")


def log_lines(table: pa.Table, router: Router, origins: Origins) -> Iterator[pa.Array]:
    for part in _parts(table):
        texts, odd = plain_logs(part, router, origins)
        yield texts
        if odd.any():
            yield lines_of(log_actions(part.filter(pa.array(odd)), router, origins))


def _parts(table: pa.Table) -> Iterator[pa.Table]:
    for first in range(0, len(table), MAX_ROWS):
        yield table.slice(first, MAX_ROWS)


def lines_of(actions: Iterable[Action]) -> pa.Array:
    return pa.array([b"%b\n%b\n" % (action.line, action.document) for action in actions], pa.binary())


def actions_in(body: bytes) -> list[Action]:
    """The documents of a bulk body, taken apart again."""
    lines = body.split(b"\n")
    return [
        Action(signal=_signal(line), line=line, document=document)
        for line, document in zip(lines[::2], lines[1::2], strict=False)
    ]


def _signal(line: bytes) -> Signal:
    ((operation, header),) = orjson.loads(line).items()
    if operation != "create":
        return "findings"
    return "logs" if header["_index"].startswith("logs-") else "traces"


def span_actions(table: pa.Table, router: Router, origins: Origins) -> Iterator[Action]:
    """Each span, then its events, one row after the other: the form that plain_spans.py keeps to."""
    for row, attributes in zip(_rows(table, SPANS), row_attributes(table), strict=True):
        resource = origins.resource(row["resource"], row["service_name"])
        scope = origins.scope(row["scope"])
        stream = router.stream(attributes.routing, scope.name, scope.attributes, resource.attributes)
        facts = _facts(row, attributes)
        identity = identity_text(row["request_digest"], row["request_index"])
        kept = {**_span_extras(row), **attributes.to_keep(), **resource.kept, **scope.kept}
        yield _action(
            "traces", stream, identity, _span(row, attributes, facts, (resource, scope), stream, kept)
        )
        yield from _event_actions(row, facts, (resource, scope), stream, identity)


def log_actions(table: pa.Table, router: Router, origins: Origins) -> Iterator[Action]:
    for row, attributes in zip(_rows(table, LOGS), row_attributes(table), strict=True):
        resource = origins.resource(row["resource"], row["service_name"])
        scope = origins.scope(row["scope"])
        stream = router.stream(attributes.routing, scope.name, scope.attributes, resource.attributes)
        identity = identity_text(row["request_digest"], row["request_index"])
        yield _action("logs", stream, identity, _log(row, attributes, (resource, scope), stream))


def identity_text(digest: bytes, index: int, event_index: int | None = None) -> str:
    """`_id`. The digest is a hash already, and 16 bytes always make 22 characters, so no two places meet."""
    text = f"{base64.urlsafe_b64encode(digest).decode()[:22]}{index}"
    return text if event_index is None else f"{text}.{event_index}"


def _rows(table: pa.Table, schema: pa.Schema) -> list[Row]:
    rows: list[Row] = table.select(schema.names).to_pylist()
    return rows


def _facts(row: Row, attributes: RowAttributes) -> SpanFacts:
    return SpanFacts(
        span_id=row["span_id"].hex(),
        is_root=not row["parent_span_id"],
        kind=row["kind"] or 0,
        flags=row["flags"] or 0,
        name=row["name"] or "",
        start_ns=row["start_ns"],
        duration_ns=row["duration_ns"],
        status=row["status_code"] or 0,
        trace_state=row["trace_state"] or "",
        attributes=attributes.fields,
    )


def _span(
    row: Row,
    attributes: RowAttributes,
    facts: SpanFacts,
    origin: tuple[Origin, Origin],
    stream: Stream,
    kept: Document,
) -> Document:
    end_ns = facts.start_ns + facts.duration_ns
    own = {
        "tracestitch.time_ns": facts.start_ns,
        "tracestitch.end_ns": min(end_ns, MAX_LONG),
        "tracestitch.received_ns": row["received_ns"],
    }
    document: Document = {
        "@timestamp": rfc3339(facts.start_ns),
        "data_stream": {"type": "traces", "dataset": stream.dataset, "namespace": stream.namespace},
        "trace_id": row["trace_id"].hex(),
        "span_id": facts.span_id,
        "name": facts.name,
        "attributes": _merged(attributes, span_attributes(facts), own),
        "resource": origin[0].document,
        "scope": origin[1].document,
    }
    if row["parent_span_id"]:
        document["parent_span_id"] = row["parent_span_id"].hex()
    if facts.trace_state:
        document["trace_state"] = facts.trace_state
    if 0 < facts.kind < len(KINDS):
        document["kind"] = KINDS[facts.kind]
    if facts.start_ns and end_ns:
        document["duration"] = facts.duration_ns
    else:
        kept["duration_ns"] = facts.duration_ns
    if status := _status(row):
        document["status"] = status
    if row["links"]:
        document["links"] = [_link(link) for link in orjson.loads(row["links"])]
    _add_dropped(document, row)
    if kept:
        document["tracestitch"] = kept
    return document


def _merged(attributes: RowAttributes, added: Document, own: Document) -> Document:
    """The sender's values win over what enrichment would say, ours over all."""
    merged = {**added, **attributes.fields, **own}
    if attributes.unindexed:
        merged["tracestitch.unindexed"] = attributes.unindexed
    return merged


def _span_extras(row: Row) -> Document:
    """What the OTel-native shape has no place for."""
    extras: Document = {}
    if row["flags"]:
        extras["flags"] = row["flags"]
    if row["links"]:
        extras["links"] = row["links"]
    return extras


def _status(row: Row) -> Document:
    code = row["status_code"] or 0
    status: Document = {}
    if row["status_message"]:
        status["message"] = row["status_message"]
    if 0 < code < len(STATUSES):
        status["code"] = STATUSES[code]
    return status


def _link(link: Document) -> Document:
    document: Document = {"trace_id": link["trace_id"], "span_id": link["span_id"]}
    if link["trace_state"]:
        document["trace_state"] = link["trace_state"]
    if fields := {key: rendered(value) for key, value in link["attributes"] if can_be_indexed(value)}:
        document["attributes"] = fields
    if link["dropped"]:
        document["dropped_attributes_count"] = link["dropped"]
    return document


def _add_dropped(document: Document, row: Row) -> None:
    for name in ("dropped_attributes_count", "dropped_events_count", "dropped_links_count"):
        if row.get(name):
            document[name] = row[name]


def _event_actions(
    row: Row, facts: SpanFacts, origin: tuple[Origin, Origin], stream: Stream, identity: str
) -> Iterator[Action]:
    for index, event in enumerate(orjson.loads(row["events"]) if row["events"] else ()):
        attributes = event_attributes(event["attributes"])
        name, time_ns = event["name"], event["time_ns"]
        own: Document = {
            "tracestitch.time_ns": time_ns,
            "tracestitch.received_ns": row["received_ns"],
            "tracestitch.event_index": index,
        }
        if name:
            own["event.name"] = name
        event_id = identity_text(row["request_digest"], row["request_index"], index)
        added = exception_attributes(attributes.fields, name, time_ns, event_id, facts)
        document: Document = {
            "@timestamp": rfc3339(time_ns),
            "data_stream": {"type": "logs", "dataset": stream.dataset, "namespace": stream.namespace},
            "trace_id": row["trace_id"].hex(),
            "span_id": facts.span_id,
            "attributes": _merged(attributes, added, own),
            "resource": origin[0].document,
            "scope": origin[1].document,
            "tracestitch": {"event_of": identity, **attributes.to_keep()},
        }
        if name:
            document["event_name"] = name
        if event["dropped"]:
            document["dropped_attributes_count"] = event["dropped"]
        yield _action("logs", stream, event_id, document)


def _log(row: Row, attributes: RowAttributes, origin: tuple[Origin, Origin], stream: Stream) -> Document:
    own = {
        "tracestitch.time_ns": row["time_ns"],
        "tracestitch.received_ns": row["received_ns"],
        "tracestitch.tie": int.from_bytes(row["request_digest"][:4]) << 31 | row["request_index"],
    }
    kept = {**attributes.to_keep(), **origin[0].kept, **origin[1].kept}
    document: Document = {
        "@timestamp": rfc3339(row["time_ns"]),
        "data_stream": {"type": "logs", "dataset": stream.dataset, "namespace": stream.namespace},
        "attributes": _merged(attributes, {}, own),
        "resource": origin[0].document,
        "scope": origin[1].document,
    }
    if row["observed_ns"]:
        document["observed_timestamp"] = rfc3339(row["observed_ns"])
    for name in ("severity_number", "severity_text", "event_name", "dropped_attributes_count"):
        if row[name]:
            document[name] = row[name]
    if not row["event_name"] and isinstance(named := attributes.fields.get("event.name"), str):
        # As Elastic's exporter has it; our readers tell the two apart.
        document["event_name"] = named
        kept["event_name"] = ""
    for name in ("trace_id", "span_id"):
        if row[name]:
            document[name] = row[name].hex()
    if row["flags"]:
        kept["flags"] = row["flags"]
    body, exact = body_fields(row["body"], bool(row["body_is_text"]))
    if body:
        document["body"] = body
    if exact is not None:
        kept["body"] = exact
    if kept:
        document["tracestitch"] = kept
    return document


def _action(signal: Literal["traces", "logs"], stream: Stream, identity: str, document: Document) -> Action:
    kind: Literal["traces", "logs"] = "logs" if document["data_stream"]["type"] == "logs" else "traces"
    line = orjson.dumps({"create": {"_index": stream.name(kind), "_id": identity}})
    return Action(signal=signal, line=line, document=orjson.dumps(document))
