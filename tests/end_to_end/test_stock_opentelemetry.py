"""An app that knows nothing of us, only OpenTelemetry's own SDK, shows up whole."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.server import Server, eventually, serving
from tests.support.stock_client import ATTRIBUTES

pytestmark = pytest.mark.processes


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("stock")) as running:
        yield running


@pytest.fixture(scope="module", params=["http/protobuf", "http/json", "grpc"])
def trace(request: pytest.FixtureRequest, server: Server) -> dict[str, Any]:
    """The trace as the dashboard tells it, sent by the stock client over one of the three protocols."""
    protocol = request.param
    endpoint = server.otlp_grpc if protocol == "grpc" else server.otlp_http
    service = protocol.replace("/", "-")
    sent = subprocess.run(
        [sys.executable, "-m", "tests.support.stock_client", protocol, endpoint, service],
        cwd=Path(__file__).parents[2],
        capture_output=True,
        text=True,
        check=True,
        timeout=60,
    )
    trace_id = sent.stdout.strip()

    def whole() -> dict[str, Any] | None:
        document: dict[str, Any] = server.get(f"/traces/{trace_id}.json")
        return document if len(document["spans"]) == 5 and document["logs"] else None

    return eventually(whole)


def span(trace: dict[str, Any], name: str) -> dict[str, Any]:
    return next(item for item in trace["spans"] if item["name"] == name)


def test_names_kinds_and_parents_arrive(trace: dict[str, Any]) -> None:
    root = span(trace, "GET /items")
    children = [item for item in trace["spans"] if item is not root]
    assert root["kind"] == "server"
    assert {item["name"]: item["kind"] for item in children} == {
        "child client": "client",
        "child producer": "producer",
        "child consumer": "consumer",
        "child internal": "internal",
    }
    assert all(item["parent_span_id"] == root["span_id"] for item in children)
    assert root["parent_span_id"] == ""


def test_attributes_of_every_type_arrive(trace: dict[str, Any]) -> None:
    received = span(trace, "GET /items")["attributes"]
    assert received == ATTRIBUTES
    assert {key: type(value) for key, value in received.items()} == {
        key: type(value) for key, value in ATTRIBUTES.items()
    }


def test_events_and_exceptions_arrive(trace: dict[str, Any]) -> None:
    noticed, exception = span(trace, "child client")["events"]
    assert (noticed["name"], noticed["attributes"]) == ("noticed", {"n": 1})
    assert exception["name"] == "exception"
    assert exception["attributes"]["exception.message"] == "<script>alert(1)</script>"
    assert exception["time_ns"] >= noticed["time_ns"] > 0


def test_links_arrive(trace: dict[str, Any]) -> None:
    (link,) = span(trace, "GET /items")["links"]
    assert link["trace_id"] == "0102030405060708090a0b0c0d0e0f10"
    assert link["span_id"] == "0102030405060708"
    assert link["attributes"] == {"why": "retry"}


def test_statuses_arrive(trace: dict[str, Any]) -> None:
    states = {
        item["name"]: (item["status_code"], item["status_message"])
        for item in trace["spans"]
        if item["status_code"] != "unset"
    }
    assert states == {"child client": ("error", "it broke"), "child internal": ("ok", "")}


def test_log_records_arrive_on_their_span(trace: dict[str, Any]) -> None:
    (record,) = trace["logs"]
    root = span(trace, "GET /items")
    assert record["body"] == "only 3 left"
    assert record["severity_text"] in ("WARN", "WARNING")
    assert record["span_id"] == root["span_id"]
    assert root["start_ns"] <= record["time_ns"] <= root["end_ns"]


def test_resource_and_scope_arrive(trace: dict[str, Any]) -> None:
    root = span(trace, "GET /items")
    assert root["resource"]["attributes"]["deployment.environment.name"] == "test"
    assert root["resource"]["attributes"]["telemetry.sdk.language"] == "python"
    assert (root["scope"]["name"], root["scope"]["version"]) == ("stock", "1.2.3")
