"""Jaeger's stable query API: the same questions, answered in OTLP JSON."""

from __future__ import annotations

import json
from dataclasses import replace
from datetime import UTC, datetime
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support import example_shop, otlp_reference
from tests.support.memory_store import MemoryStore
from tests.support.telemetry import TRACE_ID, span
from tests.support.traces import EPOCH_NS
from tracestitch_collector.decode.json import to_protobuf
from tracestitch_collector.model import Span, SpanEvent, SpanLink

START, END = "2026-09-21T14:13:19Z", "2026-09-21T14:13:21.500000001+00:00"
"""Around EPOCH_NS."""


def answer(client: TestClient, path: str, **query: str) -> Any:
    found = client.get(f"/api/v3/{path}", params=query)
    assert found.status_code == 200, found.text
    return found.json()


def spans_in(result: Any) -> list[Span]:
    """What our own receiver would make of the answer, sent to it as it is."""
    body, skipped = to_protobuf(json.dumps(result).encode(), "traces")
    assert skipped == 0
    return otlp_reference.spans_of(body, 0)


def test_services_and_their_operations(client: TestClient) -> None:
    assert answer(client, "services") == {"services": ["inventory", "pricing", "storefront", "worker"]}
    found = answer(client, "operations", service="pricing")["operations"]
    assert {"name": "POST /charge", "spanKind": "server"} in found
    assert answer(client, "operations", service="worker", span_kind="server") == {"operations": []}


def test_a_trace_comes_back_as_it_was_sent(client: TestClient, store: MemoryStore) -> None:
    sent = span(
        parent_span_id="00f067aa0ba902b7",
        status_code="error",
        status_message="broken",
        attributes={
            "n": 2**62,
            "x": float("-inf"),
            "b": False,
            "l": ("a", 1, None),
            "raw": b"\x00\xff",
            "m": {"k": {"deep": 1.5}},
        },
        events=(SpanEvent(time_ns=1_795_000_000_000_001_000, name="boom", attributes={"k": "v"}),),
        links=(SpanLink(trace_id="c" * 32, span_id="d" * 16, trace_state="a=b", flags=1),),
    )
    store.spans.append(sent)
    result = answer(client, f"traces/{TRACE_ID}")["result"]
    assert spans_in(result) == [replace(sent, received_ns=0)]


def test_every_span_of_every_service_is_under_its_process(client: TestClient) -> None:
    result = answer(client, f"traces/{example_shop.TRACE_ID}", start_time=START, end_time=END)["result"]
    assert {one.span_id for one in spans_in(result)} == {one.span_id for one in example_shop.checkout().spans}
    services = [
        pair["value"]["stringValue"]
        for process in result["resourceSpans"]
        for pair in process["resource"]["attributes"]
        if pair["key"] == "service.name"
    ]
    assert sorted(services) == ["inventory", "pricing", "storefront", "worker"]


@pytest.mark.parametrize("style", ["snake", "camel"])
def test_the_search_takes_both_ways_to_name_a_parameter(client: TestClient, style: str) -> None:
    names = {
        "query.service_name": "storefront",
        "query.operation_name": "POST /checkout",
        "query.start_time_min": START,
        "query.start_time_max": END,
        "query.duration_min": "1s100ms",
        "query.duration_max": "2s",
        "query.search_depth": "20",
        "query.attributes": json.dumps({"http.response.status_code": "502"}),
    }
    if style == "camel":
        names = {_camel(name): value for name, value in names.items()}
    found = spans_in(answer(client, "traces", **names)["result"])
    assert {one.trace_id for one in found} == {example_shop.TRACE_ID}
    assert len(found) == len(example_shop.checkout().spans)


def _camel(name: str) -> str:
    first, *rest = name.split("_")
    return first + "".join(word.capitalize() for word in rest)


def test_the_times_of_the_search_are_exact_to_the_nanosecond(client: TestClient) -> None:
    names = {"query.service_name": "storefront", "query.operation_name": "POST /checkout"}
    seconds, below = divmod(EPOCH_NS, 10**9)
    assert below == 0
    after = client.get(
        "/api/v3/traces", params={**names, "query.start_time_min": f"{_at(seconds)}.000000001Z"}
    )
    assert after.status_code == 404
    exactly = client.get(
        "/api/v3/traces", params={**names, "query.start_time_min": f"{_at(seconds)}.000000000Z"}
    )
    assert exactly.status_code == 200


def _at(seconds: int) -> str:
    return datetime.fromtimestamp(seconds, UTC).strftime("%Y-%m-%dT%H:%M:%S")


def test_nothing_found_is_404_in_the_form_of_jaegers_gateway(client: TestClient) -> None:
    for path in (f"traces/{'0' * 31}1", "traces/zz", "traces?query.service_name=nobody"):
        found = client.get(f"/api/v3/{path}")
        assert found.status_code == 404
        assert found.json()["error"]["httpCode"] == 404
        assert "found" in found.json()["error"]["message"]


@pytest.mark.parametrize(
    "query",
    [
        "query.start_time_min=soon",
        "query.start_time_min=2026-11-24T12:00:00Z&query.start_time_max=2026-11-24T11:00:00Z",
        "query.duration_min=fast",
        "query.search_depth=-1",
        "query.attributes=[1]",
    ],
)
def test_a_bad_query_is_400_with_a_text(client: TestClient, query: str) -> None:
    found = client.get(f"/api/v3/traces?{query}")
    assert found.status_code == 400
    assert found.json()["error"]["message"]


def test_a_store_that_is_away_is_503(client: TestClient, store: MemoryStore) -> None:
    store.away = "away"
    assert client.get("/api/v3/services").status_code == 503
