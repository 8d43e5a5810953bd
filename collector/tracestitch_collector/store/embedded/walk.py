"""Newest first: the hot rows, then the row groups of all segments by their latest time, until enough is found. What
a row group's facts rule out is never opened.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from tracestitch_collector.store.embedded.conditions import Conditions
from tracestitch_collector.store.embedded.footers import FileRows, TableRows
from tracestitch_collector.store.embedded.manifest import Segment, Signal
from tracestitch_collector.store.embedded.matching import Mask
from tracestitch_collector.store.embedded.segments import aligned, plain_schema
from tracestitch_collector.store.embedded.snapshot import Snapshot

SINGLES = 3
"""So many row groups are read one by one, since most searches end there; then more and more at once."""
GROWING = ((8, 4), (16, 8))
"""After them so many row groups, up to so many of a segment in one reading."""
TOGETHER = 16
"""Of all that follow."""
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


def places(snapshot: Snapshot, signal: Signal, asked: Conditions, service: str = "") -> list[Place]:
    """Single row groups, latest first."""
    found: list[Place] = []
    for segment in snapshot.segments(signal):
        if segment.overlaps(asked.window.start_ns, asked.window.end_ns) and segment.may_hold(service):
            told = snapshot.row_groups(segment)
            groups = np.flatnonzero(asked.row_groups(told))
            latest = told.facts["max_ns"][groups].tolist()
            found += [Place(segment, (group,), at) for group, at in zip(groups.tolist(), latest, strict=True)]
    found.sort(key=lambda place: -place.max_ns)
    return found


def together(single: Sequence[Place]) -> list[Place]:
    """The first few as they are, the others of one segment in one place, more of them the later they come."""
    found, done = list(single[:SINGLES]), SINGLES
    for count, size in (*GROWING, (len(single), TOGETHER)):
        found += _joined(single[done : done + count], size)
        done += count
    return found


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
    todo = together(places(snapshot, signal, asked, service))
    hot = snapshot.hot.spans if signal == "spans" else snapshot.hot.logs
    yield Step((_meeting(hot, asked, columns),), todo[0].max_ns if todo else OLDEST)
    done = 0
    while done < len(todo):
        part = todo[done : done + (1 if done < SINGLES else WAVE)]
        done += len(part)
        read = partial(_read, snapshot, asked, columns)
        found = tuple(snapshot.footers.each(read, part))
        yield Step(found, todo[done].max_ns if done < len(todo) else OLDEST)


def _read(snapshot: Snapshot, asked: Conditions, columns: set[str], place: Place) -> pa.Table:
    """Columns that only the answer needs are read only where there is one."""
    path = snapshot.layout.segments / place.segment.file_name
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
    found = table.select(sorted(table.column_names)).filter(pa.array(mask))
    return aligned(found, plain_schema([found.schema]))
