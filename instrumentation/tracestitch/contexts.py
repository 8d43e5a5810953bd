"""OpenTelemetry's current context, asked for without the calls that its API puts around one variable."""

from collections.abc import Callable
from contextvars import ContextVar, Token

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace.propagation import _SPAN_KEY

# OpenTelemetry's own, which the agent shares with the app, until the app brings a tracer provider: see apart.py.
SHARED_KEY = _SPAN_KEY
_KEY_APART = "tracestitch-span"
# Where the agent's current span stands. It changes, so read it as `contexts.SPAN_KEY`.
SPAN_KEY = SHARED_KEY


def _variable() -> ContextVar[Context] | None:
    """None where OTEL_PYTHON_CONTEXT puts another store in its place."""
    found = getattr(getattr(context, "_RUNTIME_CONTEXT", None), "_current_context", None)
    return found if isinstance(found, ContextVar) else None


_CURRENT = _variable()
current: Callable[[], Context] = _CURRENT.get if _CURRENT is not None else context.get_current
attach: Callable[[Context], Token[Context]] = _CURRENT.set if _CURRENT is not None else context.attach
detach: Callable[[Token[Context]], None] = context.detach


def stand_apart() -> None:
    """From now on the app does not see the agent's spans, nor the agent the app's."""
    global SPAN_KEY
    SPAN_KEY = _KEY_APART


def with_span(span: object, base: Context | None = None) -> Context:
    """As `trace.set_span_in_context`, for a span of the agent's."""
    return Context({**(current() if base is None else base), SPAN_KEY: span})
