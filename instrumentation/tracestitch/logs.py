"""Log records, taken where every logger hands them to its handlers: `Logger.callHandlers`.

So dictConfig, `propagate=False` and Celery's hijack of the root logger change nothing, and no handler, filter or
level of the app is touched: what the app itself would emit is sent, and a record below its logger's level is not.
"""

import logging
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from tracestitch import access_lines, contexts, export, frames, local_values, log_lines, swallowed
from tracestitch.ecs_lines import OUTPUT
from tracestitch.encode import LogEntry
from tracestitch.frames import CodeLocation
from tracestitch.log_lines import (
    LONGEST_ARGUMENT,
    MOST_ARGUMENTS,
    MOST_PLACES,
    PLACES,
    Line,
    cleaned,
    severity_number,
)
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.scrub import MAX_TEXT, scrub_tail, scrub_text
from tracestitch.spans import Span
from tracestitch.tracing import current_span

# Ours and OpenTelemetry's would feed on themselves; Django's logger of statements holds their values.
_LEFT_OUT = frozenset({"tracestitch", "opentelemetry", "django.db.backends"})
_LEFT_OUT_BELOW = ("opentelemetry.", "tracestitch.")
_PLAIN = frozenset({str, int, float, bool, type(None)})
_LONGEST_TEMPLATE = 2 * MAX_TEXT
_READING = guard("reading a log record")


def install() -> None:
    replace(logging.Logger, "callHandlers", _observed)


def _observed(original: Callable[[logging.Logger, logging.LogRecord], None]) -> Callable[..., None]:
    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802
        try:
            name = record.name
            if name not in _LEFT_OUT and not name.startswith(_LEFT_OUT_BELOW):
                if swallowed.WATCH.pending:
                    swallowed.logged(record)
                _capture(record)
        except Exception as error:
            _READING.caught(error)
        original(self, record)

    return callHandlers


class Lines:
    """The lines that log, and where they are."""

    def __init__(self) -> None:
        self._locations: dict[tuple[str, int, str | None], CodeLocation] = {}
        self.known: dict[tuple[str, int, str, int, str | None], Line] = {}

    def location(self, record: logging.LogRecord) -> CodeLocation:
        """The line that logged; for a library's record the line of the user's code that led there, if one did."""
        key = (record.pathname, record.lineno, record.funcName)
        known = self._locations.get(key)
        if known is not None:
            return known
        led_here = frames.user_frame(3)
        of_user = frames.is_user_file(record.pathname)
        if led_here is not None and (
            not of_user or (led_here.line == record.lineno and led_here.file == record.pathname)
        ):
            place = led_here  # with its qualified name
        else:
            place = frames.file_location(*key[:2], record.funcName or "")
        if of_user:
            if len(self._locations) >= MOST_PLACES:
                self._locations.clear()
            self._locations[key] = place
        return place

    def line(self, record: logging.LogRecord, key: tuple[str, int, str, int, str | None]) -> Line:
        location = self.location(record)
        line = Line(location, record.levelno, record.levelname, record.name, record.threadName)
        if frames.is_user_file(record.pathname):  # a library's line is told by who led there
            if len(self.known) >= MOST_PLACES:
                self.known.clear()
            self.known[key] = line
        return line


_LINES = Lines()


def _capture(record: logging.LogRecord) -> None:
    span, arguments, template = contexts.current().get(contexts.SPAN_KEY), record.args, record.msg
    if type(span) is Span:
        trace_id, span_id, flags = span.trace_id, span.span_id, span.flags
    else:
        trace_id, span_id, flags = _ids_of(record)
    time_ns = int(record.created * 1e9)
    if OUTPUT.on:
        _say(record, time_ns, trace_id, span_id)
        if OUTPUT.alone:
            return
    simple = type(template) is str and type(record) is logging.LogRecord and not record.exc_info
    if simple and (not arguments or _are_plain(arguments)):
        if len(template) > _LONGEST_TEMPLATE:
            template = template[:_LONGEST_TEMPLATE]
        key = (record.pathname, record.lineno, record.name, record.levelno, record.threadName)
        line = _LINES.known.get(key) or _LINES.line(record, key)
        values: Any = arguments  # a tuple, or nothing
        plain = (line, time_ns, template, values, trace_id, span_id, flags)
        export.emit_log(plain, 600 + 2 * len(template))
        return
    entry = _written_out(record, _LINES.location(record), time_ns)._replace(
        trace_id=trace_id, span_id=span_id, trace_flags=flags
    )
    export.emit_log(entry, 600 + 2 * len(entry.body))


def _say(record: logging.LogRecord, time_ns: int, trace_id: int, span_id: int) -> None:
    location = _LINES.location(record)
    entry = _written_out(record, location, time_ns)._replace(trace_id=trace_id, span_id=span_id)
    OUTPUT.write(entry, location)


def _ids_of(record: logging.LogRecord) -> tuple[int, int, int]:
    """Where no span of the agent's is current."""
    context = current_span().get_span_context()
    if not context.trace_id and record.name in access_lines.LOGGERS:
        served = access_lines.request_of(_message(record))
        if served is not None:
            return served.trace_id, served.span_id, served.flags
    return context.trace_id, context.span_id, int(context.trace_flags)


def _are_plain(arguments: Any) -> bool:
    """Immutable, and so small that keeping them costs nothing."""
    if type(arguments) is not tuple:
        return False
    for value in arguments:
        if type(value) not in _PLAIN or (type(value) is str and len(value) > LONGEST_ARGUMENT):
            return False
    return len(arguments) <= MOST_ARGUMENTS


def _written_out(record: logging.LogRecord, location: CodeLocation, time_ns: int) -> LogEntry:
    """Now, before the app changes what the record refers to."""
    body, rendered = cleaned(_message(record))
    template = str(record.msg)[:MAX_TEXT] if record.args else body
    attributes: dict[str, Any] = {"tracestitch.log.template": template}
    if record.args:
        attributes["tracestitch.log.arguments"] = log_lines.arguments(
            _used(record.args, template), rendered, body
        )
    if record.threadName:
        attributes["thread.name"] = record.threadName
    if record.exc_info and record.exc_info[1] is not None:
        attributes.update(_exception(record.exc_info[1], record.exc_info[2]))
    return LogEntry(
        time_ns=time_ns,
        severity_number=severity_number(record.levelno),
        severity_text=record.levelname,
        scope=record.name,
        body=body,
        attributes=attributes,
        shared=PLACES.said(location, None),
    )


def _message(record: logging.LogRecord) -> str:
    """A message that cannot be rendered is the app's mistake and is told by `logging`."""
    try:
        return record.getMessage()
    except Exception:
        return str(record.msg)


def _used(arguments: Any, template: str) -> Any:
    """Of a mapping what the template names: Celery hands over all that a task was given, and logs its name."""
    if not isinstance(arguments, Mapping):
        return arguments
    return {key: value for key, value in arguments.items() if f"%({key})" in template}


def _exception(error: BaseException, trace_back: TracebackType | None) -> dict[str, str]:
    told = {
        "exception.type": frames.type_name(type(error)),
        "exception.message": scrub_text(str(error)),
        "exception.stacktrace": scrub_tail(
            "".join(traceback.format_exception(type(error), error, trace_back))
        ),
        "tracestitch.exception.frames": frames.exception_frames(error),
    }
    if local_values.SWITCH.on:
        told["tracestitch.exception.locals"] = local_values.of_exception(error)
    return told
