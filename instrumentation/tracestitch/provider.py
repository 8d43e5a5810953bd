"""The tracer provider behind OpenTelemetry's API in an observed process, and its tracers."""

import inspect
from collections.abc import Callable, Mapping, Sequence
from functools import wraps
from time import time_ns
from types import TracebackType
from typing import Any

from opentelemetry import context as context_api
from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.trace import Link, NonRecordingSpan, SpanContext, SpanKind, Status, StatusCode, TraceFlags
from opentelemetry.util.types import Attributes

from tracestitch import contexts, swallowed
from tracestitch.attributes import Limits, Shared
from tracestitch.contexts import SPAN_KEY
from tracestitch.exporter import Exporter
from tracestitch.ids import SystemIdGenerator
from tracestitch.safety import guard
from tracestitch.sampling import Sampler
from tracestitch.spans import Span

_SAMPLED, _RANDOM = 1, 2
# Shared sets go past the limits; no span of the agent's own comes near these numbers.
_ROOMY_COUNT, _ROOMY_LENGTH = 64, 4_096


class Provider(trace.TracerProvider):
    def __init__(self, exporter: Exporter, limits: Limits, sampler: Sampler | None) -> None:
        self.limits = limits
        self.sampler = sampler
        self.id_generator = SystemIdGenerator()
        self.shares = (limits.attributes is None or limits.attributes >= _ROOMY_COUNT) and (
            limits.value_length is None or limits.value_length >= _ROOMY_LENGTH
        )
        self.exporter = exporter
        self.processors: tuple[Any, ...] = ()
        # Every span is recorded, and nobody but the exporter sees it.
        self.is_plain = sampler is None and self.shares
        self._tracers: dict[tuple[str, str, str | None], Tracer] = {}

    def get_tracer(
        self,
        instrumenting_module_name: str,
        instrumenting_library_version: str | None = None,
        schema_url: str | None = None,
        attributes: Attributes = None,  # noqa: ARG002 - of the scope; OTLP has room for them, no reader looks
    ) -> "Tracer":
        key = (instrumenting_module_name or "", instrumenting_library_version or "", schema_url)
        return self._tracers.setdefault(key, Tracer(self, *key))

    def tracers(self) -> "list[Tracer]":
        """Those that were asked for so far."""
        return list(self._tracers.values())

    def add_span_processor(self, span_processor: Any) -> None:
        """A processor of the SDK's kind, beside the agent's own exporter."""
        self.processors += (span_processor,)
        self.is_plain = False

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        flushed = [processor.force_flush(timeout_millis) for processor in self.processors]
        return self.exporter.flush(timeout_millis / 1000) and False not in flushed

    def shutdown(self) -> None:
        for processor in self.processors:
            processor.shutdown()

    @property
    def resource(self) -> Any:
        from opentelemetry.sdk.resources import Resource

        return Resource(dict(self.exporter.resource()))

    def begun(self, span: Span, parent_context: Context | None) -> None:
        for processor in self.processors:
            with guard("a span processor"):
                processor.on_start(span, parent_context=parent_context)

    def ended(self, span: Span) -> None:
        if swallowed.WATCH.pending:
            swallowed.complete(span)
        if span.flags & _SAMPLED:
            self.exporter.add_span(span)
        if self.processors:
            readable = span.readable()
            for processor in self.processors:
                with guard("a span processor"):
                    processor.on_end(readable)


class Tracer(trace.Tracer):
    def __init__(self, provider: Provider, name: str, version: str, schema_url: str | None) -> None:
        self.provider = provider
        self.scope_name = name
        self.scope_version = version
        self.schema_url = schema_url
        # Kept by the encoder.
        self.encoded_scope: bytes | None = None

    def start_span(
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
    ) -> trace.Span:
        parent = (contexts.current() if context is None else context).get(SPAN_KEY)
        provider = self.provider
        if provider.sampler is None and type(parent) is Span:
            # Below a span of this process: nothing is to be decided or checked.
            span_id = provider.id_generator.bits(64) or 1
            span = Span(self, name, kind, parent.trace_id, span_id, parent.flags | _SAMPLED)
            span.parent_id, span.trace_state = parent.span_id, parent.trace_state
        elif provider.sampler is None and parent is None:
            bits = provider.id_generator.bits
            span = Span(self, name, kind, bits(128) or 1, bits(64) or 1, _SAMPLED)
        else:
            entered = self._entered(parent, name, kind)
            if type(entered) is not Span:
                return entered
            span = entered
        if type(attributes) is Shared and provider.shares:
            span.shared = (attributes,)
        elif attributes:
            span.set_attributes(attributes)
        if links:
            for link in links:
                span.add_link(link.context, link.attributes)
        if not (record_exception and set_status_on_exception):
            span.on_exit(records=record_exception, sets_status=set_status_on_exception)
        span.start_time = time_ns() if start_time is None else start_time
        if provider.processors:
            provider.begun(span, context)
        return span

    def start_child(self, parent: Span, name: str, kind: SpanKind, attributes: Shared) -> trace.Span:
        """As `start_span` below this parent; for the agent's hooks, which start many."""
        provider = self.provider
        if provider.sampler is not None or provider.processors or not provider.shares:
            return self.start_span(name, None, kind, attributes)
        span_id = provider.id_generator.bits(64) or 1
        span = Span(self, name, kind, parent.trace_id, span_id, parent.flags | _SAMPLED)
        span.parent_id, span.trace_state, span.shared = parent.span_id, parent.trace_state, (attributes,)
        span.start_time = time_ns()
        return span

    def start_as_current_span(  # type: ignore[override]  # a context manager and decorator, as the API's is
        self,
        name: str,
        context: Context | None = None,
        kind: SpanKind = SpanKind.INTERNAL,
        attributes: Attributes = None,
        links: Sequence[Link] | None = None,
        start_time: int | None = None,
        record_exception: bool = True,
        set_status_on_exception: bool = True,
        end_on_exit: bool = True,
    ) -> "CurrentSpan":
        arguments = {
            "name": name,
            "context": context,
            "kind": kind,
            "attributes": attributes,
            "links": links,
            "start_time": start_time,
            "record_exception": record_exception,
            "set_status_on_exception": set_status_on_exception,
        }
        return CurrentSpan(self, arguments, end_on_exit)

    def _entered(self, parent: object, name: str, kind: SpanKind) -> trace.Span:
        context = parent.get_span_context() if isinstance(parent, trace.Span) else None
        return self._decided(context if context is not None and context.is_valid else None, name, kind)

    def _decided(self, parent: SpanContext | None, name: str, kind: SpanKind) -> trace.Span:
        provider = self.provider
        trace_id = parent.trace_id if parent is not None else provider.id_generator.generate_trace_id()
        span_id = provider.id_generator.generate_span_id()
        flags = _SAMPLED | (parent.trace_flags & _RANDOM if parent is not None else 0)
        if provider.sampler is not None and not provider.sampler(parent, trace_id):
            state = parent.trace_state if parent is not None else None
            return NonRecordingSpan(SpanContext(trace_id, span_id, False, TraceFlags(flags & _RANDOM), state))
        span = Span(self, name, kind, trace_id, span_id, flags)
        if parent is not None:
            span.parent_id, span.parent_is_remote = parent.span_id, parent.is_remote
            span.trace_state = parent.trace_state or None
        return span


class CurrentSpan:
    """`with tracer.start_as_current_span(…)`, or the same as a decorator of a function, asynchronous or not."""

    __slots__ = ("_arguments", "_ends", "_span", "_token", "_tracer")

    def __init__(self, tracer: Tracer, arguments: Mapping[str, Any], ends: bool) -> None:
        self._tracer = tracer
        self._arguments = arguments
        self._ends = ends

    def __enter__(self) -> trace.Span:
        self._span = self._tracer.start_span(**self._arguments)
        self._token = context_api.attach(context_api.set_value(SPAN_KEY, self._span))
        return self._span

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        context_api.detach(self._token)
        span = self._span
        if isinstance(error, Exception) and span.is_recording():
            if self._arguments["record_exception"]:
                span.record_exception(error)
            if self._arguments["set_status_on_exception"]:
                span.set_status(Status(StatusCode.ERROR, f"{type(error).__name__}: {error}"))
        if self._ends:
            span.end()

    def __call__(self, function: Callable[..., Any]) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(function):

            @wraps(function)
            async def observed_async(*args: Any, **kwargs: Any) -> Any:
                with CurrentSpan(self._tracer, self._arguments, self._ends):
                    return await function(*args, **kwargs)

            return observed_async

        @wraps(function)
        def observed(*args: Any, **kwargs: Any) -> Any:
            with CurrentSpan(self._tracer, self._arguments, self._ends):
                return function(*args, **kwargs)

        return observed
