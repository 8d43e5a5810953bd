"""The one seam to tracing: everything else speaks the OpenTelemetry API through `tracer()` and `current_span()`."""

from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType

from opentelemetry import trace
from opentelemetry.trace import INVALID_SPAN, SpanKind

from tracestitch import __version__, apart, contexts
from tracestitch.attributes import Shared, limits_of
from tracestitch.encode import SCOPE_NAME
from tracestitch.exporter import Exporter
from tracestitch.patching import on_import
from tracestitch.provider import Provider, Tracer
from tracestitch.sampling import sampler_of
from tracestitch.spans import Span


@lru_cache(maxsize=1)
def tracer() -> trace.Tracer:
    """The agent's own, whatever provider the app sets; found at the first call, which comes after the start."""
    return apart.provider_of_the_agent().get_tracer(SCOPE_NAME, __version__)


def child(parent: Span | None, name: str, kind: SpanKind, attributes: Shared) -> trace.Span:
    """A span below this one of ours, or else below whatever is current; it is started, and not current."""
    own = tracer()
    if parent is not None and type(own) is Tracer:
        return own.start_child(parent, name, kind, attributes)
    return own.start_span(name, None, kind, attributes)


def current_span() -> trace.Span:
    """As `trace.get_current_span()`, without its detours for a span of ours."""
    span = contexts.current().get(contexts.SPAN_KEY)
    if type(span) is Span:
        return span
    return span if isinstance(span, trace.Span) else INVALID_SPAN


def build_provider(exporter: Exporter, environ: Mapping[str, str]) -> Provider:
    """Everything is recorded unless OTEL_TRACES_SAMPLER says otherwise."""
    on_import("opentelemetry.sdk.trace", _pass_for_the_sdk)
    return Provider(exporter, limits_of(environ), sampler_of(environ))


def _pass_for_the_sdk(sdk: ModuleType) -> None:
    """Programs that use the SDK themselves ask `isinstance(provider, TracerProvider)` before they add to it."""
    sdk.TracerProvider.register(Provider)
    sdk.Tracer.register(Tracer)
    sdk.Span.register(Span)
