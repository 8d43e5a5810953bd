"""The whole trace in a strip: a thin line per span, with errors and findings, to see where to look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from tracestitch_dashboard.timeline.drawing import Frame, Part, bar
from tracestitch_dashboard.timeline.row import TOP, Row, Timeline
from tracestitch_dashboard.timeline.view import View

MOST_LINES = 400
HEIGHT = 36


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    part: Part
    y: float
    colour: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Sign:
    x: float
    kind: str
    """`error` or `finding`."""
    title: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Minimap:
    lines: tuple[Line, ...]
    signs: tuple[Sign, ...]


def draw(timeline: Timeline) -> Minimap:
    """Of a trace with more spans than lines, the longest are drawn."""
    whole = Frame(start_ns=0, end_ns=timeline.duration_ns)
    every = timeline.rows
    rows = [row for row in every if row.kind in ("span", "repeat") and not _is_member(row, every)]
    kept = _longest(rows)
    step = min((HEIGHT - 6) / max(len(kept), 1), 5.0)
    lines = tuple(
        Line(
            part=bar(row, whole, View()).whole,
            y=round(4 + place * step, 2),
            colour=timeline.colours.get(row.service, 0),
        )
        for place, row in enumerate(kept)
    )
    return Minimap(lines=lines, signs=tuple(_signs(rows, timeline, whole)))


def _is_member(row: Row, rows: Sequence[Row]) -> bool:
    """Of a repeat, which is drawn as one line."""
    return row.parent != TOP and rows[row.parent].kind == "repeat"


def _longest(rows: list[Row]) -> list[Row]:
    if len(rows) <= MOST_LINES:
        return rows
    least = sorted((row.end_ns - row.start_ns for row in rows), reverse=True)[MOST_LINES - 1]
    return [row for row in rows if row.end_ns - row.start_ns >= least][:MOST_LINES]


def _signs(rows: list[Row], timeline: Timeline, whole: Frame) -> list[Sign]:
    """One per error and per finding, none on top of another."""
    found: dict[tuple[str, int], Sign] = {}
    for row in rows:
        x = round(min(max(whole.percent(row.start_ns), 0.5), 99.5), 2)
        if row.findings:
            title = timeline.marks[row.findings[0]].finding.title
            found.setdefault(("finding", round(x)), Sign(x=x, kind="finding", title=title))
        if row.is_error:
            x = round(min(max(whole.percent(row.end_ns), 0.5), 99.5), 2)
            found.setdefault(("error", round(x)), Sign(x=x, kind="error", title=f"{row.name} failed"))
    return list(found.values())[:200]
