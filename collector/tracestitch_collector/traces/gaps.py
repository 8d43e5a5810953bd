"""Gaps: stretches of a span that none of its children accounts for, with what surrounds them."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import PurePath

from tracestitch_collector.model import Span
from tracestitch_collector.traces.code import location_of
from tracestitch_collector.traces.intervals import holes
from tracestitch_collector.traces.tree import Node, Tree

SHARE = 0.05
"""Of the parent's duration; what is shorter is not worth a row."""
TRACE_SHARE = 0.03
"""Of the whole trace: a gap in a short span deep in a long trace is not where the time went."""
FLOOR_NS = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    parent: Span
    start_ns: int
    end_ns: int
    before: Span | None
    """The child that ended last before the gap; None at the parent's start."""
    after: Span | None
    """The child that begins first after it; None at the parent's end."""
    guess: str
    """What may have happened there, in words."""

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


def find(tree: Tree, share: float = SHARE, floor_ns: int = FLOOR_NS) -> tuple[Gap, ...]:
    """By the parent's place in the tree, then by time. A span without children has no gaps: it is all its own."""
    floor = max(floor_ns, round(_extent_ns(tree) * TRACE_SHARE))
    return tuple(gap for node in tree.nodes if node.children for gap in _within(node, share, floor))


def _extent_ns(tree: Tree) -> int:
    """From the first start to the last end."""
    spans = [node.span for node in tree.nodes]
    return max((span.end_ns for span in spans), default=0) - min((span.start_ns for span in spans), default=0)


def _within(node: Node, share: float, floor_ns: int) -> Iterator[Gap]:
    span = node.span
    least = max(span.duration_ns * share, floor_ns)
    inside = [
        c.span for c in node.children if c.span.start_ns < span.end_ns and c.span.end_ns > span.start_ns
    ]
    if not inside:
        return
    for start, end in holes(((c.start_ns, c.end_ns) for c in inside), span.start_ns, span.end_ns):
        if end - start < least:
            continue
        before = max((c for c in inside if c.end_ns <= start), key=lambda c: c.end_ns, default=None)
        after = min((c for c in inside if c.start_ns >= end), key=lambda c: c.start_ns, default=None)
        yield Gap(
            parent=span,
            start_ns=start,
            end_ns=end,
            before=before,
            after=after,
            guess=_guess(span, before, after),
        )


def _guess(parent: Span, before: Span | None, after: Span | None) -> str:
    if parent.kind in ("client", "producer"):
        if before is None:
            return "on the way: network, proxy, or waiting for a free worker"
        return "on the way back: network, proxy, or reading the answer"
    if before is None and after is None:
        return "not instrumented"
    if before is None:
        return f"not instrumented, before {_named(after)}"
    if after is None:
        return f"not instrumented, after {_named(before)}"
    return f"not instrumented, between {_named(before)} and {_named(after)}"


def _named(span: Span | None) -> str:
    if span is None:
        return ""
    location = location_of(span)
    return f"{span.name} ({PurePath(location.file).name}:{location.line})" if location else span.name
