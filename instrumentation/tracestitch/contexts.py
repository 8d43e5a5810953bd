"""OpenTelemetry's current context, asked for without the calls that its API puts around one variable."""

from collections.abc import Callable
from contextvars import ContextVar, Token

from opentelemetry import context
from opentelemetry.context import Context
from opentelemetry.trace.propagation import _SPAN_KEY

SPAN_KEY = _SPAN_KEY


def _variable() -> ContextVar[Context] | None:
    """None where OTEL_PYTHON_CONTEXT puts another store in its place."""
    found = getattr(getattr(context, "_RUNTIME_CONTEXT", None), "_current_context", None)
    return found if isinstance(found, ContextVar) else None


_CURRENT = _variable()
current: Callable[[], Context] = _CURRENT.get if _CURRENT is not None else context.get_current
attach: Callable[[Context], Token[Context]] = _CURRENT.set if _CURRENT is not None else context.attach
detach: Callable[[Token[Context]], None] = context.detach
