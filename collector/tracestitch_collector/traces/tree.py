"""The tree of a trace: who called whom, how deep, and how much of its time each span spent itself.

Whatever was sent, every span is in the tree exactly once: a missing parent makes an orphan, a cycle or a
self-parent is named in `problems` and cut. Nothing recurses, so depth and size are bounded by memory only.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field

from tracestitch_collector.model import Span, Trace
from tracestitch_collector.traces.intervals import covered_ns

PROBLEMS_NAMED = 10
"""Problems of one kind that are spelled out before the rest is only counted."""

_NO_PARENT = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Node:
    """One span in its place. Compared by identity, for a deep tree must not be walked by `==`."""

    span: Span
    children: tuple[Node, ...] = field(repr=False)
    """By start."""
    orphan: bool
    """It names a parent that never arrived: `span.parent_span_id`."""
    depth: int
    """0 for roots and orphans."""
    self_ns: int
    """Its duration less the union of its children within it; never negative."""
    index: int
    """Its place in `Tree.nodes`."""
    parent: int
    """The parent's place in `Tree.nodes`; -1 for roots and orphans."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Tree:
    trace_id: str
    roots: tuple[Node, ...]
    """Roots by start, then orphans, those of one missing parent together."""
    nodes: tuple[Node, ...] = field(repr=False)
    """All nodes, a parent before its children, as they are read from top to bottom."""
    problems: tuple[str, ...]
    """What is wrong with the trace, in words."""

    def parent_of(self, node: Node) -> Node | None:
        return None if node.parent == _NO_PARENT else self.nodes[node.parent]

    def orphans_by_parent(self) -> Mapping[str, tuple[Node, ...]]:
        """Orphans under the span id of the parent that never arrived."""
        groups: dict[str, list[Node]] = {}
        for node in self.roots:
            if node.orphan:
                groups.setdefault(node.span.parent_span_id, []).append(node)
        return {parent: tuple(nodes) for parent, nodes in groups.items()}

    @property
    def main_root(self) -> Node | None:
        """The request the trace is about: the earliest root; without any, the longest orphan."""
        for node in self.roots:
            if not node.orphan:
                return node
        return max(self.roots, key=lambda node: node.span.duration_ns, default=None)


def build(trace: Trace) -> Tree:
    spans = sorted(trace.spans, key=lambda span: (span.start_ns, span.span_id))
    parents, problems = _parents(spans)
    problems += _cut_cycles(spans, parents)
    children: list[list[int]] = [[] for _ in spans]
    for index, parent in enumerate(parents):
        if parent >= 0:
            children[parent].append(index)
    known = {span.span_id for span in spans}
    orphans = [
        parents[index] == _NO_PARENT and bool(span.parent_span_id) and span.parent_span_id not in known
        for index, span in enumerate(spans)
    ]
    order = _reading_order(_tops(spans, parents, orphans), children)
    nodes = _nodes(spans, parents, children, orphans, order)
    return Tree(
        trace_id=trace.trace_id,
        roots=tuple(node for node in nodes if node.parent == _NO_PARENT),
        nodes=nodes,
        problems=tuple(problems + _oddities(spans, orphans)),
    )


def _parents(spans: Sequence[Span]) -> tuple[list[int], list[str]]:
    """The index of each span's parent, -1 where it has none here."""
    by_id: dict[str, list[int]] = {}
    for index, span in enumerate(spans):
        by_id.setdefault(span.span_id, []).append(index)
    parents, selfish = [], []
    for span in spans:
        candidates = by_id.get(span.parent_span_id, []) if span.parent_span_id else []
        if span.parent_span_id == span.span_id:
            selfish.append(f"Span {span.span_id} names itself as its parent; it is shown as a root.")
            candidates = []
        parents.append(_best_parent(span, candidates, spans))
    return parents, _named(selfish, "spans name themselves as their parent")


def _best_parent(span: Span, candidates: Sequence[int], spans: Sequence[Span]) -> int:
    """Where several spans carry the parent's id, the one that was running when the child began."""
    for index in candidates:
        if spans[index].start_ns <= span.start_ns < spans[index].end_ns:
            return index
    return candidates[0] if candidates else _NO_PARENT


def _cut_cycles(spans: Sequence[Span], parents: list[int]) -> list[str]:
    """Makes the earliest span of each cycle a root. Changes `parents`; returns the cycles in words."""
    fresh, walking, settled = 0, 1, 2
    state = [fresh] * len(spans)
    cycles = []
    for start in range(len(spans)):
        walk: list[int] = []
        index = start
        while index != _NO_PARENT and state[index] == fresh:
            state[index] = walking
            walk.append(index)
            index = parents[index]
        if index != _NO_PARENT and state[index] == walking:
            cycle = walk[walk.index(index) :]
            earliest = min(cycle)
            parents[earliest] = _NO_PARENT
            cycles.append(_cycle_text(spans, cycle, spans[earliest].span_id))
        for index in walk:
            state[index] = settled
    return _named(cycles, "cycles of spans name each other as parent")


def _cycle_text(spans: Sequence[Span], cycle: Sequence[int], cut: str) -> str:
    ids = [spans[index].span_id for index in cycle]
    shown = " → ".join(ids[:4]) + (" → …" if len(ids) > 4 else "")
    return f"{len(ids)} spans name each other as parent ({shown} → {ids[0]}); {cut} is shown as a root."


def _tops(spans: Sequence[Span], parents: Sequence[int], orphans: Sequence[bool]) -> list[int]:
    """Roots by start, then orphans by their missing parent, the group that began first before the others."""
    tops = [index for index, parent in enumerate(parents) if parent == _NO_PARENT]
    first: dict[str, int] = {}
    for index in tops:
        if orphans[index]:
            first.setdefault(spans[index].parent_span_id, index)
    return [index for index in tops if not orphans[index]] + sorted(
        (index for index in tops if orphans[index]),
        key=lambda index: (first[spans[index].parent_span_id], index),
    )


def _reading_order(tops: Sequence[int], children: Sequence[Sequence[int]]) -> list[int]:
    order: list[int] = []
    stack = list(reversed(tops))
    while stack:
        index = stack.pop()
        order.append(index)
        stack.extend(reversed(children[index]))
    return order


def _nodes(
    spans: Sequence[Span],
    parents: Sequence[int],
    children: Sequence[Sequence[int]],
    orphans: Sequence[bool],
    order: Sequence[int],
) -> tuple[Node, ...]:
    place = {index: position for position, index in enumerate(order)}
    depth: dict[int, int] = {_NO_PARENT: -1}
    for index in order:
        depth[index] = depth[parents[index]] + 1
    made: dict[int, Node] = {}
    for index in reversed(order):  # children before their parents
        span = spans[index]
        made[index] = Node(
            span=span,
            children=tuple(made[child] for child in children[index]),
            orphan=orphans[index],
            depth=depth[index],
            self_ns=self_time_ns(span, (spans[child] for child in children[index])),
            index=place[index],
            parent=place.get(parents[index], _NO_PARENT),
        )
    return tuple(made[index] for index in order)


def self_time_ns(span: Span, children: Iterable[Span]) -> int:
    covered = covered_ns(((child.start_ns, child.end_ns) for child in children), span.start_ns, span.end_ns)
    return max(span.duration_ns, 0) - covered


def _oddities(spans: Sequence[Span], orphans: Sequence[bool]) -> list[str]:
    missing = sorted({span.parent_span_id for span, orphan in zip(spans, orphans, strict=True) if orphan})
    conflicting = sorted({span.span_id for span in spans if span.conflicting})
    backwards = [span.span_id for span in spans if span.duration_ns < 0]
    return [
        *_named([f"Parent {parent} never arrived." for parent in missing], "parents never arrived"),
        *_named(
            [f"Span id {span_id} arrived with different contents; all are shown." for span_id in conflicting],
            "span ids arrived with different contents",
        ),
        *_named(
            [f"Span {span_id} says that it ended before it began." for span_id in backwards],
            "spans say that they ended before they began",
        ),
    ]


def _named(texts: list[str], rest: str) -> list[str]:
    if len(texts) <= PROBLEMS_NAMED:
        return texts
    return [*texts[:PROBLEMS_NAMED], f"{len(texts) - PROBLEMS_NAMED:,} more {rest}."]
