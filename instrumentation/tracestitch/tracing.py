"""The one seam to the tracing SDK: everything else speaks the OpenTelemetry API through `tracer()`."""

import os
import threading
from collections.abc import Mapping
from functools import lru_cache
from random import Random

from opentelemetry import trace
from opentelemetry.context import Context
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, Span, SpanLimits, SpanProcessor, TracerProvider
from opentelemetry.sdk.trace.id_generator import IdGenerator
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from tracestitch import __version__, swallowed
from tracestitch.exporter import Exporter
from tracestitch.scrub import MAX_TEXT

SCOPE_NAME = "tracestitch"


@lru_cache(maxsize=1)
def tracer() -> trace.Tracer:
    return trace.get_tracer(SCOPE_NAME, __version__)


def build_provider(exporter: Exporter, environ: Mapping[str, str]) -> TracerProvider:
    """OpenTelemetry's own provider; everything is recorded unless OTEL_TRACES_SAMPLER says otherwise."""
    names = ("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT")
    limited = any(environ.get(name) for name in names)
    provider = _Provider(
        sampler=None if environ.get("OTEL_TRACES_SAMPLER") else ALWAYS_ON,
        resource=Resource({}),  # the exporter adds the resource once per request, not once per span
        shutdown_on_exit=False,
        id_generator=SystemIdGenerator(),
        span_limits=SpanLimits() if limited else SpanLimits(max_span_attribute_length=MAX_TEXT),
    )
    provider.add_span_processor(EnqueueProcessor(exporter))
    return provider


class _Provider(TracerProvider):
    def _handle_fork(self) -> None:
        """The SDK detects the resource again with a pool of threads inside the fork, which may hang the child;
        this provider's resource is empty, so that only the lock is made anew."""
        self._tracers_lock = threading.Lock()


class EnqueueProcessor(SpanProcessor):
    """Hands every finished span to the exporter."""

    def __init__(self, exporter: Exporter) -> None:
        self._exporter = exporter

    def on_start(self, span: Span, parent_context: Context | None = None) -> None:
        pass

    def on_end(self, span: ReadableSpan) -> None:
        swallowed.complete(span)
        self._exporter.add_span(span)

    def shutdown(self) -> None:
        pass

    def force_flush(self, timeout_millis: int = 30_000) -> bool:
        return self._exporter.flush(timeout_millis / 1000)


class SystemIdGenerator(IdGenerator):
    """Random ids of a source of our own: the SDK's come from `random`, which an app may seed, and then traces collide.

    The system seeds it once in each process; asking the system for every id would let another thread take the
    GIL at every span.
    """

    def __init__(self) -> None:
        self._reseed()
        os.register_at_fork(after_in_child=self._reseed)

    def generate_span_id(self) -> int:
        return self._random.getrandbits(64) or 1

    def generate_trace_id(self) -> int:
        return self._random.getrandbits(128) or 1

    def _reseed(self) -> None:
        self._random = Random(os.urandom(32))  # noqa: S311 - ids need to be unique, not secret
