"""The calls that Grafana's Jaeger data source makes, letter by letter as its Go client builds them, and its answers held
against the types it reads them into: one field of another type, and it shows an error instead of the trace.
"""

from __future__ import annotations

from typing import Any

import jsonschema
import pytest
from starlette.testclient import TestClient

from tests.support import example_shop
from tests.support.memory_store import MemoryStore
from tests.support.telemetry import TRACE_ID as ODD_TRACE_ID
from tests.support.telemetry import span
from tests.support.traces import EPOCH_NS
from tracestitch_collector.model import AttributeValue, SpanEvent

TRACE_ID = example_shop.TRACE_ID
FROM_US, TO_US = EPOCH_NS // 1000 - 1_000_000, EPOCH_NS // 1000 + 1_000_000
STRING: dict[str, Any] = {"type": "string"}
NUMBER: dict[str, Any] = {"type": "number"}
INTEGER: dict[str, Any] = {"type": "integer"}


def a_list_of(items: dict[str, Any], *, or_null: bool = False) -> dict[str, Any]:
    return {"type": ["array", "null"] if or_null else "array", "items": items}


def with_fields(**fields: dict[str, Any]) -> dict[str, Any]:
    return {"type": "object", "required": list(fields), "properties": fields}


TAG = with_fields(key=STRING, type=STRING, value={})
SPAN_FORM = with_fields(
    traceID=STRING,
    spanID=STRING,
    processID=STRING,
    operationName=STRING,
    startTime=INTEGER,
    duration=INTEGER,
    logs=a_list_of(with_fields(timestamp=NUMBER, fields=a_list_of(TAG))),
    references=a_list_of(with_fields(refType=STRING, spanID=STRING, traceID=STRING)),
    tags=a_list_of(TAG),
    warnings=a_list_of(STRING, or_null=True),
)
TRACE = with_fields(
    processes={
        "type": "object",
        "additionalProperties": with_fields(serviceName=STRING, tags=a_list_of(TAG)),
    },
    traceID=STRING,
    warnings=a_list_of(STRING, or_null=True),
    spans=a_list_of(SPAN_FORM),
)
TRACES = with_fields(data=a_list_of(TRACE), limit=INTEGER, offset=INTEGER, total=INTEGER)
NAMES = with_fields(data=a_list_of(STRING))
DEPENDENCIES = with_fields(data=a_list_of(with_fields(parent=STRING, child=STRING, callCount=INTEGER)))
V3_SERVICES = with_fields(services=a_list_of(STRING))
V3_OPERATIONS = with_fields(operations=a_list_of(with_fields(name=STRING, spanKind=STRING)))
V3_TRACES = with_fields(
    result=with_fields(
        resourceSpans=a_list_of(
            with_fields(
                resource={"type": "object"},
                scopeSpans=a_list_of(
                    with_fields(
                        spans=a_list_of(
                            with_fields(
                                traceId=STRING,
                                spanId=STRING,
                                kind=INTEGER,
                                startTimeUnixNano=STRING,
                                endTimeUnixNano=STRING,
                                status={"type": "object", "properties": {"code": INTEGER}},
                            )
                        )
                    )
                ),
            )
        )
    )
)

ZONE = "2026-09-21T16:13:19.000000001+02:00"
"""What stands in an address as it is: the data source does not encode times, and a server may have a zone."""
CALLS: dict[str, tuple[str, dict[str, Any]]] = {
    "health, and the list of services": ("/api/services", NAMES),
    "operations": ("/api/services/storefront/operations", NAMES),
    "search": (
        f"/api/traces?end={TO_US}&limit=20&maxDuration=5s&minDuration=1.1s&operation=POST+%2Fcheckout"
        f"&service=storefront&start={FROM_US}&tags=%7B%22http.response.status_code%22%3A%22502%22%7D",
        TRACES,
    ),
    "search for errors": (
        f"/api/traces?end={TO_US}&limit=20&service=storefront&start={FROM_US}&tags=%7B%22error%22%3A%22true%22%7D",
        TRACES,
    ),
    "trace": (f"/api/traces/{TRACE_ID}", TRACES),
    # The client gives milliseconds here, where Jaeger documents microseconds.
    "trace with its times": (
        f"/api/traces/{TRACE_ID}?end={TO_US // 1000}&start={FROM_US // 1000}",
        TRACES,
    ),
    "dependencies": (
        f"/api/dependencies?endTs={example_shop.NOW_NS // 10**6}&lookback=3600000",
        DEPENDENCIES,
    ),
    "services, v3": ("/api/v3/services", V3_SERVICES),
    "operations, v3": ("/api/v3/operations?service=storefront", V3_OPERATIONS),
    "search, v3": (
        "/api/v3/traces?query.operation_name=POST+%2Fcheckout&query.service_name=storefront"
        f"&query.start_time_min={ZONE}&query.start_time_max=2026-09-21T14:13:21Z",
        V3_TRACES,
    ),
    "trace, v3": (f"/api/v3/traces/{TRACE_ID}", V3_TRACES),
    "trace with its times, v3": (
        f"/api/v3/traces/{TRACE_ID}?start_time={ZONE}&end_time=2026-09-21T16:13:21+02:00",
        V3_TRACES,
    ),
}


@pytest.mark.parametrize("name", CALLS)
def test_a_call_of_grafana_is_answered_in_the_types_that_it_reads(client: TestClient, name: str) -> None:
    url, form = CALLS[name]
    answer = client.get(url)
    assert answer.status_code == 200, answer.text
    found = answer.json()
    jsonschema.validate(found, form)
    first = next(iter(found.values()))
    assert first, "Grafana reads the first of an empty list, and ends"


def test_spans_with_everything_odd_keep_those_types(client: TestClient, store: MemoryStore) -> None:
    odd: dict[str, AttributeValue] = {
        "n": 2**62,
        "x": float("nan"),
        "b": True,
        "l": ("a", 1, None),
        "raw": b"\x00",
        "m": {"k": 1.5},
    }
    store.spans.append(
        span(
            name="",
            kind="unspecified",
            start_ns=1,
            duration_ns=-5,
            attributes=odd,
            events=(SpanEvent(time_ns=0, name="", attributes=odd),),
        )
    )
    jsonschema.validate(client.get(f"/api/traces/{ODD_TRACE_ID}").json(), TRACES)
    jsonschema.validate(client.get(f"/api/v3/traces/{ODD_TRACE_ID}").json(), V3_TRACES)


def test_operations_of_a_service_with_a_slash_in_its_name_are_found(
    client: TestClient, store: MemoryStore
) -> None:
    """The client joins the name to the path as it is."""
    store.spans.append(span(service="shop/cart", name="GET /cart", start_ns=example_shop.NOW_NS - 10**9))
    assert client.get("/api/services/shop/cart/operations").json()["data"] == ["GET /cart"]


def test_a_search_without_a_hit_is_an_empty_list_and_a_trace_without_one_is_404(client: TestClient) -> None:
    empty = client.get(f"/api/traces?end={TO_US}&limit=20&service=nobody&start={FROM_US}")
    assert (empty.status_code, empty.json()["data"]) == (200, [])
    for path in ("/api/traces/ffff", "/api/v3/traces/ffff", "/api/traces/not%2Fan%2Fid"):
        missing = client.get(path)
        assert missing.status_code == 404
        assert "data" not in missing.json() or missing.json()["data"] is None


def test_a_query_that_cannot_be_read_is_an_error_status_not_an_empty_answer(client: TestClient) -> None:
    for path in (
        "/api/traces?service=a&minDuration=quick",
        "/api/v3/traces?query.service_name=a&query.start_time_min=yesterday",
    ):
        assert client.get(path).status_code == 400
