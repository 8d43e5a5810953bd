"""Where things are drawn on the time axis, in percent of its width, so that a bar needs neither a script nor
a style. static/js/timeline/drawing.js is the same in the browser.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass

from tracestitch_collector.traces.intervals import Interval
from tracestitch_dashboard import figures
from tracestitch_dashboard.timeline.row import Row
from tracestitch_dashboard.timeline.view import NS_PER_MS, View

TICKS = 6
THINNEST = 0.12
"""Percent: about a pixel."""
LETTER = 1.3
"""Percent that a letter of a label takes on an axis of 500 pixels: a narrow one."""
POINTS = ("log", "exception")


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    """The stretch of the timeline that fills the axis."""

    start_ns: float
    end_ns: float

    def percent(self, ns: float) -> float:
        return 100 * (ns - self.start_ns) / (self.end_ns - self.start_ns)


@dataclass(frozen=True, slots=True, kw_only=True)
class Tick:
    percent: float
    label: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    x: float
    width: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    whole: Part
    solid: tuple[Part, ...]
    path: tuple[Part, ...]
    ticks: tuple[tuple[float, str], ...]
    """Log records, while their rows are off."""
    label_x: float
    label_side: str
    """`after` the bar, `before` it, or `inside` at its start where neither has room."""
    is_seen: bool
    """It lies at least partly within the frame."""


def frame(duration_ns: int, view: View) -> Frame:
    if view.zoom is None:
        return Frame(start_ns=0, end_ns=duration_ns)
    start, end = (edge * NS_PER_MS for edge in view.zoom)
    return Frame(start_ns=start, end_ns=max(end, start + 1))


def ticks(frame: Frame) -> tuple[Tick, ...]:
    """At most about six, at round times. The last label is left out where it would not fit."""
    span = frame.end_ns - frame.start_ns
    step = nice_step(span / TICKS)
    first = math.ceil(frame.start_ns / step)
    last = math.floor(frame.end_ns / step)
    found = []
    for number in range(first, min(last, first + 20) + 1):
        percent = round(frame.percent(number * step), 3)
        label = figures.duration(number * step) if number else "0"
        found.append(Tick(percent=percent, label=label if percent <= 92 else ""))
    return tuple(found)


def nice_step(least: float) -> float:
    """1, 2, 2.5 or 5 times a power of ten, at least so large."""
    power = 10 ** math.floor(math.log10(max(least, 1)))
    for factor in (1, 2, 2.5, 5, 10):
        if factor * power >= least:
            return float(factor * power)
    return float(10 * power)


def bar(row: Row, frame: Frame, view: View) -> Bar:
    shift = row.skew_ns if view.skew else 0
    left = frame.percent(row.start_ns + shift)
    right = max(frame.percent(row.end_ns + shift), left)
    solid = _parts(row.solid, frame, shift)
    side, x = _label_place(left, right, solid, len(row.label))
    return Bar(
        whole=_part(left, right),
        solid=solid,
        path=_parts(row.path, frame, shift) if view.path else (),
        ticks=() if view.logs else _log_ticks(row, frame, shift),
        label_x=round(x, 3),
        label_side=side,
        is_seen=right >= 0 and left <= 100,
    )


def _log_ticks(row: Row, frame: Frame, shift: int) -> tuple[tuple[float, str], ...]:
    found = ((round(frame.percent(time_ns + shift), 3), level) for time_ns, level in row.log_ticks)
    return tuple((x, level) for x, level in found if 0 <= x <= 100)


def _label_place(left: float, right: float, solid: tuple[Part, ...], letters: int) -> tuple[str, float]:
    room = min(max(LETTER * letters, 22), 60)
    if right <= 100 - room:
        return "after", max(right, 0)
    if left >= room + 2:
        return "before", min(left, 100)
    lightest = _lightest(max(left, 0), min(right, 100), solid)
    return "inside", min(lightest, max(left, 100 - room, 0))


def _lightest(left: float, right: float, solid: tuple[Part, ...]) -> float:
    """The start of the longest stretch that is not solid, where text can be read."""
    best, longest, cursor = left, 0.0, left
    for part in (*solid, Part(x=right, width=0)):
        if part.x - cursor > longest:
            best, longest = cursor, part.x - cursor
        cursor = max(cursor, part.x + part.width)
    return best


def _parts(intervals: Iterable[Interval], frame: Frame, shift: int) -> tuple[Part, ...]:
    return tuple(
        _part(frame.percent(start + shift), frame.percent(end + shift))
        for start, end in intervals
        if end + shift >= frame.start_ns and start + shift <= frame.end_ns
    )


def _part(left: float, right: float) -> Part:
    """Clipped a little outside the frame, where edges are not seen: browsers draw huge numbers badly."""
    left, right = min(max(left, -5.0), 105.0), min(max(right, -5.0), 105.0)
    return Part(x=round(left, 3), width=round(max(right - left, THINNEST), 3))
