"""The span of a COMMIT or ROLLBACK, whatever library sends it: it says how long the transaction was open and what
was done within it. One span tells a whole transaction, since the statements lie where they were asked."""

from collections.abc import Callable, Mapping
from time import time_ns
from typing import Any

from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue

from tracestitch import calls, frames, tracebacks
from tracestitch.frames import CodeLocation
from tracestitch.safety import guard
from tracestitch.tracebacks import UNSEEN
from tracestitch.tracing import current_span, tracer
from tracestitch.transactions import Transaction

_ENDING = guard("ending a transaction")


def ending(
    name: str,
    transaction: Transaction,
    database: Mapping[str, AttributeValue],
    location: CodeLocation | None,
    end: Callable[[], Any],
) -> Any:
    """Calls `end` inside the span; outside of any request, or where nothing was asked, without one."""
    span = None
    with _ENDING:
        if transaction.statements and current_span().is_recording():
            span = _started(name, database, location)
    if span is None:
        with UNSEEN:
            return end()
    try:
        result = end()
    except BaseException as error:
        with _ENDING:
            calls.fail(span, error)
            _told(span, transaction)
            tracebacks.hide_own_frames(error)
        raise
    with _ENDING:
        _told(span, transaction)
    return result


def _started(name: str, database: Mapping[str, AttributeValue], location: CodeLocation | None) -> Span:
    attributes = {**database, "db.query.summary": name, "db.operation.name": name}
    if location is not None:
        attributes.update(frames.location_attributes(location))
    return tracer().start_span(name, None, SpanKind.CLIENT, attributes)


def _told(span: Span, transaction: Transaction) -> None:
    now_ns = time_ns()
    span.set_attributes(transaction.attributes(now_ns))
    span.end(now_ns)
