"""Log records, taken where every logger hands them to its handlers: `Logger.callHandlers`.

So dictConfig, `propagate=False` and Celery's hijack of the root logger change nothing, and no handler, filter or
level of the app is touched: what the app itself would emit is sent, and a record below its logger's level is not.
"""

import logging
import re
import traceback
from collections.abc import Callable, Mapping
from types import TracebackType
from typing import Any

from tracestitch import access_lines, export, frames, local_values, swallowed
from tracestitch.attributes import Shared
from tracestitch.encode import LogEntry
from tracestitch.frames import CodeLocation
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.scrub import MAX_TEXT, REDACTED, Scrubbed, is_secret_key, scrub_tail, scrub_text
from tracestitch.secret_paths import SERVED_PATHS
from tracestitch.spans import Span
from tracestitch.tracing import current_span

# Ours and OpenTelemetry's would feed on themselves; Django's logger of statements holds their values.
_LEFT_OUT = frozenset({"tracestitch", "opentelemetry", "django.db.backends"})
_LEFT_OUT_BELOW = ("opentelemetry.", "tracestitch.")
_LONGEST_ARGUMENT = 256
_MAX_ARGUMENTS = 20
_COLOURS = re.compile(r"\x1b\[[0-9;]{0,16}m")
_SIMPLE = (int, float, bool, type(None))
_PLAIN = frozenset({str, int, float, bool, type(None)})
_SHORT_OF_A_CARD = 10**11  # no secret is told by the shape of a number of so few digits
_LONGEST_TEMPLATE = 2 * MAX_TEXT
_MOST_PLACES = 2_000
_SEVERITIES = (1, 5, 9, 13, 17)
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


def plain_entry(
    time_ns: int,
    level: int,
    level_name: str,
    scope: str,
    template: str,
    arguments: tuple[Any, ...] | None,
    location: CodeLocation,
    thread: str | None,
    trace_id: int,
    span_id: int,
    trace_flags: int,
) -> LogEntry:
    """Of a record of texts and numbers alone: these cannot change, so it is written out by the exporter's thread."""
    try:
        message = template % arguments if arguments else template
    except Exception:
        message = template
    body, rendered = _cleaned(message)
    attributes: dict[str, Any] = {}
    if arguments:
        attributes["tracestitch.log.arguments"] = _arguments(arguments, rendered, body)
        shared = _PLACES.said(location, template[:MAX_TEXT])
    else:
        attributes["tracestitch.log.template"] = body
        shared = _PLACES.said(location, None)
    if thread:
        attributes["thread.name"] = thread
    number = severity_number(level)
    ids = (trace_id, span_id, trace_flags)
    return LogEntry(time_ns, number, level_name, scope, body, attributes, *ids, "", shared)


class Places:
    """The lines that log: where they are, and what their records say alike."""

    def __init__(self) -> None:
        self._locations: dict[tuple[str, int, str | None], CodeLocation] = {}
        self._said: dict[tuple[int, str | None], tuple[Shared, CodeLocation]] = {}

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
            if len(self._locations) >= _MOST_PLACES:
                self._locations.clear()
            self._locations[key] = place
        return place

    def said(self, location: CodeLocation, template: str | None) -> Shared:
        key = (id(location), template)
        known = self._said.get(key)
        if known is None:
            attributes = dict(frames.location_attributes(location))
            if template is not None:
                attributes["tracestitch.log.template"] = template
            if len(self._said) >= _MOST_PLACES:
                self._said.clear()
            # The location is kept, so that no other gets its address.
            known = self._said[key] = (Shared(attributes), location)
        return known[0]


_PLACES = Places()


def _capture(record: logging.LogRecord) -> None:
    span, arguments, template = current_span(), record.args, record.msg
    if type(span) is Span:
        trace_id, span_id, flags = span.trace_id, span.span_id, span.flags
    else:
        context = span.get_span_context()
        trace_id, span_id, flags = context.trace_id, context.span_id, int(context.trace_flags)
        if not trace_id and record.name in access_lines.LOGGERS:
            served = access_lines.request_of(_message(record))
            if served is not None:
                trace_id, span_id, flags = served.trace_id, served.span_id, served.flags
    location, time_ns = _PLACES.location(record), int(record.created * 1e9)
    simple = type(template) is str and type(record) is logging.LogRecord and not record.exc_info
    if simple and (not arguments or _are_plain(arguments)):
        if len(template) > _LONGEST_TEMPLATE:
            template = template[:_LONGEST_TEMPLATE]
        plain = (
            plain_entry, time_ns, record.levelno, record.levelname, record.name, template, arguments, location,
            record.threadName, trace_id, span_id, flags,
        )  # fmt: skip
        export.emit_log(plain, 900 + 2 * len(template))
        return
    entry = _written_out(record, location, time_ns)._replace(
        trace_id=trace_id, span_id=span_id, trace_flags=flags
    )
    export.emit_log(entry, 600 + 2 * len(entry.body))


def _are_plain(arguments: Any) -> bool:
    """Immutable, and so small that keeping them costs nothing."""
    if type(arguments) is not tuple:
        return False
    for value in arguments:
        if type(value) not in _PLAIN or (type(value) is str and len(value) > _LONGEST_ARGUMENT):
            return False
    return len(arguments) <= _MAX_ARGUMENTS


def _written_out(record: logging.LogRecord, location: CodeLocation, time_ns: int) -> LogEntry:
    """Now, before the app changes what the record refers to."""
    body, rendered = _cleaned(_message(record))
    template = str(record.msg)[:MAX_TEXT] if record.args else body
    attributes: dict[str, Any] = {"tracestitch.log.template": template}
    if record.args:
        attributes["tracestitch.log.arguments"] = _arguments(_used(record.args, template), rendered, body)
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
        shared=_PLACES.said(location, None),
    )


def _message(record: logging.LogRecord) -> str:
    """A message that cannot be rendered is the app's mistake and is told by `logging`."""
    try:
        return record.getMessage()
    except Exception:
        return str(record.msg)


def _cleaned(rendered: str) -> tuple[str, str]:
    """(scrubbed, as it was)"""
    rendered = rendered[: 2 * MAX_TEXT]
    if "\x1b" in rendered:
        rendered = _COLOURS.sub("", rendered)
    body = scrub_text(rendered)
    if SERVED_PATHS.known and "/" in body:
        body = SERVED_PATHS.cleaned(body)
    return body, rendered


def severity_number(level: int) -> int:
    """OTLP's number for a level of `logging`, whose levels may lie anywhere between the named ones."""
    if level >= 50:
        return 21
    if level >= 10:
        return _SEVERITIES[level // 10] + min((level % 10) // 3, 3)
    return 1


def _used(arguments: Any, template: str) -> Any:
    """Of a mapping what the template names: Celery hands over all that a task was given, and logs its name."""
    if not isinstance(arguments, Mapping):
        return arguments
    return {key: value for key, value in arguments.items() if f"%({key})" in template}


def _arguments(arguments: Any, rendered: str, body: str) -> Scrubbed:
    items = arguments.items() if isinstance(arguments, Mapping) else [("", value) for value in arguments]
    return Scrubbed(
        [_argument(key, value, rendered, body) for key, value in list(items)[:_MAX_ARGUMENTS]],
    )


def _argument(key: Any, value: Any, rendered: str, body: str) -> str:
    """Bounded, and without running code of the app: the repr of a queryset would go to the database."""
    if isinstance(key, str) and key and is_secret_key(key):
        return REDACTED
    if type(value) is int and -_SHORT_OF_A_CARD < value < _SHORT_OF_A_CARD and body == rendered:
        return str(value)
    if isinstance(value, str):
        text = value[: _LONGEST_ARGUMENT * 4]
    elif isinstance(value, _SIMPLE):
        text = str(value)
    elif isinstance(value, BaseException):
        text = f"{type(value).__name__}: {value}"
    else:
        return f"<{type(value).__name__}>"
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
    if body != rendered and text and text in rendered and text not in body:
        return REDACTED  # what scrubbing took out of the message is a secret here too
    return scrub_text(text)[:_LONGEST_ARGUMENT]


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
