"""Beside an app that brings an OpenTelemetry tracer provider of its own, or another agent that does: its spans go
where they go without the agent, with the same parents, and the agent's make a tree of their own.

Until the app sets a provider, the agent's is the one behind OpenTelemetry's API.
"""

from collections.abc import Callable, MutableMapping
from typing import Any

from opentelemetry import propagate, trace
from opentelemetry.util._once import Once

from tracestitch import contexts
from tracestitch.encode import SCOPE_NAME
from tracestitch.provider import Provider, Tracer
from tracestitch.safety import guard


class _Place:
    """The agent's provider in this process."""

    def __init__(self) -> None:
        self.provider: Provider | None = None


_PLACE = _Place()


def provider_of_the_agent() -> trace.TracerProvider:
    return _PLACE.provider or trace.get_tracer_provider()


def become_global(provider: Provider) -> None:
    """Behind the API, and yet the app's first `set_tracer_provider` does what it does without the agent."""
    _PLACE.provider = provider
    once = getattr(trace, "_TRACER_PROVIDER_SET_ONCE", None)
    if not isinstance(once, Once) or not hasattr(once, "_done"):
        trace.set_tracer_provider(provider)
    elif once._done:  # the app was first
        contexts.stand_apart()
    else:
        vars(trace).update(_TRACER_PROVIDER=provider, _TRACER_PROVIDER_SET_ONCE=_FirstOfTheApp(provider))


class _FirstOfTheApp(Once):
    """Sees the app's provider come."""

    def __init__(self, provider: Provider) -> None:
        super().__init__()
        self._provider = provider

    def do_once(self, func: Callable[[], None]) -> bool:
        is_first = super().do_once(func)
        if is_first:
            with guard("making room for the app's tracer provider"):
                _make_room(self._provider)
        return is_first


def _make_room(provider: Provider) -> None:
    of_the_app = trace.get_tracer_provider()
    if of_the_app is provider:
        return
    contexts.stand_apart()
    for tracer in provider.tracers():
        if tracer.scope_name != SCOPE_NAME:
            _hand_on(tracer, of_the_app)


def _hand_on(tracer: Tracer, of_the_app: trace.TracerProvider) -> None:
    """A tracer that a module of the app asked for at its import, before the app set its provider."""
    name, version, schema_url = tracer.scope_name, tracer.scope_version, tracer.schema_url
    successor = of_the_app.get_tracer(name, version or None, schema_url=schema_url)
    vars(tracer).update(
        start_span=successor.start_span, start_as_current_span=successor.start_as_current_span
    )


def inject(headers: MutableMapping[str, Any]) -> None:
    """The trace headers of a call; those of the app's own OpenTelemetry stay."""
    if not contexts.is_apart() or not any(str(name).lower() == "traceparent" for name in headers):
        propagate.inject(headers, contexts.current())
