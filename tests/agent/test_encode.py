"""The hand-written OTLP bytes, read by the real protobuf classes and held against the stock exporter's."""

from collections.abc import Mapping
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from opentelemetry.exporter.otlp.proto.common.trace_encoder import encode_spans
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.trace import (
    Link,
    NonRecordingSpan,
    SpanContext,
    SpanKind,
    StatusCode,
    TraceFlags,
    TraceState,
    set_span_in_context,
)

from tests.support.agent import plain, plain_map
from tracestitch.attributes import Shared
from tracestitch.encode import Encoder, LogEntry, varint
from tracestitch.exporter import Exporter
from tracestitch.provider import Provider
from tracestitch.settings import from_environment
from tracestitch.spans import Span
from tracestitch.tracing import build_provider

RESOURCE: dict[str, str | int] = {"service.name": "shop", "process.pid": 42}


def encoder(ignores: Mapping[tuple[str, int], tuple[str, ...]] | None = None) -> Encoder:
    known = ignores or {}
    return Encoder(lambda file, line: known.get((file, line), ()))


def light_provider() -> Provider:
    """Ours, of which nothing is sent."""
    settings = from_environment({"OTEL_TRACES_EXPORTER": "none"}, "/srv")
    return build_provider(Exporter(settings, lambda: RESOURCE), {})


def finished_spans() -> list[Span]:
    """A remote parent, a child with everything a span can carry, and one whose shared attribute is set again."""
    provider = light_provider()
    tracer = provider.get_tracer("tracestitch", "1")
    remote = SpanContext(
        trace_id=0x0AF7651916CD43DD8448EB211C80319C,
        span_id=0xB7AD6B7169203331,
        is_remote=True,
        trace_flags=TraceFlags(1),
        trace_state=TraceState([("vendor", "x")]),
    )
    context = set_span_in_context(NonRecordingSpan(remote))
    linked = SpanContext(trace_id=5, span_id=6, is_remote=False, trace_flags=TraceFlags(0))
    with tracer.start_as_current_span("GET /ü", context=context, kind=SpanKind.SERVER) as parent:
        child = tracer.start_span(
            "SELECT stock",
            kind=SpanKind.CLIENT,
            attributes={**ALL_KINDS},
            links=[Link(linked, {"why": "retry"})],
            start_time=1_700_000_000_000_000_001,
        )
        child.add_event("exception", {"exception.type": "E"}, timestamp=1_700_000_000_000_000_002)
        child.set_status(StatusCode.ERROR, "it broke")
        child.end(1_700_000_000_000_000_003)
        parent.set_status(StatusCode.OK)
    again = tracer.start_span("again", attributes=Shared({"a": 1, "b": 2}))
    again.set_attribute("a", 3)
    again.set_attribute("c", 4)
    again.end()
    return [span for span in (parent, child, again) if isinstance(span, Span)]


ALL_KINDS: dict[str, Any] = {
    "a": "ä", "t": True, "f": False, "n": -7, "big": 2**62, "d": 1.5, "l": ["x", "y"], "e": [],
}  # fmt: skip


def encoded(spans: list[Span]) -> ExportTraceServiceRequest:
    ours = encoder()
    body = ours.traces(ours.resource(RESOURCE), [ours.scoped_span(span) for span in spans])
    return ExportTraceServiceRequest.FromString(body)


def encoded_by_stock(spans: list[Span]) -> ExportTraceServiceRequest:
    stock = encode_spans([span.readable() for span in spans])
    for of_scope in stock.resource_spans[0].scope_spans:
        for span in of_scope.spans:
            span.flags |= 1  # the stock exporter leaves the W3C flags out of the lowest byte
            if not span.status.code:
                span.ClearField("status")  # it writes an empty one, which says the same as none
    return stock


def test_spans_are_equal_to_those_of_the_stock_exporter() -> None:
    spans = finished_spans()

    written = encoded(spans)

    assert written == encoded_by_stock(spans)
    assert len(written.resource_spans[0].scope_spans[0].spans) == 3


NAMES = st.text(st.characters(codec="utf-8", exclude_characters="?:="), max_size=8)
ATTRIBUTES = st.dictionaries(
    st.sampled_from(["a", "b", "http.route", "n", "ünï"]),
    st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.sampled_from(["", "x", "SELECT 1", "ä" * 300])
    | st.lists(st.integers(0, 9), max_size=3),
    max_size=4,
)


@given(
    name=NAMES,
    shared=ATTRIBUTES,
    own=ATTRIBUTES,
    event=ATTRIBUTES,
    link=ATTRIBUTES,
    kind=st.sampled_from(SpanKind),
    status=st.sampled_from(StatusCode),
    times=st.tuples(st.integers(1, 2**63), st.integers(1, 2**63)),
)
def test_any_span_is_equal_to_that_of_the_stock_exporter(
    name: str,
    shared: dict[str, Any],
    own: dict[str, Any],
    event: dict[str, Any],
    link: dict[str, Any],
    kind: SpanKind,
    status: StatusCode,
    times: tuple[int, int],
) -> None:
    linked = SpanContext(trace_id=5, span_id=6, is_remote=True, trace_flags=TraceFlags(0))
    tracer = light_provider().get_tracer("app", "2")
    span = tracer.start_span(name, kind=kind, attributes=Shared(shared), start_time=times[0])
    assert isinstance(span, Span)
    span.set_attributes(own)
    span.add_event(name, event, times[0])
    span.add_link(linked, link)
    span.set_status(status)
    span.end(times[1])

    assert encoded([span]) == encoded_by_stock([span])


def test_spans_of_two_tracers_are_told_apart() -> None:
    provider = light_provider()
    spans = [provider.get_tracer(name).start_span("work") for name in ("a", "b", "a")]

    written = encoded([span for span in spans if isinstance(span, Span)]).resource_spans[0].scope_spans

    assert [(scope.scope.name, len(scope.spans)) for scope in written] == [("a", 2), ("b", 1)]


def test_a_log_record_carries_its_ids_body_and_attributes() -> None:
    entry = LogEntry(
        time_ns=1_700_000_000_000_000_000,
        severity_number=17,
        severity_text="ERROR",
        scope="shop.views",
        body="it broke",
        attributes={"code.line.number": 3, "tracestitch.log.arguments": ["a", "b"]},
        trace_id=0xABC,
        span_id=0xDEF,
        trace_flags=1,
    )
    ours = encoder()

    body = ours.logs(ours.resource(RESOURCE), [(entry.scope, ours.log(entry))])

    of_resource = ExportLogsServiceRequest.FromString(body).resource_logs[0]
    record = of_resource.scope_logs[0].log_records[0]
    assert plain_map(of_resource.resource.attributes) == RESOURCE
    assert of_resource.scope_logs[0].scope.name == "shop.views"
    assert (record.time_unix_nano, record.observed_time_unix_nano) == (entry.time_ns, entry.time_ns)
    assert (record.severity_number, record.severity_text, record.body.string_value) == (
        17,
        "ERROR",
        "it broke",
    )
    assert record.trace_id.hex() == f"{0xABC:032x}"
    assert record.span_id.hex() == f"{0xDEF:016x}"
    assert record.flags == 1
    assert plain_map(record.attributes) == entry.attributes


def test_an_event_has_a_map_for_its_body_and_secrets_in_it_are_taken_out() -> None:
    body = {
        "python": {"version": "3.11"},
        "routes": [{"rule": "/", "line": 3}],
        "password": "hunter2",
        "none": None,
    }
    entry = LogEntry(1, 9, "INFO", "tracestitch", body, {}, event_name="tracestitch.inventory")

    ours = encoder()
    written = ExportLogsServiceRequest.FromString(ours.logs(b"", [("tracestitch", ours.log(entry))]))

    record = written.resource_logs[0].scope_logs[0].log_records[0]
    assert record.event_name == "tracestitch.inventory"
    assert plain(record.body) == {**body, "password": "REDACTED"}
    assert not record.trace_id


def test_records_of_one_logger_share_a_scope() -> None:
    ours = encoder()
    records = [
        (name, ours.log(LogEntry(1, 9, "INFO", name, str(number), {})))
        for number, name in enumerate(["a", "b", "a"])
    ]

    written = ExportLogsServiceRequest.FromString(ours.logs(b"", records)).resource_logs[0].scope_logs

    scopes = {
        scope.scope.name: [record.body.string_value for record in scope.log_records] for scope in written
    }
    assert scopes == {"a": ["0", "2"], "b": ["1"]}


def test_the_comment_at_a_line_of_code_is_sent_along() -> None:
    ours = encoder({("/app/views.py", 3): ("n-plus-one-db the list is short",)})
    attributes = {"code.file.path": "/app/views.py", "code.line.number": 3}

    written = ExportLogsServiceRequest.FromString(
        ours.logs(b"", [("a", ours.log(LogEntry(1, 9, "INFO", "a", "b", attributes)))])
    )

    record = written.resource_logs[0].scope_logs[0].log_records[0]
    assert plain_map(record.attributes)["tracestitch.ignore"] == ["n-plus-one-db the list is short"]


VALUES = st.recursive(
    st.text() | st.booleans() | st.integers(-(2**63), 2**63 - 1) | st.floats(allow_nan=False) | st.binary(),
    lambda inner: st.lists(inner, max_size=4) | st.dictionaries(st.text(max_size=5), inner, max_size=4),
    max_leaves=8,
)


@given(value=VALUES)
def test_any_value_is_read_back_as_it_was(value: Any) -> None:
    ours = Encoder(lambda file, line: ())
    entry = LogEntry(1, 9, "INFO", "s", {"v": value}, {})

    written = ExportLogsServiceRequest.FromString(ours.logs(b"", [("s", ours.log(entry))]))

    read = plain(written.resource_logs[0].scope_logs[0].log_records[0].body)["v"]
    if not _holds_text(value):  # texts may be scrubbed
        assert read == value
        assert type(read) is type(value)


def _holds_text(value: Any) -> bool:
    if isinstance(value, dict):
        return bool(value)
    return isinstance(value, str) or (isinstance(value, list) and any(map(_holds_text, value)))


def test_what_utf8_cannot_say_is_replaced_and_nothing_else_is_lost() -> None:
    ours = encoder()
    entry = LogEntry(1, 9, "INFO", "s", "a\ud800b", {"k\ud800": "v\udfff", "n": 1})

    written = ExportLogsServiceRequest.FromString(ours.logs(b"", [("s", ours.log(entry))]))

    record = written.resource_logs[0].scope_logs[0].log_records[0]
    assert record.body.string_value == "a?b"
    assert plain_map(record.attributes) == {"k?": "v?", "n": 1}


@pytest.mark.parametrize("number", [2**63, -(2**70), 10**5000], ids=["just over", "negative", "5000 digits"])
def test_an_integer_beyond_64_bits_is_sent_as_text(number: int) -> None:
    ours = encoder()
    entry = LogEntry(1, 9, "INFO", "s", "b", {"n": number})

    written = ExportLogsServiceRequest.FromString(ours.logs(b"", [("s", ours.log(entry))]))

    value = written.resource_logs[0].scope_logs[0].log_records[0].attributes[0].value
    assert value.WhichOneof("value") == "string_value"


@given(number=st.integers(0, 2**64 - 1))
def test_a_varint_holds_seven_bits_a_byte_lowest_first(number: int) -> None:
    encoded = varint(number)

    assert sum((byte & 0x7F) << (7 * index) for index, byte in enumerate(encoded)) == number
    assert [byte >> 7 for byte in encoded] == [1] * (len(encoded) - 1) + [0]
