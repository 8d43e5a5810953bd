"""OTLP in JSON becomes the same request in protobuf, by OTLP's rules and not by protobuf's."""

from __future__ import annotations

import base64
import json
import math
import time
from collections.abc import Mapping
from typing import Any

import pytest
from google.protobuf.descriptor import FieldDescriptor
from google.protobuf.message import Message
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tracestitch_collector.decode.json import Transcoder, to_protobuf
from tracestitch_collector.decode.json_messages import MESSAGES
from tracestitch_collector.receive.limits import MAX_DEPTH, MalformedError, TooLargeError, check_json

REQUESTS: Mapping[str, type[Message]] = {
    "traces": ExportTraceServiceRequest,
    "logs": ExportLogsServiceRequest,
    "metrics": ExportMetricsServiceRequest,
}
HEX_FIELDS = {"trace_id", "span_id", "parent_span_id"}


def transcoded(document: Any, signal: str = "traces") -> Any:
    body = document if isinstance(document, bytes) else json.dumps(document).encode()
    return REQUESTS[signal].FromString(to_protobuf(body, signal)[0])


def span_document(**fields: Any) -> dict[str, Any]:
    span = {"traceId": "ab" * 16, "spanId": "cd" * 8, **fields}
    return {"resourceSpans": [{"scopeSpans": [{"spans": [span]}]}]}


def span(**fields: Any) -> Span:
    found: Span = transcoded(span_document(**fields)).resource_spans[0].scope_spans[0].spans[0]
    return found


def value(any_value: Any) -> Any:
    return span(attributes=[{"key": "k", "value": any_value}]).attributes[0].value


def dropped(any_value: Any) -> int:
    document = span_document(attributes=[{"key": "k", "value": any_value}])
    return to_protobuf(json.dumps(document).encode(), "traces")[1]


# An encoder by the rules of OTLP/JSON, for round trips: lowerCamelCase, hex ids, 64-bit numbers as text.


def to_json(message: Message) -> dict[str, Any]:
    return {
        field.json_name: [_plain(field, item) for item in found]
        if field.is_repeated
        else _plain(field, found)
        for field, found in message.ListFields()
    }


def _plain(field: FieldDescriptor, found: Any) -> Any:
    if field.type == field.TYPE_MESSAGE:
        return to_json(found)
    if field.type == field.TYPE_BYTES:
        return found.hex() if field.name in HEX_FIELDS else base64.b64encode(found).decode()
    if field.cpp_type in (field.CPPTYPE_INT64, field.CPPTYPE_UINT64):
        return str(found)
    if isinstance(found, float) and not math.isfinite(found):
        return {math.inf: "Infinity", -math.inf: "-Infinity"}.get(found, "NaN")
    return found


def filled(message: Message, data: st.DataObject, depth: int = 0) -> Message:
    """The message with random fields set, recursively."""
    for field in message.DESCRIPTOR.fields:
        if field.name.endswith(("strindex", "key_ref")) or not data.draw(st.booleans()):
            continue
        if field.type == field.TYPE_MESSAGE:
            if depth > 9:
                continue
            inner = getattr(message, field.name)
            if field.is_repeated:
                for _ in range(data.draw(st.integers(0, 2))):
                    filled(inner.add(), data, depth + 1)
            else:
                inner.SetInParent()
                filled(inner, data, depth + 1)
        elif field.is_repeated:
            getattr(message, field.name).extend(data.draw(st.lists(_scalar(field), max_size=3)))
        else:
            setattr(message, field.name, data.draw(_scalar(field)))
    return message


def _scalar(field: Any) -> st.SearchStrategy[Any]:
    ranges = {
        field.CPPTYPE_INT32: (-(2**31), 2**31 - 1),
        field.CPPTYPE_ENUM: (0, 2**31 - 1),
        field.CPPTYPE_UINT32: (0, 2**32 - 1),
        field.CPPTYPE_INT64: (-(2**63), 2**63 - 1),
        field.CPPTYPE_UINT64: (0, 2**64 - 1),
    }
    if field.cpp_type in ranges:
        low, high = ranges[field.cpp_type]
        return st.integers(low, high)
    if field.type == field.TYPE_BOOL:
        return st.booleans()
    if field.type == field.TYPE_DOUBLE:
        return st.floats(allow_nan=False)
    if field.type == field.TYPE_BYTES:
        sizes = {"trace_id": 16}.get(field.name, 8)
        return (
            st.binary(min_size=sizes, max_size=sizes) if field.name in HEX_FIELDS else st.binary(max_size=9)
        )
    return st.text(st.characters(exclude_categories=["Cs"]), max_size=9)


@pytest.mark.parametrize("signal", REQUESTS)
@given(data=st.data())
def test_every_message_survives_the_way_through_json(signal: str, data: st.DataObject) -> None:
    message = filled(REQUESTS[signal](), data)
    assert transcoded(to_json(message), signal) == message


@pytest.mark.parametrize("signal", REQUESTS)
def test_every_field_of_otlp_is_known(signal: str) -> None:
    """Walks the official descriptors beside our table."""
    missing = []

    def compare(descriptor: Any, name: str, seen: frozenset[str]) -> None:
        if name == "AnyValue" or name in seen:
            return
        for field in descriptor.fields:
            if field.name.endswith(("strindex", "key_ref")):
                continue  # of profiles only
            ours = MESSAGES[name].get(field.json_name)
            if ours is None or (ours.number, ours.repeated) != (field.number, field.is_repeated):
                missing.append(f"{descriptor.name}.{field.name}")
            elif field.type == field.TYPE_MESSAGE:
                compare(field.message_type, ours.kind, seen | {name})

    compare(REQUESTS[signal].DESCRIPTOR, signal, frozenset())
    assert missing == []


def test_ids_are_hex_in_either_case() -> None:
    assert span(traceId="AB" * 8 + "ab" * 8, spanId="cD" * 8).trace_id == b"\xab" * 16


@pytest.mark.parametrize(
    "text", ["", "a", "zz" * 16, "ab " * 10, "ab" * 17, "0xabababababababababababababababab"]
)
def test_an_id_that_is_no_id_gets_a_length_that_is_none(text: str) -> None:
    assert len(span(traceId=text).trace_id) != 16


@pytest.mark.parametrize("given_value", [17, "17", 17.0, "0000017"])
def test_integers_are_numbers_or_text(given_value: object) -> None:
    assert value({"intValue": given_value}).int_value == 17
    assert span(startTimeUnixNano=given_value).start_time_unix_nano == 17


def test_a_64_bit_number_keeps_every_digit() -> None:
    assert value({"intValue": "9223372036854775807"}).int_value == 2**63 - 1
    assert value({"intValue": 9223372036854775807}).int_value == 2**63 - 1
    assert value({"intValue": "-9223372036854775808"}).int_value == -(2**63)
    assert span(endTimeUnixNano="18446744073709551615").end_time_unix_nano == 2**64 - 1


@pytest.mark.parametrize(
    "given_value", [1e300, "9223372036854775808", -1e300, 0.5, 2**64, -(2**63) - 1, -(2**64)]
)
def test_an_integer_out_of_range_becomes_empty_and_is_counted(given_value: object) -> None:
    assert value({"intValue": given_value}).WhichOneof("value") is None
    assert dropped({"intValue": given_value}) == 1


def test_a_null_double_becomes_empty_and_is_counted() -> None:
    assert value({"doubleValue": None}).WhichOneof("value") is None
    assert dropped({"doubleValue": None}) == 1
    assert dropped({"arrayValue": {"values": [{"doubleValue": None}, {"intValue": 1e300}]}}) == 2


@pytest.mark.parametrize("any_value", [None, {}, {"stringValue": None}, {"x": 1}])
def test_an_empty_value_is_empty_and_nothing_is_lost(any_value: object) -> None:
    assert value(any_value).WhichOneof("value") is None
    assert dropped(any_value) == 0


def test_numbers_that_are_not_finite_are_text() -> None:
    assert math.isnan(value({"doubleValue": "NaN"}).double_value)
    assert value({"doubleValue": "Infinity"}).double_value == math.inf
    assert value({"doubleValue": "-Infinity"}).double_value == -math.inf
    assert value({"doubleValue": "0.25"}).double_value == 0.25
    assert value({"doubleValue": 3}).double_value == 3


def test_bytes_are_base64_of_either_alphabet_padded_or_not() -> None:
    for text in ("+/+/AA==", "-_-_AA==", "-_-_AA", "+/+/AA"):
        assert value({"bytesValue": text}).bytes_value == b"\xfb\xff\xbf\x00"


def test_mixed_lists_and_nested_maps_are_kept() -> None:
    found = value(
        {
            "arrayValue": {
                "values": [
                    {"stringValue": "a"},
                    {"intValue": "1"},
                    {},
                    {"kvlistValue": {"values": [{"key": "k", "value": {"boolValue": False}}]}},
                ]
            }
        }
    )
    kinds = [item.WhichOneof("value") for item in found.array_value.values]
    assert kinds == ["string_value", "int_value", None, "kvlist_value"]
    assert found.array_value.values[3].kvlist_value.values[0].value.WhichOneof("value") == "bool_value"


def test_a_repeated_attribute_is_kept_twice() -> None:
    pair = {"key": "k", "value": {"intValue": "1"}}
    assert [pair.key for pair in span(attributes=[pair, pair]).attributes] == ["k", "k"]


def test_a_repeated_name_counts_once_the_last() -> None:
    body = b'{"resourceSpans":[{"scopeSpans":[{"spans":[{"name":"first","name":"last"}]}]}]}'
    assert transcoded(body).resource_spans[0].scope_spans[0].spans[0].name == "last"


def test_enums_are_numbers_and_unknown_ones_are_kept() -> None:
    assert span(kind=3).kind == 3
    assert span(kind=99).kind == 99
    assert span(status={"code": 2}).status.code == 2
    for name in ("SPAN_KIND_SERVER", "2", True, 1.5):
        with pytest.raises(MalformedError, match="kind"):
            span(kind=name)


def test_names_in_snake_case_and_unknown_names_are_ignored() -> None:
    found = span(name="kept", trace_state="x=y", start_time_unix_nano="5", surprise={"deep": [1]})
    assert (found.name, found.trace_state, found.start_time_unix_nano) == ("kept", "", 0)


def test_null_is_the_same_as_absent() -> None:
    found = span(name=None, kind=None, attributes=None, status=None, startTimeUnixNano=None)
    assert (found.name, found.kind, len(found.attributes), found.HasField("status")) == ("", 0, 0, False)


def test_a_byte_order_mark_is_taken() -> None:
    assert transcoded(b"\xef\xbb\xbf" + json.dumps(span_document(name="x")).encode()).resource_spans


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"nonsense",
        b"[]",
        b"null",
        b'"text"',
        b"{} trailing",
        b'{"resourceSpans":{}}',
        b'{"resourceSpans":[1]}',
        b'{"resourceSpans":[null]}',
        json.dumps(span_document()).encode("utf-16"),
        json.dumps(span_document()).encode("utf-32"),
        b'{"resourceSpans":[{"schemaUrl":"\xff"}]}',
        b'{"resourceSpans":[{"schemaUrl":"\\ud800"}]}',
        b'{"resourceSpans":[{"schemaUrl":"\\udc00\\ud800"}]}',
        b'{"resourceSpans":[{"schemaUrl":NaN}]}',
        b'{"resourceSpans":[{"schemaUrl":Infinity}]}',
        b'{"resourceSpans":[{"schemaUrl":5}]}',
        b'{"resourceSpans":' + b"[" * 5000 + b"]" * 5000 + b"}",
        b'{"x":' + b"1" * 5000 + b"}",
        b'{"x":1e400}',
    ],
)
def test_what_is_no_json_request_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        to_protobuf(body, "traces")


@pytest.mark.parametrize(
    "fields",
    [
        {"name": 5},
        {"name": ["x"]},
        {"attributes": {"key": "x"}},
        {"attributes": ["x"]},
        {"traceId": 17},
        {"startTimeUnixNano": "soon"},
        {"startTimeUnixNano": -1},
        {"startTimeUnixNano": "18446744073709551616"},
        {"startTimeUnixNano": True},
        {"flags": 2**32},
        {"droppedAttributesCount": -1},
        {"status": 2},
        {"attributes": [{"key": "k", "value": {"bytesValue": "no base64!"}}]},
        {"attributes": [{"key": "k", "value": {"boolValue": "true"}}]},
        {"attributes": [{"key": "k", "value": {"intValue": "one"}}]},
        {"attributes": [{"key": "k", "value": {"stringValue": 1}}]},
        {"attributes": [{"key": "k", "value": "v"}]},
    ],
)
def test_a_value_of_the_wrong_type_is_refused_with_its_name(fields: dict[str, Any]) -> None:
    with pytest.raises(MalformedError, match=r"\w+ must be"):
        span(**fields)


def nested(levels: int) -> dict[str, Any]:
    inner: dict[str, Any] = {"stringValue": "deep"}
    for _ in range(levels):
        inner = {"arrayValue": {"values": [inner]}}
    return inner


def test_nesting_is_allowed_to_the_limit_and_refused_beyond_it() -> None:
    assert value(nested(MAX_DEPTH)).WhichOneof("value") == "array_value"
    for levels in (MAX_DEPTH + 1, 200):
        with pytest.raises(MalformedError, match=r"^a value is nested more than 32 levels deep"):
            value(nested(levels))


@given(st.recursive(st.none() | st.booleans() | st.floats() | st.text(max_size=3), lambda inner: st.lists(inner) | st.dictionaries(st.sampled_from(sorted({name for fields in MESSAGES.values() for name in fields} | {"stringValue", "intValue", "arrayValue", "kvlistValue"})), inner), max_leaves=30))  # fmt: skip
def test_no_document_makes_it_fail_otherwise(document: Any) -> None:
    for signal in REQUESTS:
        try:
            encoded, _ = to_protobuf(json.dumps(document).encode("utf-8", "surrogatepass"), signal)
        except MalformedError:
            continue
        REQUESTS[signal].FromString(encoded)


def _answer(transcoder: Transcoder, body: bytes) -> tuple[bytes, int] | str:
    try:
        return transcoder.to_protobuf(body, "traces")
    except MalformedError as error:
        return str(error)


@given(
    st.lists(
        st.lists(
            st.fixed_dictionaries(
                {
                    "key": st.sampled_from(["a", "b", ""]),
                    "value": st.dictionaries(
                        st.sampled_from(["stringValue", "intValue", "boolValue", "doubleValue"]),
                        st.sampled_from(
                            [True, False, 0, 1, -1, 2**63, 1.0, "0", "1", "01", "x", "9" * 19, None]
                        ),
                        max_size=2,
                    ),
                }
            ),
            max_size=5,
        ),
        min_size=2,
        max_size=6,
    )
)
def test_what_was_seen_before_becomes_what_it_would_become_alone(requests: list[list[Any]]) -> None:
    keeping = Transcoder()
    for attributes in requests:
        body = json.dumps(span_document(attributes=attributes)).encode()
        assert _answer(keeping, body) == _answer(Transcoder(), body)


def repeating(around: str, item: str, count: int) -> bytes:
    before, after = around.split("…")
    return f"{before}{','.join([item] * count)}{after}".encode()


_IN_SPAN = '{"resourceSpans":[{"scopeSpans":[{"spans":[{"attributes":[{"value":%s}]}]}]}]}'
_IN_POINT = '{"resourceMetrics":[{"scopeMetrics":[{"metrics":[{"histogram":{"dataPoints":[{"bucketCounts":[…]}]}}]}]}]}'
BOMBS = {
    "resources": ("traces", repeating('{"resourceSpans":[…]}', "{}", 1_500_000)),
    "spans": ("traces", repeating('{"resourceSpans":[{"scopeSpans":[{"spans":[…]}]}]}', "{}", 1_500_000)),
    "values": ("traces", repeating(_IN_SPAN % '{"arrayValue":{"values":[…]}}', "{}", 1_500_000)),
    "pairs": ("traces", repeating(_IN_SPAN % '{"kvlistValue":{"values":[…]}}', "{}", 1_500_000)),
    "numbers": ("metrics", repeating(_IN_POINT, "1", 7_900_000)),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_of_elements_is_refused_before_it_is_built(name: str) -> None:
    signal, body = BOMBS[name]
    began = time.process_time()
    check_json(body)
    with pytest.raises(TooLargeError, match="more than 1000000 elements"):
        to_protobuf(body, signal)
    # Parsing takes 0.2 s and building all of it 3 to 20 s; a test machine may be slow, and this is processor time.
    assert time.process_time() - began < 2.5


def test_a_list_of_a_million_values_is_taken() -> None:
    many = b"[" + b",".join([b"{}"] * (1_000_000 - 4)) + b"]"
    body = (_IN_SPAN % '{"arrayValue":{"values":?}}').encode().replace(b"?", many)
    assert len(to_protobuf(body, "traces")[0]) > 1_000_000
