"""OTLP bytes to columns: held against the official protobuf classes, and against bytes nobody should send."""

from __future__ import annotations

import hashlib
import json
import math
from typing import Any

import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import InstrumentationScope
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord as OtlpLog
from opentelemetry.proto.trace.v1.trace_pb2 import Span as OtlpSpan
from opentelemetry.proto.trace.v1.trace_pb2 import Status

from tests.support import otlp_reference
from tests.support.otlp import (
    BASE_NS,
    Pairs,
    key_values,
    log_request,
    otlp_log,
    otlp_span,
    trace_request,
)
from tracestitch_collector.columns import FINDINGS, LOGS, MAX_ATTRIBUTE_COLUMNS, REPEATING, SPANS
from tracestitch_collector.decode.decoder import Decoder, Request, findings_table, inflated
from tracestitch_collector.decode.names import RENAMED, stable
from tracestitch_collector.model import LogRecord, Span
from tracestitch_collector.store.embedded import rows

RECEIVED_NS = BASE_NS + 5


def request(body: bytes) -> Request:
    return Request(body=body, digest=hashlib.blake2b(body, digest_size=16).digest(), received_ns=RECEIVED_NS)


def decoded(*bodies: bytes, decoder: Decoder | None = None) -> list[Span]:
    found = (decoder or Decoder()).spans([request(body) for body in bodies])
    assert found.undecodable == ()
    return rows.spans_of(found.table)


def decoded_logs(*bodies: bytes) -> list[LogRecord]:
    found = Decoder().logs([request(body) for body in bodies])
    assert found.undecodable == ()
    return rows.logs_of(found.table)


def one(span: OtlpSpan) -> Span:
    (found,) = decoded(trace_request(span).SerializeToString())
    return found


def with_attributes(pairs: Pairs) -> Span:
    return one(otlp_span(attributes=pairs))


# Against the official classes

texts = st.text(alphabet=st.characters(exclude_categories=["Cs"]), max_size=12)
scalars = st.one_of(
    texts,
    st.booleans(),
    st.integers(-(2**63), 2**63 - 1),
    st.floats(allow_nan=False),
    st.binary(max_size=8),
    st.none(),
)
values = st.recursive(
    scalars,
    lambda inner: st.lists(inner, max_size=3).map(tuple) | st.dictionaries(texts, inner, max_size=3),
    max_leaves=6,
)
# Names that no sender's old conventions use, from so few that keys repeat.
pairs = st.lists(st.tuples(st.sampled_from(("a", "b", "c", "", "A", "☃")), values), max_size=6)
times = st.integers(0, 2**64 - 1)
counts = st.integers(0, 2**32 - 1)
ids = st.binary(min_size=8, max_size=8).filter(any)
statuses = st.builds(Status, code=st.sampled_from(Status.StatusCode.values()), message=texts)


@st.composite
def otlp_spans(draw: st.DrawFn) -> OtlpSpan:
    return OtlpSpan(
        trace_id=draw(ids) + draw(ids),
        span_id=draw(ids),
        parent_span_id=draw(st.one_of(st.just(b""), ids, st.just(bytes(8)))),
        trace_state=draw(texts),
        flags=draw(counts),
        name=draw(texts),
        kind=draw(st.sampled_from(OtlpSpan.SpanKind.values())),
        start_time_unix_nano=draw(times),
        end_time_unix_nano=draw(times),
        attributes=key_values(draw(pairs)),
        dropped_attributes_count=draw(counts),
        events=[
            OtlpSpan.Event(
                time_unix_nano=draw(times),
                name=draw(texts),
                attributes=key_values(draw(pairs)),
                dropped_attributes_count=draw(counts),
            )
            for _ in range(draw(st.integers(0, 2)))
        ],
        dropped_events_count=draw(counts),
        links=[
            OtlpSpan.Link(
                trace_id=draw(ids) + draw(ids),
                span_id=draw(ids),
                trace_state=draw(texts),
                flags=draw(counts),
                attributes=key_values(draw(pairs)),
                dropped_attributes_count=draw(counts),
            )
            for _ in range(draw(st.integers(0, 2)))
        ],
        dropped_links_count=draw(counts),
        status=draw(st.one_of(st.none(), statuses)),
    )


@st.composite
def trace_requests(draw: st.DrawFn) -> bytes:
    message = ExportTraceServiceRequest()
    for _ in range(draw(st.integers(0, 2))):
        group = message.resource_spans.add(schema_url=draw(texts))
        group.resource.attributes.extend(key_values(draw(pairs)))
        group.resource.dropped_attributes_count = draw(counts)
        for _ in range(draw(st.integers(0, 2))):
            scoped = group.scope_spans.add(schema_url=draw(texts))
            scoped.scope.CopyFrom(
                InstrumentationScope(
                    name=draw(texts),
                    version=draw(texts),
                    attributes=key_values(draw(pairs)),
                    dropped_attributes_count=draw(counts),
                )
            )
            scoped.spans.extend(draw(st.lists(otlp_spans(), max_size=3)))
    return message.SerializeToString()


@settings(max_examples=200, deadline=None)
@given(st.lists(trace_requests(), min_size=1, max_size=3, unique=True))
def test_spans_are_decoded_as_the_official_classes_do(bodies: list[bytes]) -> None:
    expected = [span for body in bodies for span in otlp_reference.spans_of(body, RECEIVED_NS)]
    decoder = Decoder()
    # Twice with one decoder: the second time it knows the attributes.
    assert decoded(*bodies, decoder=decoder) == expected
    assert decoded(*bodies, decoder=decoder) == expected


@st.composite
def otlp_logs(draw: st.DrawFn) -> OtlpLog:
    return otlp_log(
        body=draw(values),
        time_ns=draw(times),
        severity=draw(st.integers(0, 24)),
        severity_text=draw(texts),
        trace_id=draw(st.one_of(st.just(b""), st.just(bytes(16)), st.tuples(ids, ids).map(b"".join))).hex(),
        span_id=draw(st.one_of(st.just(b""), ids)).hex(),
        attributes=draw(pairs),
        observed_time_unix_nano=draw(times),
        dropped_attributes_count=draw(counts),
        flags=draw(counts),
        event_name=draw(texts),
    )


@settings(max_examples=200, deadline=None)
@given(st.lists(otlp_logs(), max_size=4), pairs)
def test_log_records_are_decoded_as_the_official_classes_do(records: list[OtlpLog], resource: Any) -> None:
    body = log_request(*records, resource=resource).SerializeToString()
    assert decoded_logs(body) == otlp_reference.logs_of(body, RECEIVED_NS)


def plain(schema: pa.Schema) -> pa.Schema:
    """With the types of the values where those that repeat come as dictionaries."""
    return pa.schema(
        [
            field.with_type(field.type.value_type)
            if field.name in REPEATING and pa.types.is_dictionary(field.type)
            else field
            for field in schema
        ]
    )


def test_tables_have_the_columns_of_the_contract() -> None:
    spans = Decoder().spans([request(trace_request(otlp_span(attributes={"a": 1})).SerializeToString())])
    logs = Decoder().logs([])
    assert spans.table.schema.names == [*SPANS.names, "attr.i.a"]
    assert plain(spans.table.select(SPANS.names).schema).equals(SPANS)
    assert plain(logs.table.schema).equals(LOGS)


def test_rows_say_which_request_they_came_in() -> None:
    bodies = [
        trace_request(otlp_span(), otlp_span()).SerializeToString(),
        trace_request(otlp_span(name="other")).SerializeToString(),
    ]
    table = Decoder().spans([request(body) for body in bodies]).table
    digests = [request(body).digest for body in bodies]
    assert table["request_digest"].to_pylist() == [digests[0], digests[0], digests[1]]
    assert table["request_index"].to_pylist() == [0, 1, 0]
    assert table["received_ns"].to_pylist() == [RECEIVED_NS] * 3


def test_requests_in_one_body_are_all_decoded() -> None:
    body = trace_request(otlp_span(name="a")).SerializeToString()
    body += trace_request(otlp_span(name="b")).SerializeToString()
    assert [span.name for span in decoded(body)] == ["a", "b"]


# Odd values


def test_a_service_without_name_is_unknown() -> None:
    table = Decoder().spans([request(trace_request(otlp_span(), resource={}).SerializeToString())]).table
    assert table["service_name"].to_pylist() == ["unknown_service"]


def test_a_log_record_without_any_time_happened_when_it_came() -> None:
    (record,) = decoded_logs(log_request(otlp_log(time_ns=0)).SerializeToString())
    assert (record.time_ns, record.observed_ns) == (RECEIVED_NS, 0)


def test_a_nan_survives() -> None:
    value = with_attributes({"ratio": math.nan}).attributes["ratio"]
    assert isinstance(value, float)
    assert math.isnan(value)


def test_keys_beyond_the_cap_are_kept_without_a_column() -> None:
    written = {f"key.{number}": number for number in range(MAX_ATTRIBUTE_COLUMNS + 50)}
    body = trace_request(otlp_span(attributes=written)).SerializeToString()
    decoder = Decoder()
    for _ in range(3):
        found = decoder.spans([request(body)])
        assert len(found.table.column_names) == len(SPANS.names) + MAX_ATTRIBUTE_COLUMNS
        assert rows.spans_of(found.table)[0].attributes == written


def test_ever_new_keys_do_not_use_up_the_columns() -> None:
    decoder = Decoder()
    for number in range(2 * MAX_ATTRIBUTE_COLUMNS):
        body = trace_request(otlp_span(attributes={f"key.{number}": 1})).SerializeToString()
        table = decoder.spans([request(body)]).table
    assert f"attr.i.key.{number}" in table.column_names


def test_text_that_is_no_utf8_is_marked_and_kept() -> None:
    body = trace_request(otlp_span(name="NAME", attributes={"key": "VALUE"})).SerializeToString()
    (span,) = decoded(body.replace(b"NAME", b"N\xffME").replace(b"VALUE", b"V\xc3LUE"))
    assert span.name == "N\ufffdME"
    assert span.attributes["key"] == "V\ufffdLUE"


# Old names


@pytest.mark.parametrize(("old", "new"), RENAMED.items())
def test_an_old_name_is_stored_under_the_stable_one(old: str, new: str) -> None:
    assert with_attributes({old: "value"}).attributes == {new: "value"}


def test_a_stable_name_is_no_old_one() -> None:
    assert {new for new in RENAMED.values() if new in RENAMED and RENAMED[new] != new} == set()


@pytest.mark.parametrize("order", [1, -1])
def test_an_old_name_beside_its_new_one_is_kept(order: int) -> None:
    pairs = [("http.method", "GET"), ("http.request.method", "POST")][::order]
    span = with_attributes(pairs)
    assert span.attributes == {"http.method": "GET", "http.request.method": "POST"}
    assert span.duplicate_attributes == ()


@pytest.mark.parametrize("order", [1, -1])
def test_a_target_is_parted_into_path_and_query(order: int) -> None:
    assert with_attributes({"http.target": "/a?b=1"}).attributes == {"url.path": "/a", "url.query": "b=1"}
    pairs = [("http.target", "/a?b=1"), ("url.path", "/a"), ("url.query", "b=1")][::order]
    span = with_attributes(pairs)
    assert span.attributes == dict(pairs)
    assert span.duplicate_attributes == ()


def test_two_old_names_of_one_new_name_are_both_kept() -> None:
    span = with_attributes([("net.peer.name", "a"), ("net.host.name", "b")])
    assert span.attributes == {"server.address": "a", "net.host.name": "b"}


def test_an_old_resource_name_is_stored_under_the_stable_one() -> None:
    body = trace_request(otlp_span(), resource={"deployment.environment": "staging"}).SerializeToString()
    assert decoded(body)[0].resource.environment == "staging"
    both = {"deployment.environment": "old", "deployment.environment.name": "new"}
    body = trace_request(otlp_span(), resource=both).SerializeToString()
    assert decoded(body)[0].resource.attributes == both


def test_a_renamed_database_system_has_its_stable_value() -> None:
    assert stable("db.system", "mssql") == (("db.system.name", "microsoft.sql_server"),)


# Bytes nobody should send

BODY = trace_request(
    otlp_span(
        status=2,
        message="failed",
        attributes={"a": "text", "b": 2**40, "c": (1, {"d": b"x"})},
        events=[OtlpSpan.Event(name="exception", attributes=key_values({"k": 1.5}))],
        links=[OtlpSpan.Link(trace_id=bytes(16), span_id=bytes(8))],
    )
).SerializeToString()


def test_every_truncation_is_decoded_or_set_aside() -> None:
    decoder = Decoder()
    for length in range(len(BODY)):
        found = decoder.spans([request(BODY[:length])])
        assert (len(found.table), len(found.undecodable)) in ((0, 0), (0, 1)), length


@settings(max_examples=500, deadline=None)
@given(st.integers(0, len(BODY) - 1), st.binary(min_size=1, max_size=4))
def test_damaged_bytes_never_raise(at: int, damage: bytes) -> None:
    body = BODY[:at] + damage + BODY[at + len(damage) :]
    found = Decoder().spans([request(body)])
    rows.spans_of(found.table)
    Decoder().logs([request(body)])


@given(st.binary(max_size=64))
def test_any_bytes_never_raise(body: bytes) -> None:
    Decoder().spans([request(body)])
    Decoder().logs([request(body)])


def test_a_request_that_cannot_be_decoded_does_not_touch_the_others() -> None:
    good = [trace_request(otlp_span(name=name)).SerializeToString() for name in "abc"]
    bad = BODY[:-3]
    found = Decoder().spans([request(good[0]), request(bad), request(good[1]), request(good[2])])
    assert [span.name for span in rows.spans_of(found.table)] == ["a", "b", "c"]
    (letter,) = found.undecodable
    assert letter.request.body == bad
    assert letter.reason


def test_unknown_fields_are_passed_over() -> None:
    # Field 2047 in every wire type, after a whole request.
    unknown = b"\xf8\x7f\x05" + b"\xf9\x7f" + bytes(8) + b"\xfa\x7f\x02ab" + b"\xfd\x7f" + bytes(4)
    assert len(decoded(BODY + unknown)) == 1


def test_deep_nesting_is_decoded_or_set_aside() -> None:
    value: tuple[Any, ...] = ()
    for _ in range(40):
        value = (value,)
    assert with_attributes({"deep": value}).attributes == {"deep": value}
    raw = b""
    for _ in range(3000):
        raw = b"\x2a" + _length(len(raw) + 1 + len(_length(len(raw)))) + b"\x0a" + _length(len(raw)) + raw
    pair = b"\x0a\x01k\x12" + _length(len(raw)) + raw
    body = b"\x0a\x10" + bytes(15) + b"\x01\x12\x08" + bytes(7) + b"\x01\x4a" + _length(len(pair)) + pair
    for _ in range(2):
        body = b"\x12" + _length(len(body)) + body
    found = Decoder().spans([request(b"\x0a" + _length(len(body)) + body)])
    assert (len(found.table), len(found.undecodable)) == (0, 1)


def _length(number: int) -> bytes:
    found = b""
    while number > 127:
        found += bytes([number & 127 | 128])
        number >>= 7
    return found + bytes([number])


def test_a_body_that_does_not_inflate_says_so() -> None:
    with pytest.raises(ValueError, match="does not inflate"):
        inflated(b"no gzip")


def test_findings_that_are_none_are_set_aside() -> None:
    found = findings_table([request(b"{"), request(json.dumps([{"check": 1}]).encode()), request(b"[]")])
    assert found.table.schema.equals(FINDINGS)
    assert len(found.table) == 0
    assert len(found.undecodable) == 2
