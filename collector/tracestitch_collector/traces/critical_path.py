"""The critical path: which span the request was waiting for at each moment, found by walking back from the
end through the child that finished last. Shares of it say which service the time belongs to.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from tracestitch_collector.model import Span
from tracestitch_collector.traces.tree import Node, Tree


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """A stretch of the path on which `span` itself was at work."""

    span: Span
    start_ns: int
    end_ns: int
    detached: bool = False
    """Work that went on after the request was answered: nobody waited for it (a Celery task, mostly)."""

    @property
    def duration_ns(self) -> int:
        return self.end_ns - self.start_ns


def find(tree: Tree) -> tuple[Segment, ...]:
    """Disjoint segments by time: those of the main root, then those of detached work after its end."""
    root = tree.main_root
    if root is None:
        return ()
    segments = _walk(root, root.span.start_ns, root.span.end_ns, detached=False)
    late = [node for node in _detached(tree, root) if node.span.end_ns > root.span.end_ns]
    if late:
        segments += _tail(late, root.span.end_ns)
    return tuple(sorted(segments, key=lambda segment: segment.start_ns))


def share_by_service(segments: Iterable[Segment]) -> tuple[tuple[str, int], ...]:
    """(service, nanoseconds on the path), most first. Detached work counts; leave it out before if not wanted."""
    totals: dict[str, int] = {}
    for segment in segments:
        totals[segment.span.service] = totals.get(segment.span.service, 0) + segment.duration_ns
    return tuple(sorted(totals.items(), key=lambda item: (-item[1], item[0])))


def _walk(top: Node, floor: int, ceiling: int, *, detached: bool) -> list[Segment]:
    segments: list[Segment] = []
    stack = [(top, floor, ceiling)]
    while stack:
        node, floor, cursor = stack.pop()
        for child, start, end in _blocking(node.children, floor, cursor):
            _emit(segments, node, end, cursor, detached)
            stack.append((child, start, end))
            cursor = start
        _emit(segments, node, floor, cursor, detached)
    return segments


def _blocking(children: Sequence[Node], floor: int, ceiling: int) -> Iterable[tuple[Node, int, int]]:
    """Children the parent waited for, latest first, clipped to it. One that outlived the parent is clipped to
    its end; one still running when the child after it began was waited for by nobody."""
    cursor = ceiling
    for child in sorted(children, key=lambda child: (child.span.end_ns, child.span.start_ns), reverse=True):
        start, end = max(child.span.start_ns, floor), min(child.span.end_ns, ceiling)
        if start < end <= cursor:
            yield child, start, end
            cursor = start


def _emit(segments: list[Segment], node: Node, start: int, end: int, detached: bool) -> None:
    if start < end:
        segments.append(Segment(span=node.span, start_ns=start, end_ns=end, detached=detached))


def _detached(tree: Tree, root: Node) -> Iterable[Node]:
    """Nodes beneath the root that began when their parent had already ended."""
    for node in tree.nodes[root.index + 1 :]:
        if node.depth == 0:
            return
        if node.span.start_ns >= tree.nodes[node.parent].span.end_ns:
            yield node


def _tail(late: Sequence[Node], answered_ns: int) -> list[Segment]:
    segments: list[Segment] = []
    end_of_all = max(node.span.end_ns for node in late)
    for node, start, end in _blocking(late, answered_ns, end_of_all):
        segments += _walk(node, start, end, detached=True)
    return segments
