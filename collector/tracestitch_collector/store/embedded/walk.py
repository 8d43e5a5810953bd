"""Newest first: the hot rows, then the row groups of all segments by their latest time, until enough is found. What
a row group's facts rule out is never opened.
"""

from __future__ import annotations

import itertools
import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial
from heapq import heapify, heappop

import numpy as np
import pyarrow as pa

from tracestitch_collector.store.embedded.conditions import Conditions
from tracestitch_collector.store.embedded.footers import FileRows, TableRows
from tracestitch_collector.store.embedded.manifest import Segment, Signal
from tracestitch_collector.store.embedded.matching import Mask
from tracestitch_collector.store.embedded.segments import aligned, plain_schema
from tracestitch_collector.store.embedded.snapshot import Snapshot

PORTIONS = ((1, 1), (1, 1), (1, 1), (8, 2), (16, 4), (32, 8), (64, 16))
"""So many row groups are a portion, up to so many of a segment are read at once: most searches end with the first few.
Portions that follow are as the last."""
WAVE = 2
"""So many readings at a time."""
EAGER = 4
"""Of so few row groups at once all columns are read that a match needs: where facts rule out the others, most match."""
OLDEST = -(2**63)


class Deadline:
    """A moment until which a question may be worked on."""

    def __init__(self, seconds: float) -> None:
        self._seconds = seconds
        self._end = time.monotonic() + seconds

    @property
    def is_over(self) -> bool:
        return time.monotonic() >= self._end

    @property
    def left_s(self) -> float:
        return max(self._end - time.monotonic(), 0.0)

    def said(self, reached: str) -> str:
        return f"stopped after {self._seconds:g} s: {reached}; choose a shorter time range or a service for the rest"


@dataclass(frozen=True, slots=True)
class Place:
    """Row groups of one segment that may hold rows in question, and their latest time."""

    segment: Segment
    row_groups: tuple[int, ...]
    max_ns: int


@dataclass(frozen=True, slots=True)
class Step:
    """Rows that meet the conditions; everything not yet walked over is at or before `frontier_ns`."""

    rows: tuple[pa.Table, ...]
    frontier_ns: int


def places(snapshot: Snapshot, signal: Signal, asked: Conditions, service: str = "") -> Iterator[Place]:
    """Single row groups, latest first. A segment's facts are looked into once nothing later is left."""
    segments = _segments(snapshot, signal, asked, service)
    found: list[tuple[int, int, int, Segment]] = []
    while segments or found:
        while segments and (not found or segments[-1].max_ns >= -found[0][0]):
            found += _inside(snapshot, segments.pop(), asked)
            heapify(found)
        if found:
            latest, _, group, segment = heappop(found)
            yield Place(segment, (group,), -latest)


def _segments(snapshot: Snapshot, signal: Signal, asked: Conditions, service: str) -> list[Segment]:
    """The latest last."""
    found = [
        segment
        for segment in snapshot.segments(signal)
        if segment.overlaps(asked.window.start_ns, asked.window.end_ns) and segment.may_hold(service)
    ]
    return sorted(found, key=lambda segment: segment.max_ns)


def _inside(snapshot: Snapshot, segment: Segment, asked: Conditions) -> list[tuple[int, int, int, Segment]]:
    told = snapshot.row_groups(segment)
    groups = np.flatnonzero(asked.row_groups(told))
    latest = told.facts["max_ns"][groups].tolist()
    return [(-at, segment.id, group, segment) for group, at in zip(groups.tolist(), latest, strict=True)]


def together(single: Iterator[Place]) -> Iterator[tuple[list[Place], int]]:
    """Portions of what is to be read, each with the latest time of what comes after it. The first few places are
    portions of their own, of the others those of one segment are one, more of them the later they come."""
    following = next(single, None)
    for count, size in itertools.chain(PORTIONS, itertools.repeat(PORTIONS[-1])):
        if following is None:
            return
        portion = [following, *itertools.islice(single, count - 1)]
        following = next(single, None)
        yield _joined(portion, size), following.max_ns if following else OLDEST


def _joined(single: Sequence[Place], size: int) -> list[Place]:
    by_segment: dict[int, list[Place]] = {}
    for place in single:
        by_segment.setdefault(place.segment.id, []).append(place)
    joined = [
        Place(part[0].segment, tuple(place.row_groups[0] for place in part), part[0].max_ns)
        for whole in by_segment.values()
        for part in (whole[at : at + size] for at in range(0, len(whole), size))
    ]
    return sorted(joined, key=lambda place: -place.max_ns)


def steps(
    snapshot: Snapshot,
    signal: Signal,
    asked: Conditions,
    columns: set[str],
    *,
    service: str = "",
) -> Iterator[Step]:
    """The rows with these columns. The caller stops when it has enough or its time is over."""
    hot = snapshot.hot.spans if signal == "spans" else snapshot.hot.logs
    segments = _segments(snapshot, signal, asked, service)
    yield Step((_meeting(hot, asked, columns),), segments[-1].max_ns if segments else OLDEST)
    read = partial(_read, snapshot, asked, columns)
    for todo, after_ns in together(places(snapshot, signal, asked, service)):
        for done in range(0, len(todo), WAVE):
            found = tuple(snapshot.footers.each(read, todo[done : done + WAVE]))
            left = todo[done + WAVE :]
            yield Step(found, max(left[0].max_ns, after_ns) if left else after_ns)
    yield Step((), OLDEST)


def _read(snapshot: Snapshot, asked: Conditions, columns: set[str], place: Place) -> pa.Table:
    """Columns that only the answer needs are read only where there is one."""
    path = snapshot.path(place.segment)
    told = snapshot.row_groups(place.segment)
    rows = FileRows(snapshot.footers, path, place.row_groups, told)
    if len(place.row_groups) <= EAGER:
        rows.columns(asked.tested | columns)
    mask = asked.mask(rows, told, place.row_groups)
    return pa.table({}) if mask is None else _plain(rows.columns(columns), mask)


def _meeting(table: pa.Table, asked: Conditions, columns: set[str]) -> pa.Table:
    rows = TableRows(table)
    mask = asked.mask(rows) if len(table) else None
    return pa.table({}) if mask is None else _plain(rows.columns(columns), mask)


def _plain(table: pa.Table, mask: Mask) -> pa.Table:
    found = table.select(sorted(table.column_names)).take(pa.array(np.flatnonzero(mask)))
    if not any(pa.types.is_dictionary(kind) for kind in found.schema.types):
        return found
    return aligned(found, plain_schema([found.schema]))
