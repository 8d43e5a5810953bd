"""The offending part of a trace in a few lines: what a finding shows as its evidence."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from tracestitch_dashboard.timeline.drawing import Frame, Part, bar
from tracestitch_dashboard.timeline.row import TOP, Row, Timeline
from tracestitch_dashboard.timeline.view import View

MOST_LINES = 14
LINE_HEIGHT = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallLine:
    part: Part
    y: int
    colour: int
    offends: bool
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SmallTimeline:
    title: str
    service: str
    start_ns: int
    duration_ns: int
    height: int
    first_row: str
    """The row to look at first, for the link."""
    lines: tuple[SmallLine, ...]


def small_timeline(timeline: Timeline, span_ids: frozenset[str]) -> SmallTimeline:
    """The offending rows, what they lie in, and then the longest others, in their order."""
    whole = Frame(start_ns=0, end_ns=timeline.duration_ns)
    kept = _chosen(timeline, span_ids)
    lines = [line for y, place in enumerate(kept) for line in _lines(timeline, place, y, span_ids, whole)]
    root = timeline.root
    return SmallTimeline(
        title=timeline.rows[0].name if timeline.rows else timeline.trace.trace_id,
        service=root.service if root else "",
        start_ns=timeline.start_ns,
        duration_ns=root.duration_ns if root else timeline.duration_ns,
        height=max(len(kept), 1) * LINE_HEIGHT + 2,
        first_row=next((row.id for row in timeline.rows if _offends(row, span_ids)), ""),
        lines=tuple(lines),
    )


def _lines(
    timeline: Timeline, place: int, y: int, span_ids: frozenset[str], whole: Frame
) -> Iterator[SmallLine]:
    """A line for a span; for a repeat one per member, as far as they can be told apart."""
    row = timeline.rows[place]
    drawn = bar(row, whole, View())
    for part in drawn.solid[:60] if row.kind == "repeat" else (drawn.whole,):
        yield SmallLine(
            part=part,
            y=y * LINE_HEIGHT + 1,
            colour=timeline.colours.get(row.service, 0),
            offends=_offends(row, span_ids),
            title=f"{row.badge} {row.name}, {row.label}".strip(),
        )


def _offends(row: Row, span_ids: frozenset[str]) -> bool:
    return (row.kind == "repeat" and _of_repeat(row, span_ids)) or (row.kind == "span" and row.id in span_ids)


def _of_repeat(row: Row, span_ids: frozenset[str]) -> bool:
    return row.id.removeprefix("r-") in span_ids


def _chosen(timeline: Timeline, span_ids: frozenset[str]) -> list[int]:
    rows = timeline.rows
    in_repeat = {
        place for place, row in enumerate(rows) if row.parent != TOP and rows[row.parent].kind == "repeat"
    }
    places = [
        place for place, row in enumerate(rows) if row.kind in ("span", "repeat") and place not in in_repeat
    ]
    wanted: set[int] = set()
    for place in places:
        if _offends(rows[place], span_ids) and len(wanted) < MOST_LINES:
            while place != TOP and len(wanted) < MOST_LINES:
                wanted.add(place)
                place = rows[place].parent
    for place in sorted(places, key=lambda place: rows[place].start_ns - rows[place].end_ns):
        if len(wanted) >= MOST_LINES:
            break
        wanted.add(place)
    return sorted(wanted)
