"""An outgoing call, whatever library makes it: its span with the line of user code that asked for it, and what a
failure leaves behind on the span and on the exception."""

from collections.abc import Callable, Mapping
from types import FrameType

from opentelemetry import context, trace
from opentelemetry.trace import Span, SpanKind, Status, StatusCode
from opentelemetry.util.types import AttributeValue

from tracestitch import frames, scrub, swallowed, tracing

LONGEST_DESCRIPTION = 1_000
# The keys by which OpenTelemetry's own exporters and libraries ask not to be observed.
_SUPPRESSIONS = ("suppress_instrumentation", "suppress_http_instrumentation")


def suppressed() -> bool:
    return any(context.get_value(key) for key in _SUPPRESSIONS)


def in_trace() -> bool:
    return trace.get_current_span().get_span_context().is_valid


def start(
    name: str,
    kind: SpanKind,
    attributes: Mapping[str, AttributeValue],
    elsewhere: Callable[[], FrameType | None] | None = None,
) -> Span:
    """A started span that is not current yet; the call site is looked up here, so call it in the user's stack.
    `elsewhere` tells where to go on looking when the stack ends before the user's code."""
    location = frames.user_frame()
    if location is None and elsewhere is not None:
        location = _location_beneath(elsewhere())
    complete = dict(attributes)
    if location is not None:
        complete.update(frames.location_attributes(location))
    return tracing.tracer().start_span(name, kind=kind, attributes=complete)


def _location_beneath(frame: FrameType | None) -> frames.CodeLocation | None:
    while frame is not None and not frames.is_user_code(frame.f_code):
        frame = frame.f_back
    return frames.frame_location(frame) if frame is not None else None


def fail(span: Span, exception: BaseException, *errors_seen: BaseException | None) -> None:
    """The call failed; `errors_seen` are further exceptions that the user may catch in its place."""
    note_failure(span, exception)
    for seen in (exception, *errors_seen):
        if seen is not None:
            swallowed.mark(seen)


def note_failure(span: Span, exception: BaseException) -> None:
    span.set_attribute("error.type", frames.type_name(type(exception)))
    description = scrub.scrub_text(f"{type(exception).__name__}: {exception}"[:LONGEST_DESCRIPTION])
    span.set_status(Status(StatusCode.ERROR, description))
