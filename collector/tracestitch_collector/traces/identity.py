"""Which spans are the same: equal ones that arrived in different requests become one with a count, and
different ones under the same ids are marked.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import fields, replace
from typing import Any

from tracestitch_collector.columns import value_text
from tracestitch_collector.model import Span

NOT_CONTENT = {"received_ns", "copies", "conflicting"}
"""What says how a span arrived, not what it is."""
CONTENT = tuple(field.name for field in fields(Span) if field.name not in NOT_CONTENT)


def merge_copies(spans: Iterable[Span]) -> tuple[Span, ...]:
    """The spans by (start, span id), with equal ones merged into the one that arrived first and all that share
    an id with another content `conflicting`. Spans already merged may be given again."""
    by_id: dict[tuple[str, str], list[Span]] = {}
    for span in spans:
        by_id.setdefault((span.trace_id, span.span_id), []).append(span)
    merged: list[Span] = []
    for same_id in by_id.values():
        merged += same_id if len(same_id) == 1 else _distinct(same_id)
    return tuple(sorted(merged, key=lambda span: (span.start_ns, span.span_id, span.duration_ns, span.name)))


def _distinct(spans: list[Span]) -> list[Span]:
    by_content: dict[str, list[Span]] = {}
    for span in spans:
        by_content.setdefault(_content(span), []).append(span)
    conflicting = len(by_content) > 1
    return [
        replace(
            min(equal, key=lambda span: span.received_ns),
            copies=sum(span.copies for span in equal),
            conflicting=conflicting,
        )
        for equal in by_content.values()
    ]


def _content(span: Span) -> str:
    """Text that is equal for equal content: NaN equals itself and 1 does not equal 1.0 or True here, unlike
    in Python's own comparison; the order of attributes does not matter."""
    return repr([_canonical(getattr(span, name)) for name in CONTENT])


def _canonical(value: Any) -> Any:
    if isinstance(value, tuple):
        return [_canonical(item) for item in value]
    if hasattr(value, "items"):
        return sorted((key, value_text(item)) for key, item in value.items())
    if hasattr(value, "__dataclass_fields__"):
        return [_canonical(getattr(value, field.name)) for field in fields(value)]
    return repr(value)
