"""Requests on the wire before they are accepted: what is sound, what is refused, what is left out, and how
little it takes to find out.
"""

from __future__ import annotations

import gzip
import subprocess
import sys
import time
import zlib
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.otlp import log_request, otlp_log, otlp_span, trace_request
from tracestitch_collector.receive.limits import MAX_DEPTH, MIB, MalformedError, TooLargeError, inflate
from tracestitch_collector.receive.shapes import LOGS, METRICS, TRACES
from tracestitch_collector.receive.wire import (
    WRONG_PARENT_ID,
    WRONG_SPAN_ID,
    WRONG_TEXT,
    WRONG_TRACE_ID,
    Census,
    Inspector,
    varint,
    without,
)


def traces_request(all_spans: Sequence[Span]) -> bytes:
    return trace_request(*all_spans).SerializeToString()


def logs_request(records: Sequence[LogRecord]) -> bytes:
    return log_request(*records).SerializeToString()


def field(number: int, content: bytes) -> bytes:
    return varint(number << 3 | 2) + varint(len(content)) + content


def spans(*contents: bytes) -> bytes:
    """A request around spans that are given as bytes."""
    return field(1, field(2, b"".join(field(2, content) for content in contents)))


def inspect(body: bytes) -> Census:
    return Inspector().inspect(body, TRACES)


GOOD_SPAN = otlp_span(attributes={"a": 1}).SerializeToString()


def test_a_request_of_every_kind_of_value_is_sound_and_counted() -> None:
    body = traces_request(
        [
            otlp_span(
                attributes={
                    "text": "grüße",
                    "list": (1, "two", None),
                    "map": {"a": {"b": b"\xff"}},
                    "none": None,
                },
                flags=257,
                trace_state="a=b",
                status=2,
                message="gone",
            ),
            otlp_span(span_id="00000000000000aa"),
        ]
    )
    census = inspect(body)
    assert (census.items, len(census.rejected)) == (2, 0)


def test_an_empty_request_is_sound() -> None:
    assert inspect(b"").items == 0
    assert inspect(field(1, b"")).items == 0


def test_unknown_fields_are_skipped_whatever_their_type() -> None:
    unknown = b"\xa8\x1f\x01" + b"\xa9\x1f" + bytes(8) + b"\xad\x1f" + bytes(4) + field(500, b"\xff\xfe")
    census = inspect(unknown + spans(GOOD_SPAN + unknown))
    assert (census.items, len(census.rejected)) == (1, 0)


@pytest.mark.parametrize(
    ("span", "reason"),
    [
        (otlp_span(trace_id="00" * 16), WRONG_TRACE_ID),
        (otlp_span(trace_id="ab" * 15), WRONG_TRACE_ID),
        (otlp_span(trace_id="ab" * 17), WRONG_TRACE_ID),
        (otlp_span(trace_id=""), WRONG_TRACE_ID),
        (otlp_span(span_id="00" * 8), WRONG_SPAN_ID),
        (otlp_span(span_id="ab" * 7), WRONG_SPAN_ID),
        (otlp_span(span_id=""), WRONG_SPAN_ID),
        (otlp_span(parent_span_id="ab" * 16), WRONG_PARENT_ID),
    ],
)
def test_a_span_with_a_wrong_id_is_left_out_and_the_others_stay(span: Span, reason: str) -> None:
    good = otlp_span(span_id="00000000000000aa")
    body = traces_request([good, span, good])
    census = inspect(body)
    assert (census.items, census.reasons) == (3, {reason: 1})
    assert without(body, census.rejected) == traces_request([good, good])


def test_text_that_is_not_utf8_costs_its_span_only() -> None:
    broken = GOOD_SPAN.replace(b"GET /stock", b"GET \xff\xfeock")
    census = inspect(spans(GOOD_SPAN, broken))
    assert census.reasons == {WRONG_TEXT: 1}
    assert without(spans(GOOD_SPAN, broken), census.rejected) == spans(GOOD_SPAN)


def test_text_that_is_not_utf8_in_the_resource_refuses_the_request() -> None:
    with pytest.raises(MalformedError, match="UTF-8"):
        inspect(field(1, field(1, field(1, field(1, b"\xff")))))


def test_a_log_record_with_a_wrong_id_is_kept() -> None:
    record = otlp_log()
    record.trace_id = b"short"
    census = Inspector().inspect(logs_request([record]), LOGS)
    assert (census.items, len(census.rejected)) == (1, 0)


def test_data_points_are_counted_as_the_items_of_metrics() -> None:
    request = ExportMetricsServiceRequest()
    metrics = request.resource_metrics.add().scope_metrics.add().metrics
    for _ in range(2):
        metrics.add(name="requests").sum.data_points.add(as_int=1)
    histogram = metrics.add(name="duration").histogram
    histogram.data_points.add(count=3, bucket_counts=[1, 2], explicit_bounds=[0.5])
    metrics.add(name="size").exponential_histogram.data_points.add(count=1).positive.bucket_counts.append(1)
    metrics.add(name="old").summary.data_points.add().quantile_values.add(quantile=0.5, value=1)
    assert Inspector().inspect(request.SerializeToString(), METRICS).items == 5


@pytest.mark.parametrize("cut", range(1, 60))
def test_a_request_that_is_cut_off_is_refused(cut: int) -> None:
    body = traces_request([otlp_span(attributes={"key": "value"})])
    with pytest.raises(MalformedError):
        inspect(body[:-cut])


@pytest.mark.parametrize(
    "body",
    [
        b"not protobuf at all",
        b"\x0a",
        b"\x0a\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\x01",
        b"\x02\x00",  # field 0
        b"\x0b\x0c",  # a group
        b"\x0f\x00",  # wire type 7
        spans(b"\x0a\x7f"),
        spans(b"\x39\x00"),
        b"{}",
        b"\xff" * 100,
    ],
)
def test_what_is_no_protobuf_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError):
        inspect(body)


def nested(levels: int) -> bytes:
    value = b""
    for _ in range(levels):
        value = field(5, field(1, value))
    return spans(GOOD_SPAN + field(9, field(1, b"deep") + field(2, value)))


def test_nesting_is_allowed_to_the_limit_and_refused_beyond_it() -> None:
    assert inspect(nested(MAX_DEPTH)).items == 1
    for levels in (MAX_DEPTH + 1, 50, 5000):
        with pytest.raises(MalformedError, match="levels deep"):
            inspect(nested(levels))


def filled(piece: bytes, wrap: Callable[[bytes], bytes]) -> bytes:
    return wrap(piece * ((64 * MIB - 200) // len(piece)))


BOMBS = {
    "resources": filled(b"\x0a\x00", lambda many: many),
    "spans": filled(b"\x12\x00", lambda many: field(1, field(2, many))),
    "attributes": filled(b"\x4a\x00", lambda many: spans(GOOD_SPAN + many)),
    "events": filled(b"\x5a\x00", lambda many: spans(GOOD_SPAN + many)),
    "list": filled(b"\x0a\x00", lambda many: spans(GOOD_SPAN + field(9, field(2, field(5, many))))),
    "scalars": filled(b"\x30\x01", lambda many: spans(GOOD_SPAN + many)),
    "unknown": filled(b"\x78\x01", lambda many: many),
}


@pytest.mark.parametrize("name", BOMBS)
def test_a_bomb_of_elements_is_refused_early(name: str) -> None:
    began = time.process_time()
    with pytest.raises(TooLargeError, match="more than 1000000 elements"):
        inspect(BOMBS[name])
    assert time.process_time() - began < 15


def test_a_bomb_of_64_kib_takes_little_memory() -> None:
    """In a process of its own, so that its peak is its own."""
    script = (
        "import resource, sys, zlib\n"
        "from tracestitch_collector.receive.limits import *\n"
        "from tracestitch_collector.receive.wire import *\n"
        "from tracestitch_collector.receive.shapes import TRACES\n"
        "bomb = sys.stdin.buffer.read()\n"
        "before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss\n"
        "try: Inspector().inspect(inflate(bomb), TRACES)\n"
        "except TooLargeError: print(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before)\n"
    )
    bomb = gzip.compress(BOMBS["spans"])
    assert len(bomb) < 70_000
    answer = subprocess.run([sys.executable, "-c", script], input=bomb, capture_output=True, check=True)
    assert int(answer.stdout) / 1024 < 200


def test_exactly_a_million_elements_are_taken() -> None:
    attributes = b"\x4a\x00" * (1_000_000 - 3)  # with a resource, a scope and a span around them
    assert (
        inspect(spans(GOOD_SPAN.replace(field(9, b"\x0a\x01a\x12\x02\x18\x01"), b"") + attributes)).items == 1
    )


def test_inflating_returns_what_was_deflated_in_one_or_more_members() -> None:
    body = bytes(range(256)) * 10_000
    assert inflate(gzip.compress(body)) == body
    assert inflate(gzip.compress(body[:1000]) + gzip.compress(b"") + gzip.compress(body[1000:])) == body
    assert inflate(gzip.compress(b"")) == b""


@pytest.mark.parametrize(
    "body",
    [
        b"",
        b"plain",
        gzip.compress(b"cut off" * 100)[:-1],
        gzip.compress(b"cut off" * 100)[:30],
        gzip.compress(b"trailing") + b"garbage",
        gzip.compress(b"trailing") + b"\x00",
        gzip.compress(b"two") + gzip.compress(b"members")[:-3],
        gzip.compress(b"damaged" * 100)[:-8] + bytes(8),
        zlib.compress(b"not gzip"),
    ],
)
def test_a_gzip_body_that_is_not_whole_is_refused(body: bytes) -> None:
    with pytest.raises(MalformedError, match="gzip"):
        inflate(body)


def test_inflating_stops_at_the_limit() -> None:
    exact = gzip.compress(bytes(64 * MIB))
    assert len(inflate(exact)) == 64 * MIB
    with pytest.raises(TooLargeError):
        inflate(gzip.compress(bytes(64 * MIB + 1)))
    with pytest.raises(TooLargeError):
        inflate(gzip.compress(bytes(MIB)) * 65)


@given(st.binary(max_size=300))
def test_no_bytes_make_it_fail_otherwise(body: bytes) -> None:
    for signal in (TRACES, LOGS, METRICS):
        try:
            census = Inspector().inspect(body, signal)
        except MalformedError:
            continue
        without(body, census.rejected)


@given(st.data())
def test_what_it_takes_the_official_decoder_takes_too(data: st.DataObject) -> None:
    body = bytearray(
        traces_request([otlp_span(attributes={"k": "v", "n": {"l": (1, 2.5)}}), otlp_span(name="two")])
    )
    for _ in range(data.draw(st.integers(1, 4))):
        body[data.draw(st.integers(0, len(body) - 1))] = data.draw(st.integers(0, 255))
    try:
        census = inspect(bytes(body))
    except MalformedError:
        return
    kept = ExportTraceServiceRequest.FromString(without(bytes(body), census.rejected))
    found = sum(len(scope.spans) for resource in kept.resource_spans for scope in resource.scope_spans)
    assert found == census.items - len(census.rejected)


def test_logs_are_inspected_by_their_own_shape() -> None:
    request = ExportLogsServiceRequest()
    request.ParseFromString(logs_request([otlp_log(body={"a": (1, "x")}), otlp_log()]))
    assert Inspector().inspect(request.SerializeToString(), LOGS).items == 2
