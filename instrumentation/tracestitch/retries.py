"""Attempts at the same call, whoever repeats it: tenacity, backoff or a loop of the user's. After a failure, a call
from the same line to the same place inside the same span is the next attempt.
"""

from collections import OrderedDict

from opentelemetry import trace

from tracestitch.spans import Span

ATTRIBUTE = "tracestitch.retry.attempt"
_MOST_PARENTS, _MOST_CALLS = 1_000, 50
_ALIKE = ("http.request.method", "url.full", "code.file.path", "code.line.number")


class Attempts:
    """What failed inside the spans that still run, or ran lately."""

    def __init__(self) -> None:
        self._failed: OrderedDict[int, dict[tuple[object, ...], int]] = OrderedDict()

    def failed(self, span: trace.Span) -> None:
        if type(span) is not Span or not span.parent_id:
            return
        calls = self._failed.setdefault(span.parent_id, {})
        call = _described(span)
        if call in calls or len(calls) < _MOST_CALLS:
            calls[call] = calls.get(call, 0) + 1
        while len(self._failed) > _MOST_PARENTS:
            self._failed.popitem(last=False)

    def note(self, span: trace.Span) -> None:
        """Call it when a call begins; where nothing failed before it costs one look."""
        if not self._failed or type(span) is not Span:
            return
        calls = self._failed.get(span.parent_id)
        times = calls.get(_described(span), 0) if calls else 0
        if times:
            span.set_attribute(ATTRIBUTE, times + 1)


def _described(span: Span) -> tuple[object, ...]:
    attributes = span.all_attributes()
    return tuple(attributes.get(name) for name in _ALIKE)


# One process has one memory of its failures; keys are ids of spans, which no two have alike.
ATTEMPTS = Attempts()
