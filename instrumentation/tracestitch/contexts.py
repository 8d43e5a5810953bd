"""OpenTelemetry's current context, asked for without the calls that its API puts around one variable; or one of the
agent's own, where the app's OpenTelemetry and the agent must not see each other's spans (see apart.py)."""

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
_APART: ContextVar[Context] = ContextVar("tracestitch_context", default=Context())  # noqa: B039 - it cannot be changed
# They change in `stand_apart`: always call them as `contexts.current()`.
current: Callable[[], Context] = _CURRENT.get if _CURRENT is not None else context.get_current
attach: Callable[[Context], Token[Context]] = _CURRENT.set if _CURRENT is not None else context.attach


def _detach(token: Token[Context]) -> None:
    """Of whichever variable it is: the app may have set its provider inside the block that ends here."""
    try:
        token.var.reset(token)
    except ValueError:
        pass  # a generator that was closed in another context


detach: Callable[[Token[Context]], None] = _detach if _CURRENT is not None else context.detach
# Of the app's OpenTelemetry, in any case.
current_of_app = current


def stand_apart() -> None:
    """From now on the app does not see the agent's spans, nor the agent the app's."""
    global current, attach, detach
    current, attach, detach = _APART.get, _APART.set, _detach


def is_apart() -> bool:
    return attach == _APART.set


def with_span(span: object, base: Context | None = None) -> Context:
    """As `trace.set_span_in_context`, for a span of the agent's."""
    return Context({**(current() if base is None else base), SPAN_KEY: span})
