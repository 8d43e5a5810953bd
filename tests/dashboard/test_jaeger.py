"""The Jaeger query API."""

from __future__ import annotations

import json
from typing import Any

import pytest
from starlette.testclient import TestClient

from tests.support import example_shop
from tests.support.memory_store import MemoryStore
from tests.support.telemetry import TRACE_ID, span
from tests.support.traces import EPOCH_NS
from tracestitch_collector.model import SpanEvent, SpanLink


def data(client: TestClient, path: str, **query: str) -> Any:
    answer = client.get(path, params=query)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    assert (found["errors"], found["total"]) == (None, len(found["data"]))
    return found["data"]


def test_services_and_their_operations(client: TestClient) -> None:
    assert data(client, "/api/services") == ["inventory", "pricing", "storefront", "worker"]
    assert data(client, "/api/services/storefront/operations") == ["GET /orders", "POST /checkout"]
    assert {"name": "POST /charge", "spanKind": "server"} in data(
        client, "/api/operations", service="pricing"
    )
    assert data(client, "/api/operations", service="worker", spanKind="server") == []


def test_dependencies_count_the_calls(client: TestClient) -> None:
    found = data(client, "/api/dependencies", endTs=str(example_shop.NOW_NS // 10**6), lookback="3600000")
    assert {"parent": "storefront", "child": "pricing", "callCount": 4} in found


def test_the_search_takes_what_grafana_sends(client: TestClient) -> None:
    start, end = EPOCH_NS // 1000 - 1, EPOCH_NS // 1000 + 10**6
    found = data(
        client,
        "/api/traces",
        service="storefront",
        operation="POST /checkout",
        tags=json.dumps({"http.response.status_code": "502"}),
        minDuration="1.1s",
        maxDuration="2s",
        limit="20",
        start=str(start),
        end=str(end),
        lookback="custom",
    )
    assert [trace["traceID"] for trace in found] == [example_shop.TRACE_ID]
    assert data(client, "/api/traces", service="storefront", tags='{"error":"true"}', limit="1")


def test_a_trace_in_jaegers_form(client: TestClient, store: MemoryStore) -> None:
    store.spans.append(
        span(
            parent_span_id="00f067aa0ba902b7",
            status_code="error",
            status_message="broken",
            attributes={"n": 1, "x": float("inf"), "b": True, "l": ("a", 1), "raw": b"\x00"},
            events=(SpanEvent(time_ns=1_795_000_000_000_001_000, name="boom", attributes={"k": "v"}),),
            links=(SpanLink(trace_id="c" * 32, span_id="d" * 16),),
        )
    )
    (trace,) = data(client, f"/api/traces/{TRACE_ID}")
    (found,) = trace["spans"]
    tags = {tag["key"]: (tag["type"], tag["value"]) for tag in found["tags"]}
    assert tags["n"] == ("int64", 1)
    assert tags["x"] == ("string", "inf")
    assert tags["b"] == ("bool", True)
    assert tags["l"] == ("string", '["a", 1]')
    assert tags["error"] == ("bool", True)
    assert tags["span.kind"] == ("string", "server")
    assert tags["otel.status_code"] == ("string", "ERROR")
    assert tags["otel.scope.name"] == ("string", "tests")
    assert found["startTime"] == 1_795_000_000_000_000
    assert found["duration"] == 10_000
    assert found["references"] == [
        {"refType": "CHILD_OF", "traceID": TRACE_ID, "spanID": "00f067aa0ba902b7"},
        {"refType": "FOLLOWS_FROM", "traceID": "c" * 32, "spanID": "d" * 16},
    ]
    assert found["logs"][0]["timestamp"] == 1_795_000_000_000_001
    assert found["logs"][0]["fields"][0] == {"key": "event", "type": "string", "value": "boom"}
    assert trace["processes"][found["processID"]]["serviceName"] == "inventory"


def test_an_unknown_trace_is_404_and_never_an_empty_list(client: TestClient) -> None:
    for trace_id in ("0" * 31 + "1", "zz", "1"):
        answer = client.get(f"/api/traces/{trace_id}")
        assert answer.status_code == 404
        assert answer.json()["errors"] == [{"code": 404, "msg": "trace not found"}]


@pytest.mark.parametrize(
    "query",
    ["tags={", "tags=[1]", "tag=x", "limit=-1", "limit=x", "start=soon", "minDuration=fast", "lookback=x"],
)
def test_a_bad_query_is_400_with_a_text(client: TestClient, query: str) -> None:
    answer = client.get(f"/api/traces?service=a&{query}")
    assert answer.status_code == 400
    assert answer.json()["errors"][0]["msg"]


def test_a_store_that_is_away_is_503(client: TestClient, store: MemoryStore) -> None:
    store.away = "away"
    assert client.get("/api/services").status_code == 503
