"""Commands of the user's own (`manage.py report`, `flask report`): one span each, so that their statements, calls and
log records stand in one trace. Those of libraries (migrate, runserver, shell) are left alone."""

import threading
from collections.abc import Callable
from contextvars import Token
from types import ModuleType, TracebackType
from typing import Any

from opentelemetry.context import Context
from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue

from tracestitch import calls, contexts, frames, tracebacks
from tracestitch.exceptions import record_exception
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.tracebacks import UNSEEN
from tracestitch.tracing import tracer

# A command that serves for ever would be one trace for ever.
LONGEST_SECONDS = 600.0
_COMMAND = guard("observing a command")


def patch_django(module: ModuleType) -> None:
    from tracestitch.django import introduce

    def observed(original: Any) -> Callable[..., Any]:
        def execute(self: Any, *args: Any, **options: Any) -> Any:
            running = None
            with _COMMAND:
                introduce()
                name = type(self).__module__.rpartition(".")[2]
                running = Running.of(f"manage.py {name}", type(self).handle)
            if running is None:
                with UNSEEN:
                    return original(self, *args, **options)
            with running:
                return original(self, *args, **options)

        return execute

    replace(module.BaseCommand, "execute", observed)


def patch_flask(module: ModuleType) -> None:
    from click import core

    def observed(original: Any) -> Callable[..., Any]:
        def invoke(self: Any, ctx: Any) -> Any:
            running = None
            with _COMMAND:
                if self.callback is not None and ctx.find_object(module.ScriptInfo) is not None:
                    running = Running.of(f"flask {ctx.info_name}", self.callback)
            if running is None:
                with UNSEEN:
                    return original(self, ctx)
            with running:
                return original(self, ctx)

        return invoke

    replace(core.Command, "invoke", observed)


class Running:
    """A command at work: what is done inside stands beneath its span, for as long as a trace may last."""

    def __init__(self, span: Span) -> None:
        self._span = span
        self._token: Token[Context] | None = None
        self._clock = threading.Timer(LONGEST_SECONDS, self._end_early)
        self._clock.daemon = True

    @classmethod
    def of(cls, name: str, function: Any) -> "Running | None":
        """None where it is not the user's own, or is itself called within a request, task or command."""
        own = frames.underlying_function(function)
        if own is None or not frames.is_user_code(own.__code__) or calls.in_trace() or calls.suppressed():
            return None
        attributes: dict[str, AttributeValue] = {"tracestitch.command": name}
        location = frames.function_location(own)
        if location is not None:
            attributes.update(frames.location_attributes(location))
        return cls(tracer().start_span(name, kind=SpanKind.INTERNAL, attributes=attributes))

    def __enter__(self) -> None:
        with _COMMAND:
            self._token = contexts.attach(contexts.with_span(self._span))
            self._clock.start()

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        with _COMMAND:
            self._clock.cancel()
            if self._token is not None:
                contexts.detach(self._token)
        with _COMMAND:
            if error is not None and not _is_success(error):
                record_exception(self._span, error, handled=False)
                calls.note_failure(self._span, error)
            self._span.end()
            tracebacks.hide_own_frames(error)

    def _end_early(self) -> None:
        with _COMMAND:
            self._span.set_attribute("tracestitch.command.cut_after_s", LONGEST_SECONDS)
            self._span.end()


def _is_success(error: BaseException) -> bool:
    """Of the ways to leave a command: `sys.exit(0)`, click's own exit with 0."""
    if isinstance(error, SystemExit):
        return error.code in (None, 0)
    return type(error).__name__ == "Exit" and getattr(error, "exit_code", 1) == 0
