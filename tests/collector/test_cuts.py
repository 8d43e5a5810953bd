"""Text beyond its limit is cut to size, says how much is gone, and is counted: once for each."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from typing import Any

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.support.otlp import key_values, log_request, otlp_log, otlp_span, trace_request
from tracestitch_collector.decode.cuts import ATTRIBUTE_BYTES, EVENT_BYTES, LIMITS, RESOURCE_BYTES
from tracestitch_collector.decode.decoder import Decoded, Decoder, Request
from tracestitch_collector.model import AttributeValue, LogRecord, Span
from tracestitch_collector.store.embedded import rows

MIB = 1024 * 1024


def decoded(signal: str, message: Any) -> Decoded:
    body = message.SerializeToString()
    request = Request(body=body, digest=hashlib.blake2b(body, digest_size=16).digest(), received_ns=1)
    decoder = Decoder()
    return decoder.spans([request]) if signal == "traces" else decoder.logs([request])


def span(*spans: OtlpSpan, **resource: AttributeValue) -> tuple[Span, Mapping[str, int]]:
    found = decoded("traces", trace_request(*spans, resource=resource) if resource else trace_request(*spans))
    return rows.spans_of(found.table)[0], found.cut


def record(**fields: Any) -> tuple[LogRecord, Mapping[str, int]]:
    found = decoded("logs", log_request(otlp_log(**fields)))
    return rows.logs_of(found.table)[0], found.cut


def size(value: AttributeValue) -> int:
    return len(repr(value))


def test_a_name_of_63_mib_ends_with_a_mark() -> None:
    found, cut = span(otlp_span(name="é" * (63 * MIB // 2)))
    assert len(found.name) <= LIMITS["name"]
    assert found.name.startswith("é" * 900)
    assert found.name.endswith("é… [66 MB cut]")
    assert cut == {"name": 1}


def test_what_is_just_within_its_limit_is_kept_whole() -> None:
    whole = otlp_span(
        name="é" * LIMITS["name"],
        message="m" * LIMITS["status message"],
        trace_state="s" * LIMITS["trace state"],
        attributes={"k" * LIMITS["key"]: "v" * LIMITS["value"], "b": b"x" * LIMITS["value"]},
    )
    found, cut = span(whole)
    assert cut == {}
    assert found.name == whole.name
    assert found.status_message == whole.status.message
    assert found.attributes == {"k" * LIMITS["key"]: "v" * LIMITS["value"], "b": b"x" * LIMITS["value"]}
    kept, cut = record(body="b" * LIMITS["body"], severity_text="S" * LIMITS["severity"])
    assert (kept.body, kept.severity_text, cut) == ("b" * LIMITS["body"], "S" * LIMITS["severity"], {})


def test_every_text_of_a_span_has_a_limit() -> None:
    long = "x" * MIB
    event = OtlpSpan.Event(name=long, attributes=key_values({"a": long}))
    link = OtlpSpan.Link(trace_id=bytes(16), span_id=bytes(8), trace_state=long)
    for more in (
        {"name": long},
        {"message": long},
        {"trace_state": long},
        {"attributes": {"a": long}},
        {"attributes": {long: 1}},
        {"attributes": {"a": ("y", long)}},
        {"attributes": {"a": {"b": {long: long}}}},
        {"events": [event]},
        {"links": [link]},
    ):
        found = decoded("traces", trace_request(otlp_span(**more)))
        (row,) = found.table.to_pylist()
        assert sum(size(column) for column in row.values()) < 2.2 * LIMITS["value"], more.keys()
        assert "cut]" in repr(row), more.keys()
        assert sum(found.cut.values()) >= 1, more.keys()


def test_bytes_end_with_the_mark_too() -> None:
    found, cut = span(otlp_span(attributes={"a": bytes(MIB)}))
    value = found.attributes["a"]
    assert isinstance(value, bytes)
    assert len(value) < 1.1 * LIMITS["value"]
    assert value.endswith("… [983 kB cut]".encode())
    assert cut == {"value": 1}


def test_every_text_of_a_log_record_has_a_limit() -> None:
    long = "x" * MIB
    for more in (
        {"body": long},
        {"body": {"a": long}},
        {"body": (long, long)},
        {"severity_text": long},
        {"event_name": long},
        {"attributes": {"a": long}},
    ):
        found = decoded("logs", log_request(otlp_log(**more)))
        (row,) = found.table.to_pylist()
        assert sum(size(column) for column in row.values()) < 1.1 * LIMITS["body map"], more.keys()
        assert "cut]" in repr(row), more.keys()
        assert sum(found.cut.values()) == 1, more.keys()


@pytest.mark.parametrize("count", [100_000, 2_000])
def test_many_attributes_are_kept_up_to_a_sum(count: int) -> None:
    whole = 2 * ATTRIBUTE_BYTES
    found, cut = span(otlp_span(attributes=[(f"k{n}", "v" * (whole // count)) for n in range(count)]))
    assert 0 < cut["attributes"] < count
    assert found.attributes["tracestitch.cut"] == f"{cut['attributes']} attributes"
    assert len(found.attributes) == count - cut["attributes"] + 1
    assert sum(len(k) + size(v) for k, v in found.attributes.items()) < 1.2 * ATTRIBUTE_BYTES
    assert found.name == "GET /stock/<sku>"


def test_a_resource_which_stands_on_every_row_is_small() -> None:
    many = {f"k{n}": "v" * 1000 for n in range(1000)}
    found, cut = span(otlp_span(), **{"service.name": "s" * MIB, "a": "x" * MIB, **many})
    assert sum(len(k) + size(v) for k, v in found.resource.attributes.items()) < 2 * RESOURCE_BYTES
    assert cut["attributes"] > 900


def test_a_service_has_a_name_that_fits_on_a_page() -> None:
    found, cut = span(otlp_span(), **{"service.name": "s" * 10_000})
    assert len(found.service) <= LIMITS["name"]
    assert found.service == found.resource.attributes["service.name"]
    assert cut == {"name": 1}


def test_events_are_kept_up_to_a_sum() -> None:
    event = OtlpSpan.Event(name="e", attributes=key_values({"a": "x" * 60_000}))
    found, cut = span(otlp_span(events=[event] * 100))
    assert len(found.events) == EVENT_BYTES // 60_000 + 1
    assert found.events[-1].name == "… [further events cut]"
    assert cut == {"events": 100 - EVENT_BYTES // 60_000}


def test_each_span_with_a_name_too_long_is_counted() -> None:
    request = trace_request(*[otlp_span(name="n" * 2000, span_id=f"{n:016x}") for n in range(1, 6)])
    assert decoded("traces", request).cut == {"name": 5}


def test_cutting_is_counted_anew_for_each_table() -> None:
    decoder = Decoder()
    request = Request(
        body=trace_request(otlp_span(name="n" * 2000)).SerializeToString(), digest=bytes(16), received_ns=1
    )
    assert [decoder.spans([request]).cut for _ in range(2)] == [{"name": 1}] * 2
    assert decoder.spans([]).cut == {}


def test_bytes_that_end_in_an_attribute_too_large_are_set_aside() -> None:
    span = otlp_span(attributes={"a": "x" * (2 * ATTRIBUTE_BYTES)}, status=2, message="m")
    assert isinstance(span.status, Status)
    body = trace_request(span).SerializeToString()
    for cut_at in range(1, len(body), len(body) // 50):
        request = Request(body=body[:cut_at], digest=bytes(16), received_ns=1)
        assert len(Decoder().spans([request]).undecodable) == 1
