"""An exception as a span event: type, scrubbed message, structured frames, and whether it was handled."""

import traceback

from opentelemetry.trace import Span
from opentelemetry.util.types import AttributeValue

from tracestitch import local_values
from tracestitch.frames import exception_frames, type_name
from tracestitch.scrub import scrub_tail, scrub_text


def record_exception(span: Span, error: BaseException, *, handled: bool) -> None:
    attributes: dict[str, AttributeValue] = {
        "exception.type": type_name(type(error)),
        "exception.message": scrub_text(str(error)),
        "exception.stacktrace": scrub_tail("".join(traceback.format_exception(error))),
        "tracestitch.exception.frames": exception_frames(error),
        "tracestitch.exception.handled": handled,
    }
    if local_values.SWITCH.on:
        attributes["tracestitch.exception.locals"] = local_values.of_exception(error)
    span.add_event("exception", attributes)
