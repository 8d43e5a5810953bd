"""Newest first: the hot rows, then the row groups of all segments by their latest time, until enough is found. What
a row group's facts rule out is never opened.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from functools import partial

import numpy as np
import pyarrow as pa

from tracestitch_collector.store.embedded.conditions import Conditions
from tracestitch_collector.store.embedded.manifest import Segment, Signal
from tracestitch_collector.store.embedded.matching import Mask
from tracestitch_collector.store.embedded.segments import aligned, plain_schema
from tracestitch_collector.store.embedded.snapshot import Snapshot

WAVES = (1, 1, 2, 4, 8, 16)
"""So many row groups are read at a time, the last number ever after: most searches end with the first."""
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
    """One row group that may hold rows in question."""

    segment: Segment
    row_group: int
    max_ns: int


@dataclass(frozen=True, slots=True)
class Step:
    """Rows that meet the conditions; everything not yet walked over is at or before `frontier_ns`."""

    rows: tuple[pa.Table, ...]
    frontier_ns: int


def places(snapshot: Snapshot, signal: Signal, asked: Conditions, service: str = "") -> list[Place]:
    """Latest first."""
    found: list[Place] = []
    for segment in snapshot.segments(signal):
        if segment.overlaps(asked.window.start_ns, asked.window.end_ns) and segment.may_hold(service):
            told = snapshot.row_groups(segment)
            groups = np.flatnonzero(asked.row_groups(told))
            latest = told.facts["max_ns"][groups]
            found += map(partial(Place, segment), groups.tolist(), latest.tolist())
    found.sort(key=lambda place: -place.max_ns)
    return found


def steps(
    snapshot: Snapshot,
    signal: Signal,
    asked: Conditions,
    columns: set[str],
    pool: ThreadPoolExecutor,
    *,
    service: str = "",
) -> Iterator[Step]:
    """The rows with these columns. The caller stops when it has enough or its time is over."""
    todo = places(snapshot, signal, asked, service)
    hot = snapshot.hot.spans if signal == "spans" else snapshot.hot.logs
    yield Step((_meeting(hot, asked, columns),), todo[0].max_ns if todo else OLDEST)
    done = wave = 0
    while done < len(todo):
        part = todo[done : done + WAVES[min(wave, len(WAVES) - 1)]]
        done, wave = done + len(part), wave + 1
        read = partial(_read, snapshot, asked, columns)
        found = tuple(pool.map(read, part)) if len(part) > 1 else (read(part[0]),)
        yield Step(found, todo[done].max_ns if done < len(todo) else OLDEST)


def _read(snapshot: Snapshot, asked: Conditions, columns: set[str], place: Place) -> pa.Table:
    """Columns that only the answer needs are read only where there is one."""
    path = snapshot.layout.segments / place.segment.file_name
    table = snapshot.footers.read(path, [place.row_group], asked.columns)
    mask = asked.mask(table)
    rest = columns - set(table.column_names)
    if rest and mask.any():
        more = snapshot.footers.read(path, [place.row_group], rest)
        for name in more.column_names:
            table = table.append_column(name, more[name])
    return _plain(table, mask, columns) if mask.any() else pa.table({})


def _meeting(table: pa.Table, asked: Conditions, columns: set[str]) -> pa.Table:
    return _plain(table, asked.mask(table), columns) if len(table) else pa.table({})


def _plain(table: pa.Table, mask: Mask, columns: set[str]) -> pa.Table:
    found = table.select([name for name in sorted(columns) if name in table.column_names]).filter(
        pa.array(mask)
    )
    return aligned(found, plain_schema([found.schema]))
