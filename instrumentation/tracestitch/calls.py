"""An outgoing call, whatever library makes it: its span with the line of user code that asked for it, and what a
failure leaves behind on the span and on the exception."""

import sys
import threading
from collections.abc import Callable, Mapping
from types import FrameType

from opentelemetry import context, trace
from opentelemetry.trace import SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from tracestitch import contexts, frames, scrub, swallowed, tracing
from tracestitch.other_agents import is_sending
from tracestitch.spans import Span

LONGEST_DESCRIPTION = 1_000
# Their keys are made anew in each process; of old they were plain.
_ASKING_NOT_TO = frozenset(
    {
        "suppress_instrumentation",
        "suppress_http_instrumentation",
        getattr(context, "_SUPPRESS_INSTRUMENTATION_KEY", ""),
        getattr(context, "_SUPPRESS_HTTP_INSTRUMENTATION_KEY", ""),
    }
)
# In the context of a thread that works for a request: the line that gave it its work. Where a thread runs a library's
# function, no line of the user's own is in its stack.
GIVEN_AT = context.create_key("tracestitch-given-at")
# The same for this thread whatever the context: asgiref's sync_to_async works in a copy that it made before.
WORKING = threading.local()


def suppressed() -> bool:
    """By the keys with which OpenTelemetry's own exporters and libraries ask not to be observed; and what another
    agent sends in the background is no work of the app's."""
    current = contexts.current_of_app()
    if not _ASKING_NOT_TO.isdisjoint(current) and any(current.get(key) for key in _ASKING_NOT_TO):
        return True
    if type(contexts.current().get(contexts.SPAN_KEY)) is Span:
        return False
    return not in_trace() and is_sending(sys._getframe(1))


def in_trace() -> bool:
    span = contexts.current().get(contexts.SPAN_KEY)
    return type(span) is Span or tracing.current_span().get_span_context().is_valid


def start(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, AttributeValue],
) -> trace.Span:
    """A started span that is not current yet; the call site is looked up here, so call it in the user's stack."""
    site = frames.user_frame() or given_at()
    complete = dict(attributes)
    if site is not None:
        complete.update(frames.location_attributes(site))
    return tracing.tracer().start_span(name, kind=kind, attributes=complete)


def location(elsewhere: Callable[[], FrameType | None]) -> frames.CodeLocation | None:
    """The line of user code that led here; `elsewhere` tells where to go on looking when the stack ends before it."""
    return frames.user_frame() or _location_beneath(elsewhere()) or given_at()


def given_at() -> frames.CodeLocation | None:
    found = contexts.current().get(GIVEN_AT) or getattr(WORKING, "given_at", None)
    return found if isinstance(found, frames.CodeLocation) else None


def _location_beneath(frame: FrameType | None) -> frames.CodeLocation | None:
    while frame is not None and not frames.is_user_code(frame.f_code):
        frame = frame.f_back
    return frames.frame_location(frame) if frame is not None else None


def fail(span: trace.Span, exception: BaseException, *errors_seen: BaseException | None) -> None:
    """The call failed; `errors_seen` are further exceptions that the user may catch in its place."""
    note_failure(span, exception)
    swallowed.mark(*(seen for seen in (exception, *errors_seen) if seen is not None))


def note_failure(span: trace.Span, exception: BaseException) -> None:
    span.set_attribute("error.type", frames.type_name(type(exception)))
    description = scrub.scrub_text(f"{type(exception).__name__}: {exception}"[:LONGEST_DESCRIPTION])
    span.set_status(Status(StatusCode.ERROR, description))
