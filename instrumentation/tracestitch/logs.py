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

from opentelemetry import trace

from tracestitch import export, frames, swallowed
from tracestitch.encode import LogEntry
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.scrub import MAX_TEXT, REDACTED, is_secret_key, scrub_text

# Ours and OpenTelemetry's would feed on themselves; Django's logger of statements holds their values.
_LEFT_OUT = frozenset({"tracestitch", "opentelemetry", "django.db.backends"})
_LONGEST_ARGUMENT = 256
_MAX_ARGUMENTS = 20
_COLOURS = re.compile(r"\x1b\[[0-9;]{0,16}m")
_SIMPLE = (int, float, bool, type(None))


def install() -> None:
    replace(logging.Logger, "callHandlers", _observed)


def _observed(original: Callable[[logging.Logger, logging.LogRecord], None]) -> Callable[..., None]:
    def callHandlers(self: logging.Logger, record: logging.LogRecord) -> None:  # noqa: N802
        name = record.name
        if name not in _LEFT_OUT and not name.startswith(("opentelemetry.", "tracestitch.")):
            with guard("reading a log record"):
                swallowed.logged(record)
                _capture(record)
        original(self, record)

    return callHandlers


def _capture(record: logging.LogRecord) -> None:
    body, rendered = _render(record)
    template = str(record.msg)[:MAX_TEXT] if record.args else body
    attributes: dict[str, Any] = {"tracestitch.log.template": template}
    if record.args:
        attributes["tracestitch.log.arguments"] = _arguments(record.args, rendered, body)
    attributes.update(_location(record))
    if record.threadName:
        attributes["thread.name"] = record.threadName
    if record.exc_info and record.exc_info[1] is not None:
        attributes.update(_exception(record.exc_info[1], record.exc_info[2]))
    context = trace.get_current_span().get_span_context()
    entry = LogEntry(
        time_ns=int(record.created * 1e9),
        severity_number=severity_number(record.levelno),
        severity_text=record.levelname,
        scope=record.name,
        body=body,
        attributes=attributes,
        trace_id=context.trace_id,
        span_id=context.span_id,
        trace_flags=int(context.trace_flags),
    )
    export.emit_log(entry, 600 + 2 * len(body))


def _render(record: logging.LogRecord) -> tuple[str, str]:
    """(scrubbed, as it was); a message that cannot be rendered is the app's mistake and is told by `logging`."""
    try:
        rendered = record.getMessage()
    except Exception:
        rendered = str(record.msg)
    rendered = rendered[: 2 * MAX_TEXT]
    if "\x1b" in rendered:
        rendered = _COLOURS.sub("", rendered)
    return scrub_text(rendered), rendered


def severity_number(level: int) -> int:
    """OTLP's number for a level of `logging`, whose levels may lie anywhere between the named ones."""
    if level >= 50:
        return 21
    if level >= 10:
        return {1: 5, 2: 9, 3: 13, 4: 17}[level // 10] + min((level % 10) // 3, 3)
    return 1


def _arguments(arguments: Any, rendered: str, body: str) -> list[str]:
    items = arguments.items() if isinstance(arguments, Mapping) else [("", value) for value in arguments]
    return [_argument(key, value, rendered, body) for key, value in list(items)[:_MAX_ARGUMENTS]]


def _argument(key: Any, value: Any, rendered: str, body: str) -> str:
    """Bounded, and without running code of the app: the repr of a queryset would go to the database."""
    if isinstance(key, str) and key and is_secret_key(key):
        return REDACTED
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


def _location(record: logging.LogRecord) -> Mapping[str, Any]:
    """The line that logged; for a library's record the line of the user's code that led there, if one did."""
    led_here = frames.user_frame(3)
    if led_here is not None and (
        not frames.is_user_file(record.pathname)
        or (led_here.line == record.lineno and led_here.file == record.pathname)  # with its qualified name
    ):
        return frames.location_attributes(led_here)
    place = frames.file_location(record.pathname, record.lineno, record.funcName or "")
    return frames.location_attributes(place)


def _exception(error: BaseException, trace_back: TracebackType | None) -> dict[str, str]:
    return {
        "exception.type": frames.type_name(type(error)),
        "exception.message": scrub_text(str(error)),
        "exception.stacktrace": "".join(traceback.format_exception(type(error), error, trace_back))[
            -MAX_TEXT:
        ],
        "tracestitch.exception.frames": frames.exception_frames(error),
    }
