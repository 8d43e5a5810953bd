"""Tables become the documents that Elastic's own exporter would write, plus what Kibana and we ourselves need."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from tests.support.telemetry import (
    BASE_NS,
    MILLISECOND,
    SECOND,
    TRACE_ID,
    batch,
    finding,
    log,
    logs_table,
    resource,
    span,
    spans_table,
)
from tracestitch_collector.model import LogRecord, Resource, Scope, Span, SpanEvent, SpanLink
from tracestitch_collector.store.elasticsearch.documents import Action, actions_in, log_lines, span_lines
from tracestitch_collector.store.elasticsearch.fields import ENRICHED_ATTRIBUTES
from tracestitch_collector.store.elasticsearch.findings import finding_actions
from tracestitch_collector.store.elasticsearch.origins import Origins
from tracestitch_collector.store.elasticsearch.routing import Router
from tracestitch_collector.store.elasticsearch.setup import templates

START_NS = 1_705_314_600_123_456_789
"""2024-01-15T10:30:00.123456789Z"""

SHOP = Resource(
    attributes={"service.name": "shop", "service.version": "1.0.0", "host.name": "h1"},
    schema_url="https://opentelemetry.io/schemas/1.21.0",
)
DJANGO = Scope(
    name="opentelemetry.instrumentation.django", version="0.50b0", schema_url="https://example.org/1"
)


def actions_of(*spans: Span) -> list[Action]:
    lines = span_lines(spans_table(spans, digest=bytes(16)), Router(namespace="default"), Origins())
    return [action for array in lines for action in actions_in(b"".join(array.to_pylist()))]


def documents_of(*spans: Span) -> list[dict[str, Any]]:
    return [json.loads(action.document) for action in actions_of(*spans)]


def log_document(record: LogRecord) -> dict[str, Any]:
    lines = log_lines(logs_table([record]), Router(namespace="default"), Origins())
    (action,) = (action for array in lines for action in actions_in(b"".join(array.to_pylist())))
    document: dict[str, Any] = json.loads(action.document)
    return document


def golden(document: dict[str, Any]) -> dict[str, Any]:
    """Without what is added: our own fields and the enrichment for Kibana."""
    ours = {name for name in document["attributes"] if name.startswith("tracestitch.")} | ENRICHED_ATTRIBUTES
    added = {"agent.name", "agent.version", "deployment.environment", "service.instance.id"}
    shown = {key: value for key, value in document.items() if key != "tracestitch"}
    return {
        **shown,
        "attributes": {key: value for key, value in document["attributes"].items() if key not in ours},
        "resource": {
            **document["resource"],
            "attributes": {
                key: value for key, value in document["resource"]["attributes"].items() if key not in added
            },
        },
    }


def index_and_id(action: Action) -> tuple[str, str]:
    (header,) = json.loads(action.line).values()
    return header["_index"], header["_id"]


def test_a_span_has_the_shape_of_elastics_exporter() -> None:
    (document,) = documents_of(
        span(
            trace_id="0102030405060708090a0b0c0d0e0f10",
            span_id="0102030405060708",
            parent_span_id="0001020304050607",
            trace_state="vendor=1",
            name="GET /api/v1/users",
            kind="server",
            start_ns=START_NS,
            duration_ns=150 * MILLISECOND,
            status_code="error",
            status_message="boom",
            attributes={
                "http.request.method": "GET",
                "http.route": "/api/v1/users",
                "http.response.status_code": 200,
            },
            dropped_attributes_count=1,
            dropped_events_count=2,
            dropped_links_count=3,
            links=(
                SpanLink(
                    trace_id="100f0e0d0c0b0a090807060504030201",
                    span_id="0807060504030201",
                    attributes={"link.type": "follows_from"},
                ),
            ),
            resource=SHOP,
            scope=DJANGO,
        )
    )
    assert golden(document) == {
        "@timestamp": "2024-01-15T10:30:00.123456789Z",
        "data_stream": {"type": "traces", "dataset": "generic.otel", "namespace": "default"},
        "trace_id": "0102030405060708090a0b0c0d0e0f10",
        "span_id": "0102030405060708",
        "parent_span_id": "0001020304050607",
        "trace_state": "vendor=1",
        "name": "GET /api/v1/users",
        "kind": "Server",
        "duration": 150_000_000,
        "attributes": {
            "http.request.method": "GET",
            "http.route": "/api/v1/users",
            "http.response.status_code": 200,
        },
        "dropped_attributes_count": 1,
        "dropped_events_count": 2,
        "dropped_links_count": 3,
        "links": [
            {
                "trace_id": "100f0e0d0c0b0a090807060504030201",
                "span_id": "0807060504030201",
                "attributes": {"link.type": "follows_from"},
            }
        ],
        "status": {"code": "Error", "message": "boom"},
        "resource": {
            "schema_url": "https://opentelemetry.io/schemas/1.21.0",
            "attributes": {"service.name": "shop", "service.version": "1.0.0", "host.name": "h1"},
        },
        "scope": {
            "name": "opentelemetry.instrumentation.django",
            "version": "0.50b0",
            "schema_url": "https://example.org/1",
        },
    }


def test_what_a_span_does_not_have_is_left_out() -> None:
    (document,) = documents_of(span(kind="unspecified", start_ns=0, scope=Scope()))
    absent = {"kind", "status", "links", "parent_span_id", "trace_state", "duration", "dropped_links_count"}
    assert absent.isdisjoint(document)
    assert document["scope"] == {}


def test_values_have_the_form_that_elastics_exporter_gives_them() -> None:
    attributes = {
        "whole": 1.0,
        "bytes": b"\x00\xff",
        "list": ("a", "b"),
        "map": {"a": {"b": 1}},
        "nothing": None,
        "infinite": float("inf"),
        "data_stream.type": "spans",
        "elasticsearch.index": ".security",
    }
    (action,) = actions_of(span(attributes=attributes))
    assert b'"whole":1.0' in action.document
    assert golden(json.loads(action.document))["attributes"] == {
        "whole": 1.0,
        "bytes": "00ff",
        "list": ["a", "b"],
        "map": {"a": {"b": 1}},
        "nothing": None,
        "infinite": None,
    }


def test_values_that_no_field_can_hold_are_kept_beside() -> None:
    deep: Any = 1
    for _ in range(40):
        deep = {"k": deep}
    (document,) = documents_of(span(attributes={"": "no key", "mixed": (1, "a"), "deep": deep, "ok": 1}))
    assert document["attributes"]["ok"] == 1
    assert {"", "mixed", "deep"}.isdisjoint(document["attributes"])
    assert set(document["attributes"]["tracestitch.unindexed"]) == {"", "mixed", "deep"}
    assert {key for key, _ in json.loads(document["tracestitch"]["attributes"])} == {"", "mixed", "deep"}


def test_a_span_event_is_a_log_document() -> None:
    event = SpanEvent(
        time_ns=START_NS + 1,
        name="exception",
        attributes={"exception.type": "ValueError", "exception.message": "x", "exception.stacktrace": "…"},
        dropped_attributes_count=4,
    )
    owner, action = actions_of(span(start_ns=START_NS, events=(event,), resource=SHOP, scope=DJANGO))
    document = json.loads(action.document)
    assert golden(document) == {
        "@timestamp": "2024-01-15T10:30:00.123456790Z",
        "data_stream": {"type": "logs", "dataset": "generic.otel", "namespace": "default"},
        "trace_id": TRACE_ID,
        "span_id": "b7ad6b7169203331",
        "event_name": "exception",
        "attributes": {
            "event.name": "exception",
            "exception.type": "ValueError",
            "exception.message": "x",
            "exception.stacktrace": "…",
        },
        "dropped_attributes_count": 4,
        "resource": golden(json.loads(owner.document))["resource"],
        "scope": json.loads(owner.document)["scope"],
    }
    assert action.signal == "logs"
    assert index_and_id(action)[0] == "logs-generic.otel-default"
    assert document["tracestitch"]["event_of"] == index_and_id(owner)[1]


def test_a_log_record_has_the_shape_of_elastics_exporter() -> None:
    document = log_document(
        log(
            time_ns=START_NS,
            observed_ns=START_NS + SECOND,
            severity_number=9,
            severity_text="INFO",
            trace_id="0102030405060708090a0b0c0d0e0f10",
            span_id="0102030405060708",
            event_name="user.login",
            body="Sample log message",
            attributes={"attempt": 2},
            resource=SHOP,
            scope=DJANGO,
        )
    )
    assert golden(document) == {
        "@timestamp": "2024-01-15T10:30:00.123456789Z",
        "observed_timestamp": "2024-01-15T10:30:01.123456789Z",
        "data_stream": {"type": "logs", "dataset": "generic.otel", "namespace": "default"},
        "severity_number": 9,
        "severity_text": "INFO",
        "trace_id": "0102030405060708090a0b0c0d0e0f10",
        "span_id": "0102030405060708",
        "event_name": "user.login",
        "attributes": {"attempt": 2},
        "resource": {
            "schema_url": "https://opentelemetry.io/schemas/1.21.0",
            "attributes": {"service.name": "shop", "service.version": "1.0.0", "host.name": "h1"},
        },
        "scope": {
            "name": "opentelemetry.instrumentation.django",
            "version": "0.50b0",
            "schema_url": "https://example.org/1",
        },
        "body": {"text": "Sample log message"},
    }


def test_bodies_are_text_or_structured() -> None:
    def body(value: Any) -> Any:
        return log_document(log(body=value)).get("body")

    assert body("text") == {"text": "text"}
    assert body(5) == {"text": 5}
    assert body(True) == {"text": True}
    assert body(b"\x01") == {"text": "01"}
    assert body({"a": {"b": 1}}) == {"structured": {"a": {"b": 1}}}
    assert body(({"a": 1}, {"b": 2})) == {"structured": [{"a": 1}, {"b": 2}]}
    assert body(("a", 1)) == {"structured": {"value": ["a", 1]}}
    assert body(None) is None


def test_an_attribute_names_the_event_of_a_record_that_has_no_name() -> None:
    document = log_document(log(attributes={"event.name": "old.style"}))
    assert document["event_name"] == "old.style"
    assert document["tracestitch"]["event_name"] == ""


def test_a_request_span_is_a_transaction_to_kibana() -> None:
    (document,) = documents_of(
        span(
            parent_span_id="0001020304050607",
            kind="server",
            start_ns=START_NS,
            duration_ns=1_500_999,
            trace_state="ot=th:c",
            attributes={"http.request.method": "GET", "http.response.status_code": 503},
        )
    )
    added = {key: value for key, value in document["attributes"].items() if key in ENRICHED_ATTRIBUTES}
    assert added == {
        "timestamp.us": START_NS // 1000,
        "processor.event": "transaction",
        "transaction.id": "b7ad6b7169203331",
        "transaction.name": "GET /stock/<sku>",
        "transaction.root": False,
        "transaction.sampled": True,
        "transaction.representative_count": 4.0,
        "transaction.duration.us": 1500,
        "transaction.type": "request",
        "transaction.result": "HTTP 5xx",
        "event.outcome": "failure",
        "event.success_count": 0,
    }


def test_a_query_is_a_span_to_kibana() -> None:
    (document,) = documents_of(
        span(
            parent_span_id="0001020304050607",
            kind="client",
            name="SELECT stock_item",
            attributes={"db.system.name": "postgresql", "db.namespace": "shop", "db.query.text": "SELECT …"},
        )
    )
    added = {key: value for key, value in document["attributes"].items() if key in ENRICHED_ATTRIBUTES}
    assert added == {
        "timestamp.us": BASE_NS // 1000,
        "processor.event": "span",
        "span.type": "db",
        "span.subtype": "postgresql",
        "span.duration.us": 10_000,
        "span.representative_count": 1.0,
        "span.destination.service.resource": "postgresql",
        "service.target.type": "postgresql",
        "service.target.name": "shop",
        "event.outcome": "success",
        "event.success_count": 1,
    }


def test_a_call_that_begins_a_trace_is_both_to_kibana() -> None:
    (document,) = documents_of(
        span(kind="client", attributes={"url.full": "http://user@pricing:8000/price?sku=7"})
    )
    attributes = document["attributes"]
    assert attributes["processor.event"] == "transaction"
    assert attributes["transaction.type"] == "external.http"
    assert attributes["span.destination.service.resource"] == "pricing:8000"


def test_whether_the_parent_is_remote_decides_where_the_flags_tell() -> None:
    def event(flags: int) -> Any:
        (document,) = documents_of(span(parent_span_id="0001020304050607", kind="server", flags=flags))
        return document["attributes"]["processor.event"]

    assert [event(flags) for flags in (0, 0x100, 0x300)] == ["transaction", "span", "transaction"]


def test_an_exception_is_an_error_to_kibana() -> None:
    event = SpanEvent(time_ns=BASE_NS, name="exception", attributes={"exception.type": "ValueError"})
    attributes = documents_of(span(events=(event,)))[1]["attributes"]
    assert attributes["processor.event"] == "error"
    assert attributes["error.grouping_key"] == "5a2cfd89b7b171fd7b4794b08023d04f"
    assert attributes["error.exception.handled"] is True
    assert attributes["transaction.type"] == "unknown"
    assert attributes["error.id"] == documents_of(span(events=(event,)))[1]["attributes"]["error.id"]


def test_a_value_of_the_sender_is_never_replaced() -> None:
    (document,) = documents_of(
        span(
            attributes={"event.outcome": "unknown", "span.type": "mine", "tracestitch.time_ns": "mine"},
            resource=resource(agent__name="mine"),
        )
    )
    assert document["attributes"]["event.outcome"] == "unknown"
    assert document["attributes"]["tracestitch.time_ns"] == BASE_NS
    assert document["resource"]["attributes"]["agent.name"] == "mine"
    assert document["tracestitch"]["sent"] == ["event.outcome", "span.type"]
    assert document["tracestitch"]["resource_sent"] == ["agent.name"]


def test_a_resource_tells_kibana_its_agent_and_environment() -> None:
    origin = resource(
        telemetry__sdk__name="opentelemetry",
        telemetry__sdk__language="python",
        telemetry__distro__name="tracestitch",
        telemetry__distro__version="0.1.0",
        deployment__environment__name="staging",
        host__name="h1",
    )
    attributes = documents_of(span(resource=origin))[0]["resource"]["attributes"]
    assert attributes["agent.name"] == "opentelemetry/python/tracestitch"
    assert attributes["agent.version"] == "0.1.0"
    assert attributes["deployment.environment"] == "staging"
    assert attributes["service.instance.id"] == "h1"


def test_items_go_to_the_data_stream_that_they_name() -> None:
    def stream(item: Span) -> str:
        return index_and_id(actions_of(item)[0])[0]

    named = resource(data_stream__dataset="My-Shop", data_stream__namespace="Team A")
    assert stream(span()) == "traces-generic.otel-default"
    assert stream(span(resource=named)) == "traces-my_shop.otel-team_a"
    assert (
        stream(span(resource=named, attributes={"data_stream.dataset": "span's"}))
        == "traces-span_s.otel-team_a"
    )
    assert (
        stream(span(scope=Scope(name="otelcol/receiver/hostmetricsreceiver")))
        == "traces-hostmetricsreceiver.otel-default"
    )
    assert stream(span(attributes={"elasticsearch.index": ".security"})) == "traces-generic.otel-default"


def test_telemetry_cannot_make_ever_more_data_streams() -> None:
    spans: Sequence[Span] = [span(attributes={"data_stream.dataset": f"d{number}"}) for number in range(500)]
    streams = {index_and_id(action)[0] for action in actions_of(*spans)}
    assert len(streams) <= 201


def test_the_same_place_in_the_same_request_has_the_same_id() -> None:
    event = SpanEvent(time_ns=BASE_NS, name="e")
    spans = (span(events=(event, event)), span(), replace(span(), span_id="00000000000000aa"))
    ids = [index_and_id(action) for action in actions_of(*spans)]
    assert ids == [index_and_id(action) for action in actions_of(*spans)]
    assert len(set(ids)) == len(ids) == 5


def test_a_finding_can_be_filtered_by_its_state() -> None:
    quiet = batch(findings=[finding(state="quiet")]).findings
    newest, _ = (json.loads(action.document) for action in finding_actions(quiet, "findings"))
    assert newest["state"] == "quiet"
    mapped = templates("indices", "portable")["tracestitch-findings"]["template"]["mappings"]["properties"]
    assert mapped["state"] == {"type": "keyword"}
    assert newest.keys() - {"location"} <= mapped.keys()
