"""The agent's own spans behave as OpenTelemetry's: the same little programs, run on both."""

import asyncio
from collections.abc import Callable
from typing import Any

import pytest
from opentelemetry import baggage, context, propagate, trace
from opentelemetry.sdk.trace import ReadableSpan, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace import Span as SdkSpan
from opentelemetry.sdk.trace.export import SimpleSpanProcessor
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter
from opentelemetry.sdk.trace.sampling import (
    ALWAYS_OFF,
    ALWAYS_ON,
    DEFAULT_OFF,
    DEFAULT_ON,
    Decision,
    ParentBasedTraceIdRatio,
    Sampler,
    TraceIdRatioBased,
)
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, Status, StatusCode, TraceFlags

from tracestitch.exporter import Exporter
from tracestitch.provider import Provider
from tracestitch.settings import from_environment
from tracestitch.spans import Span
from tracestitch.tracing import build_provider

Program = Callable[[trace.Tracer], None]
LINKED = SpanContext(trace_id=5, span_id=6, is_remote=True, trace_flags=TraceFlags(1))


def light_provider(**environ: str) -> Provider:
    """Ours, of which nothing is sent."""
    settings = from_environment({"OTEL_TRACES_EXPORTER": "none"}, "/srv")
    return build_provider(Exporter(settings, lambda: {"service.name": "shop"}), environ)


def told(span: ReadableSpan) -> dict[str, Any]:
    """All that does not depend on chance or the clock."""
    return {
        "name": span.name,
        "kind": span.kind,
        "has_parent": span.parent is not None,
        "status": (span.status.status_code, span.status.description),
        "attributes": list((span.attributes or {}).items()),
        "events": [(event.name, _without_frames(event.attributes)) for event in span.events],
        "links": [(link.context, dict(link.attributes or {})) for link in span.links],
        "is_ended": span.end_time is not None,
        "scope": getattr(span.instrumentation_scope, "name", None),
    }


def _without_frames(attributes: Any) -> dict[str, Any]:
    return {key: value for key, value in attributes.items() if key != "exception.stacktrace"}


def outcome(provider: Any, program: Program) -> list[dict[str, Any]]:
    kept = InMemorySpanExporter()
    provider.add_span_processor(SimpleSpanProcessor(kept))
    program(provider.get_tracer("app"))
    return [told(span) for span in kept.get_finished_spans()]


def of_stock(program: Program, limits: SpanLimits | None = None) -> list[dict[str, Any]]:
    return outcome(TracerProvider(span_limits=limits, shutdown_on_exit=False), program)


class Odd:
    def __str__(self) -> str:
        return "odd"


def attributes_of_all_kinds(tracer: trace.Tracer) -> None:
    values: dict[str, Any] = {
        "text": "x", "flag": True, "number": 1, "part": 1.5, "list": ["a", "b"], "raw": b"z", "odd": Odd(), "": 1,
    }  # fmt: skip
    with tracer.start_span("work", attributes=values) as span:
        span.set_attributes({"number": 2, "new": [1, 2]})
        span.set_attribute("text", "y")


def a_nested_pair(tracer: trace.Tracer) -> None:
    with (
        tracer.start_as_current_span("outer", kind=trace.SpanKind.SERVER),
        tracer.start_as_current_span("inner"),
    ):
        trace.get_current_span().add_event("found", {"n": 1})


def statuses(tracer: trace.Tracer) -> None:
    for steps in (
        [(StatusCode.ERROR, "bad"), (StatusCode.UNSET, None)],
        [(StatusCode.OK, None), (StatusCode.ERROR, "too late")],
        [(StatusCode.ERROR, "bad"), (StatusCode.OK, None)],
        [(Status(StatusCode.ERROR, "worse"), None)],
    ):
        with tracer.start_span("work") as span:
            for status, description in steps:
                span.set_status(status, description)


def everything_after_the_end(tracer: trace.Tracer) -> None:
    span = tracer.start_span("work")
    span.end()
    span.set_attribute("late", 1)
    span.add_event("late")
    span.add_link(LINKED)
    span.update_name("late")
    span.set_status(StatusCode.ERROR)
    span.end()
    assert not span.is_recording()


def links(tracer: trace.Tracer) -> None:
    nowhere = SpanContext(trace_id=0, span_id=0, is_remote=False)
    with tracer.start_span("work", links=[Link(LINKED, {"why": "retry"}), Link(nowhere)]) as span:
        span.add_link(LINKED, {"n": [1]})
        span.add_link(nowhere)


def an_exception_in_a_current_span(tracer: trace.Tracer) -> None:
    for records, sets_status in ((True, True), (True, False), (False, True)):
        with (
            pytest.raises(ValueError),
            tracer.start_as_current_span(
                "work", record_exception=records, set_status_on_exception=sets_status
            ),
        ):
            raise ValueError("bad")


def an_exception_in_a_span(tracer: trace.Tracer) -> None:
    with pytest.raises(KeyError), tracer.start_span("work"):
        raise KeyError("gone")
    with pytest.raises(KeyError), tracer.start_span("quiet", record_exception=False):
        raise KeyError("gone")


def a_generator_that_is_closed(tracer: trace.Tracer) -> None:
    def steps() -> Any:
        with tracer.start_as_current_span("work"):
            yield 1
            yield 2

    running = steps()
    next(running)
    running.close()


def a_recorded_exception(tracer: trace.Tracer) -> None:
    with tracer.start_span("work") as span:
        try:
            raise LookupError("nothing")
        except LookupError as error:
            span.record_exception(error, {"tried": 3})


def decorators(tracer: trace.Tracer) -> None:
    @tracer.start_as_current_span("decorated")
    def plain(number: int) -> int:
        trace.get_current_span().set_attribute("n", number)
        return number

    @tracer.start_as_current_span("async")
    async def awaited() -> None:
        await asyncio.sleep(0)
        trace.get_current_span().set_attribute("ran", True)

    assert [plain(1), plain(2)] == [1, 2]
    asyncio.run(awaited())


def one_that_stays_open(tracer: trace.Tracer) -> None:
    with tracer.start_as_current_span("open", end_on_exit=False) as span:
        pass
    assert span.is_recording()
    with trace.use_span(span, end_on_exit=True):
        pass


PROGRAMS: list[Program] = [
    attributes_of_all_kinds, a_nested_pair, statuses, everything_after_the_end, links, an_exception_in_a_span,
    an_exception_in_a_current_span, a_generator_that_is_closed, a_recorded_exception, decorators,
    one_that_stays_open,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS)
def test_a_program_leaves_the_spans_that_it_leaves_with_the_sdk(program: Program) -> None:
    stock = of_stock(program)

    assert outcome(light_provider(), program) == stock
    assert stock


def many_of_everything(tracer: trace.Tracer) -> None:
    with tracer.start_span("work", attributes={f"a{number}": "long text" for number in range(4)}) as span:
        span.set_attribute("a3", 1)
        for number in range(4):
            span.add_event(str(number), {f"e{inner}": "long text" for inner in range(3)})
            span.add_link(LINKED, {f"l{inner}": inner for inner in range(3)})


LIMITS = {
    "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT": "2",
    "OTEL_SPAN_EVENT_COUNT_LIMIT": "3",
    "OTEL_SPAN_LINK_COUNT_LIMIT": "1",
    "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT": "2",
    "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT": "1",
    "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT": "5",
}


def test_the_limits_of_the_environment_are_the_sdks(monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in LIMITS.items():
        monkeypatch.setenv(name, value)

    stock = of_stock(many_of_everything, SpanLimits())

    assert outcome(light_provider(**LIMITS), many_of_everything) == stock


def test_a_limit_that_is_no_number_stops_nothing() -> None:
    provider = light_provider(OTEL_SPAN_EVENT_COUNT_LIMIT="many", OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT="-1")

    assert provider.limits.events == 128


SAMPLERS: list[tuple[str, str, Sampler]] = [
    ("always_on", "", ALWAYS_ON),
    ("always_off", "", ALWAYS_OFF),
    ("parentbased_always_on", "", DEFAULT_ON),
    ("parentbased_always_off", "", DEFAULT_OFF),
    ("traceidratio", "0.5", TraceIdRatioBased(0.5)),
    ("parentbased_traceidratio", "0.5", ParentBasedTraceIdRatio(0.5)),
    ("traceidratio", "much", TraceIdRatioBased(1.0)),
]


@pytest.mark.parametrize(("name", "argument", "sampler"), SAMPLERS)
def test_a_sampler_decides_as_the_sdks(name: str, argument: str, sampler: Sampler) -> None:
    tracer = light_provider(OTEL_TRACES_SAMPLER=name, OTEL_TRACES_SAMPLER_ARG=argument).get_tracer("app")

    for trace_id in (1, 2**63 - 1, 2**63, 2**64 - 1, 2**100 + 7):
        for flags in (0, 1):
            parent = SpanContext(trace_id=trace_id, span_id=9, is_remote=True, trace_flags=TraceFlags(flags))
            around = trace.set_span_in_context(NonRecordingSpan(parent))
            span = tracer.start_span("work", around)

            expected = sampler.should_sample(around, trace_id, "work").decision is Decision.RECORD_AND_SAMPLE
            assert span.is_recording() == expected
            assert span.get_span_context().trace_flags.sampled == expected
            assert span.get_span_context().trace_id == trace_id


class Watching(SpanProcessor):
    def __init__(self) -> None:
        self.started: list[str] = []
        self.ended: list[ReadableSpan] = []

    def on_start(self, span: SdkSpan, parent_context: context.Context | None = None) -> None:
        self.started.append(span.name)
        span.set_attribute("seen", True)

    def on_end(self, span: ReadableSpan) -> None:
        self.ended.append(span)


def test_a_processor_that_a_program_adds_gets_the_sdks_own_kind_of_span() -> None:
    watching = Watching()
    provider: Any = light_provider()
    assert isinstance(provider, TracerProvider)
    provider.add_span_processor(watching)

    with provider.get_tracer("app", "2").start_as_current_span("work") as span:
        assert isinstance(span, SdkSpan)

    (ended,) = watching.ended
    assert watching.started == ["work"]
    assert isinstance(ended, ReadableSpan)
    assert ended.resource.attributes["service.name"] == "shop"
    assert '"seen": true' in ended.to_json()


class Broken(SpanProcessor):
    def on_end(self, span: ReadableSpan) -> None:
        raise RuntimeError("a processor broke")


def test_a_processor_that_breaks_harms_neither_the_program_nor_the_next_one() -> None:
    provider, watching = light_provider(), Watching()
    provider.add_span_processor(Broken())
    provider.add_span_processor(watching)

    provider.get_tracer("app").start_span("work").end()

    assert [span.name for span in watching.ended] == ["work"]


def test_headers_carry_the_trace_and_the_baggage_to_the_next_service() -> None:
    tracer = light_provider().get_tracer("app")
    headers: dict[str, str] = {}

    with tracer.start_as_current_span("here") as here:
        propagate.inject(headers, context=baggage.set_baggage("user", "7"))
    arrived = propagate.extract(headers)
    there = tracer.start_span("there", arrived)

    assert isinstance(there, Span)
    assert (there.trace_id, there.parent_id) == here.get_span_context()[:2]
    assert there.parent_is_remote
    assert baggage.get_baggage("user", arrived) == "7"
    assert headers["traceparent"].endswith("-01")


def test_the_trace_state_of_the_caller_is_handed_on() -> None:
    tracer = light_provider().get_tracer("app")
    caller = {"traceparent": f"00-{5:032x}-{6:016x}-01", "tracestate": "vendor=x"}
    headers: dict[str, str] = {}

    with (
        tracer.start_as_current_span("outer", propagate.extract(caller)),
        tracer.start_as_current_span("inner"),
    ):
        propagate.inject(headers)

    assert headers["tracestate"] == "vendor=x"
    assert headers["traceparent"].startswith(f"00-{5:032x}-")
