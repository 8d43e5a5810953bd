"""Sets of time intervals: how much of a stretch of time they cover, and what they leave open."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from typing import TypeAlias

Interval: TypeAlias = tuple[int, int]
"""(start_ns, end_ns), the end not included."""


def merge(intervals: Iterable[Interval], start_ns: int, end_ns: int) -> Iterator[Interval]:
    """The union of the intervals within [start_ns, end_ns), as disjoint stretches in time order."""
    clipped = sorted(
        (max(start, start_ns), min(end, end_ns))
        for start, end in intervals
        if start < end_ns and end > start_ns and start < end
    )
    if not clipped or end_ns <= start_ns:
        return
    current_start, current_end = clipped[0]
    for start, end in clipped:
        if start > current_end:
            yield current_start, current_end
            current_start, current_end = start, end
        else:
            current_end = max(current_end, end)
    yield current_start, current_end


def covered_ns(intervals: Iterable[Interval], start_ns: int, end_ns: int) -> int:
    return sum(end - start for start, end in merge(intervals, start_ns, end_ns))


def union_ns(intervals: Iterable[Interval]) -> int:
    """What the intervals cover together, overlaps counted once."""
    known = list(intervals)
    if not known:
        return 0
    return covered_ns(known, min(start for start, _ in known), max(end for _, end in known))


def holes(intervals: Iterable[Interval], start_ns: int, end_ns: int) -> Iterator[Interval]:
    """The stretches of [start_ns, end_ns) that no interval covers, in time order."""
    cursor = start_ns
    for start, end in merge(intervals, start_ns, end_ns):
        if start > cursor:
            yield cursor, start
        cursor = end
    if cursor < end_ns:
        yield cursor, end_ns
