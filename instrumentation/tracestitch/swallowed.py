"""Failures that user code caught and told nobody about: only those of calls that left the process, since catching
a KeyError is ordinary.

A failed call leaves a mark on its exception. With `sys.monitoring` (Python 3.12) each `except` that the exception
reaches, of the user or of a library, takes the mark over; whoever holds it when the span ends is where the exception
came to rest. Without it `resting` tells so by where the exception dies.
"""

import sys
import time
from collections.abc import Iterator, Mapping
from logging import WARNING, LogRecord
from types import CodeType, FrameType
from typing import Any

from opentelemetry.util.types import AttributeValue

from tracestitch import clauses, contexts, frames, resting, scrub
from tracestitch.safety import guard
from tracestitch.spans import Span, SpanEvent

EVENT = "tracestitch.exception.swallowed"
TOLD_EVENT = "tracestitch.exception.told"
LONGEST_MESSAGE = 1_000
MOST_SPANS = 10_000
MOST_PER_SPAN = 20
_KEY = "_tracestitch_failed_call"
_DEEPEST_CHAIN = 5
_WATCHING = guard("watching for swallowed errors")


class Mark:
    """One failed call: where its exception rests, and whether anybody was told."""

    __slots__ = ("caught_at", "caught_ns", "error", "frame_code", "frame_id", "rest", "told")

    def __init__(self, rest: resting.Rest | None = None) -> None:
        self.error: tuple[str, str] = ("", "")
        self.rest = rest
        self.caught_at: frames.CodeLocation | None = None
        self.caught_ns = 0
        self.frame_id = 0
        self.frame_code: CodeType | None = None
        self.told = False

    def __reduce__(self) -> tuple[Any, ...]:
        # It hangs on the user's exceptions, which may be pickled or copied: it stays behind.
        return type(None), ()


class Watch:
    """The marks of the spans that still run, and the monitoring callback that moves them."""

    def __init__(self) -> None:
        self.pending: dict[int, list[Mark]] = {}
        self.active = False
        self._tried = False

    def start(self) -> None:
        """Begins with the first failed call, so that an app without failures pays nothing."""
        monitoring = getattr(sys, "monitoring", None)
        if monitoring is None or self._tried:
            return
        self._tried = True
        # Of the six, 0, 1, 2 and 5 are set aside for debuggers, coverage, profilers and optimisers.
        for tool in (4, 3):
            if monitoring.get_tool(tool) is None:
                monitoring.use_tool_id(tool, "tracestitch")
                monitoring.register_callback(tool, monitoring.events.EXCEPTION_HANDLED, self.handled)
                monitoring.set_events(tool, monitoring.events.EXCEPTION_HANDLED)
                self.active = True
                return

    def handled(self, code: CodeType, offset: int, error: BaseException) -> None:
        if not self.pending:  # asked at every `except` of the app: nothing here can fail
            return
        with _WATCHING:
            mark = _mark_of(error)
            if mark is not None:
                self._take_over(mark, code, offset, error, sys._getframe(1))

    def _take_over(
        self, mark: Mark, code: CodeType, offset: int, error: BaseException, frame: FrameType
    ) -> None:
        if mark.frame_code is not None and _holds(frame, mark, direct=error.__dict__.get(_KEY) is mark):
            return
        mark.frame_id, mark.frame_code = id(frame), code
        mark.error = (frames.type_name(type(error)), str(error)[:LONGEST_MESSAGE])
        mark.caught_ns = time.time_ns()
        if frames.is_user_code(code):
            clause = next((one for one in clauses.clauses(code, offset) if one.takes(type(error))), None)
            mark.told = mark.told or (clause is not None and clause.tells)
            line = clause.line if clause is not None else clauses.first_line(code, offset)
            function = frames.frame_location(frame).function
            mark.caught_at = frames.file_location(code.co_filename, line, function)
        else:
            mark.caught_at = None


# One interpreter has one monitoring, so its watch has one home.
WATCH = Watch()


def mark(*failures: object) -> None:
    """Follow these exceptions of one call, or the answer that an exception may carry, until the current span ends."""
    WATCH.start()
    span = _current()
    carriers = [failure for failure in failures if hasattr(failure, "__dict__")]
    if not carriers or span is None or not span.is_recording() or len(WATCH.pending) >= MOST_SPANS:
        return
    span_id = span.span_id
    marks = WATCH.pending.setdefault(span_id, [])
    if len(marks) < MOST_PER_SPAN:
        if WATCH.active:
            for failure in carriers:
                new = Mark()
                marks.append(new)
                vars(failure)[_KEY] = new
        else:
            marks.append(_watch_its_end(carriers))
    if not span.is_recording():  # another thread has ended it meanwhile, and will not ask again
        WATCH.pending.pop(span_id, None)


def _watch_its_end(carriers: list[object]) -> Mark:
    first = carriers[-1]
    kind = type(first) if isinstance(first, BaseException) else None
    new = Mark(resting.Rest(sys._getframe(2), kind))
    if kind is not None:
        new.error = (frames.type_name(kind), str(first)[:LONGEST_MESSAGE])
    for failure in carriers:
        vars(failure)[_KEY] = resting.Tether(new, new.rest)
    return new


def logged(record: LogRecord) -> None:
    """Somebody was told: by a record with the exception, inside the `except`, or later in the same function."""
    if not WATCH.pending:
        return
    with _WATCHING:
        for error in _errors_of(record):
            found = _mark_of(error)
            if found is not None:
                found.told = True
        if record.levelno >= WARNING:
            _tell_function(record)


def complete(span: Span) -> None:
    """Adds to a span that has just ended what was swallowed while it was current."""
    if not WATCH.pending:
        return
    with _WATCHING:
        for one in WATCH.pending.pop(span.span_id, ()):
            if one.rest is not None:
                _settle(one, one.rest, span)
            # Only now is it known that nobody was told.
            if one.told:
                span.add_late_event(SpanEvent(TOLD_EVENT, {"exception.type": one.error[0]}, time.time_ns()))
            elif one.caught_at is not None:
                span.add_late_event(_event(one, one.caught_at))


def _settle(mark: Mark, rest: resting.Rest, span: Span) -> None:
    found = rest.found()
    if found is None or (not rest.is_certain and any(event.name == "exception" for event in span.events)):
        return
    clause, mark.caught_at = found
    mark.caught_ns = rest.ended_ns or time.time_ns()
    mark.told = mark.told or clause.tells
    if not mark.error[0]:  # an answer, of which an exception was made: which one, the `except` says
        mark.error = (next(iter(sorted(clause.tests, key=len)[-1:]), "Exception"), "")


def _event(mark: Mark, caught_at: frames.CodeLocation) -> SpanEvent:
    attributes: dict[str, AttributeValue] = {
        "exception.type": mark.error[0],
        "exception.message": scrub.scrub_text(mark.error[1]),
        **frames.location_attributes(caught_at),
    }
    return SpanEvent(EVENT, attributes, mark.caught_ns)


def _current() -> Span | None:
    span = contexts.current().get(contexts.SPAN_KEY)
    return span if type(span) is Span else None


def _tell_function(record: LogRecord) -> None:
    span = _current()
    marks = WATCH.pending.get(span.span_id, ()) if span is not None else ()
    for one in marks:
        code = one.frame_code
        if one.rest is not None:
            one.told = one.told or one.rest.passes(record.funcName, record.pathname)
        elif code is not None and (code.co_name, code.co_filename) == (record.funcName, record.pathname):
            one.told = True


def _errors_of(record: LogRecord) -> Iterator[BaseException]:
    handling = sys.exception()
    if handling is not None:
        yield handling
    if record.exc_info and record.exc_info[1] is not None:
        yield record.exc_info[1]
    arguments = record.args.values() if isinstance(record.args, Mapping) else record.args or ()
    yield from (argument for argument in arguments if isinstance(argument, BaseException))


def _mark_of(error: BaseException) -> Mark | None:
    """The mark on the exception, on the answer it carries, or on what it was raised from."""
    following: BaseException | None = error
    for _ in range(_DEEPEST_CHAIN):
        if following is None:
            return None
        found = following.__dict__.get(_KEY)
        if found is None:
            answer = following.__dict__.get("response")
            found = getattr(answer, "__dict__", {}).get(_KEY)
        if isinstance(found, Mark):
            return found
        if isinstance(found, resting.Tether):
            return found.mark if isinstance(found.mark, Mark) else None
        following = following.__cause__ or following.__context__
    return None


def _holds(frame: FrameType, mark: Mark, *, direct: bool) -> bool:
    """Whether the `except` that holds the mark is still at work: then this is an error of its own making, handled
    inside it. The same exception reaching an outer `except` of the same function is no such error."""
    outer: FrameType | None = frame.f_back if direct else frame
    while outer is not None:
        if id(outer) == mark.frame_id and outer.f_code is mark.frame_code:
            return True
        outer = outer.f_back
    return False
