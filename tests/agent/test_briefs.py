"""Statements' spans that are written out at their end: they say what any span of theirs would, whoever looks."""

import threading
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span as WireSpan
from opentelemetry.trace import SpanContext, SpanKind, TraceFlags, TraceState

from tests.support.agent import plain_map
from tracestitch import briefs, frames
from tracestitch.encode import Encoder
from tracestitch.exporter import Exporter
from tracestitch.provider import Provider
from tracestitch.settings import from_environment
from tracestitch.spans import Span
from tracestitch.statements import Shape, Statements
from tracestitch.tracing import build_provider

TEXT = "SELECT id, name FROM item WHERE id = %s"


class Sending:
    """A request that is being served, and the exporter that gets its spans, without a thread."""

    def __init__(self) -> None:
        settings = from_environment({}, "/srv")
        self.exporter = Exporter(settings, dict)
        self.exporter._started.acquire()
        self.provider: Provider = build_provider(self.exporter, {})
        self.encoder = Encoder(lambda _file, _line: ())
        request = self.provider.get_tracer("tracestitch", "1").start_span("GET /", kind=SpanKind.SERVER)
        assert isinstance(request, Span)
        self.request = request
        self.statements = Statements({"db.system.name": "sqlite"})

    def shape(self, text: str = TEXT) -> Shape:
        return self.statements.here(text, False, None, lambda: None)

    def sent(self) -> list[WireSpan]:
        items = self.exporter.spans.take(100)
        body = self.encoder.traces(b"", [self.encoder.scoped_span(item) for item in items])
        read = ExportTraceServiceRequest.FromString(body)
        assert {of_scope.scope.name for of_scope in read.resource_spans[0].scope_spans} == {"tracestitch"}
        return [span for of_scope in read.resource_spans[0].scope_spans for span in of_scope.spans]


@pytest.fixture
def sending() -> Sending:
    return Sending()


def test_the_second_span_of_a_statement_says_what_the_first_did(sending: Sending) -> None:
    shape = sending.shape()
    for rows in (None, 3, 300):
        briefs.end(briefs.begin(sending.request, shape), rows)
        briefs.end(briefs.begin(sending.request, shape), rows)
        sending.sent()
        first = briefs.Brief(sending.request, shape).as_span()
        briefs.end(first, rows)
        briefs.end(briefs.begin(sending.request, shape), rows)

        assert [type(item) for _, item in sending.exporter.spans._items] == [Span, bytes]
        one, other = sending.sent()
        assert one.span_id != other.span_id
        assert 0 < other.start_time_unix_nano <= other.end_time_unix_nano
        assert plain_map(one.attributes) == plain_map(other.attributes)
        assert plain_map(other.attributes).get("db.response.returned_rows") == rows
        for span in (one, other):
            span.ClearField("span_id")
            span.ClearField("start_time_unix_nano")
            span.ClearField("end_time_unix_nano")
            span.ClearField("attributes")
        assert one == other


@pytest.mark.parametrize("flags", [1, 3])
def test_a_brief_span_hangs_below_its_parent_in_its_trace(sending: Sending, flags: int) -> None:
    parent, shape = sending.request, sending.shape()
    parent.flags = flags
    for _ in range(2):
        briefs.begin(parent, shape).end()
        (span,) = sending.sent()

        assert int.from_bytes(span.trace_id, "big") == parent.trace_id
        assert int.from_bytes(span.parent_span_id, "big") == parent.span_id
        assert span.flags == 0x100 | flags


def test_a_statement_that_fails_is_a_span_like_any_other(sending: Sending) -> None:
    shape = sending.shape()
    briefs.begin(sending.request, shape).end()
    sending.sent()

    briefs.fail(briefs.begin(sending.request, shape), ValueError("no such table"))

    (span,) = sending.sent()
    assert plain_map(span.attributes)["error.type"] == "ValueError"
    assert span.status.message == "ValueError: no such table"


def test_a_processor_and_a_trace_state_are_told_of_statements(
    sending: Sending, monkeypatch: pytest.MonkeyPatch
) -> None:
    tracer = sending.provider.get_tracer("tracestitch", "1")
    monkeypatch.setattr("tracestitch.tracing.tracer", lambda: tracer)
    shape, ended = sending.shape(), []

    class Watching:
        def on_start(self, span: Any, parent_context: object = None) -> None: ...

        def on_end(self, span: Any) -> None:
            ended.append(span.name)

    sending.request.trace_state = TraceState([("vendor", "x")])
    briefs.begin(sending.request, shape).end()
    assert [span.trace_state for span in sending.sent()] == ["vendor=x"]

    sending.request.trace_state = None
    sending.provider.add_span_processor(Watching())
    briefs.begin(sending.request, shape).end()
    assert ended == ["SELECT item"]


def test_a_secret_in_the_name_of_a_table_does_not_leave(sending: Sending) -> None:
    shape = sending.shape("SELECT 1 FROM AKIAIOSFODNN7EXAMPLE")
    for _ in range(2):
        briefs.begin(sending.request, shape).end()
        (span,) = sending.sent()
        assert "AKIAIOSFODNN7EXAMPLE" not in str(span)


def in_library(statements: Statements) -> Callable[[], Shape]:
    """The hook's call, from a library."""
    scope: dict[str, Any] = {"__name__": "library", "here": statements.here, "text": TEXT}
    code = "def ask():\n    return here(text, False, None, lambda: None)\n"
    exec(compile(code, "/x/site-packages/library.py", "exec"), scope)
    ask: Callable[[], Shape] = scope["ask"]
    return ask


def line_of(shape: Shape) -> int:
    assert shape.location is not None
    assert shape.location.file == __file__
    return shape.location.line


def deeper(count: int, ask: Callable[[], Shape]) -> Shape:
    """Through so many more frames of a library."""
    scope: dict[str, Any] = {"__name__": "library", "ask": ask}
    code = "def down(n):\n    return down(n - 1) if n else ask()\n"
    exec(compile(code, "/x/site-packages/library.py", "exec"), scope)
    shape: Shape = scope["down"](count)
    return shape


def test_each_line_that_sends_one_statement_is_told_for_itself() -> None:
    ask = in_library(Statements({"db.system.name": "sqlite"}))

    lines = []
    for _ in range(3):
        lines.append(line_of(ask()))
        lines.append(line_of(ask()))

    assert lines[0] + 1 == lines[1]
    assert lines == lines[:2] * 3


def test_one_line_is_told_from_however_deep_it_asks() -> None:
    ask = in_library(Statements({"db.system.name": "sqlite"}))

    lines = {line_of(deeper(count, ask)) for count in (3, 3, 9, 3, 0, 200, 3)}

    assert len(lines) == 1


def test_a_statement_is_told_by_its_transaction_and_relation_too() -> None:
    statements = Statements({"db.system.name": "sqlite"})
    seen = []
    for transaction, asked in (
        (False, None),
        (True, None),
        (False, ("shop.Order", "", "")),
        (False, None),
        (False, ("shop.Order", "shop.Order.customer", "select_related")),
    ):
        shape = statements.here(TEXT, transaction, asked, lambda: None)
        seen.append(
            (
                shape.attributes["tracestitch.db.in_transaction"],
                shape.attributes.get("tracestitch.django.model"),
                shape.attributes.get("tracestitch.django.lazy_relation"),
            )
        )

    assert seen == [
        (False, None, None),
        (True, None, None),
        (False, "shop.Order", None),
        (False, None, None),
        (False, "shop.Order", "shop.Order.customer"),
    ]


def test_where_no_user_code_asks_the_line_is_told_by_who_gave_the_work() -> None:
    statements = Statements({"db.system.name": "sqlite"})
    given = frames.file_location("/srv/shop/work.py", 7, "shop.work")
    found: list[Shape] = []
    outside: dict[str, Any] = {"here": statements.here, "text": TEXT, "given": given, "found": found}
    code = "def work():\n    found.append(here(text, False, None, lambda: given))\n"
    exec(compile(code, "/x/site-packages/library.py", "exec"), outside)
    worker = threading.Thread(target=outside["work"])
    worker.start()
    worker.join(20)

    assert [shape.location for shape in found] == [given]


def test_a_remote_parent_of_the_request_is_not_that_of_its_statements(sending: Sending) -> None:
    remote = SpanContext(5, 6, is_remote=True, trace_flags=TraceFlags(1))
    sending.request.parent_id, sending.request.parent_is_remote = remote.span_id, True
    briefs.begin(sending.request, sending.shape()).end()
    briefs.begin(sending.request, sending.shape()).end()

    assert [span.flags for span in sending.sent()] == [0x101, 0x101]
