"""A timeline as one HTML file that needs nothing else: styles within it, no script, nothing to load."""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path
from typing import Literal

from markupsafe import Markup

from tracestitch_dashboard import rendering
from tracestitch_dashboard.timeline import drawing
from tracestitch_dashboard.timeline.drawing import Bar
from tracestitch_dashboard.timeline.panel import Panel, panel_of
from tracestitch_dashboard.timeline.row import TOP, Row, Timeline
from tracestitch_dashboard.timeline.view import Shown, View, visible

MOST_ROWS = 5_000
"""A file to read; the twin has everything."""
STYLES = ("tokens.css", "page.css", "lists.css", "timeline.css", "snapshot.css")
_CSS = Path(__file__).parent / "static" / "css"


@dataclass(frozen=True, slots=True, kw_only=True)
class Piece:
    """A row, or the place after the last row of a folded run, where the fold ends."""

    kind: Literal["row", "end"]
    row: Row
    shown: Shown
    bar: Bar
    panel: Panel | None = None


def snapshot(timeline: Timeline, hidden: int, now_ns: int) -> str:
    """`hidden` is how many values were taken out."""
    styles = "\n".join((_CSS / name).read_text() for name in STYLES)
    digest = base64.b64encode(hashlib.sha256(styles.encode()).digest()).decode()
    everything = View(toggled=frozenset(row.id for row in timeline.rows if row.folded))
    frame = drawing.frame(timeline.duration_ns, everything)
    shown = visible(timeline.rows, everything)
    template = rendering.environment("").get_template("snapshot.html")
    return template.render(
        timeline=timeline,
        pieces=tuple(_pieces(timeline, shown[:MOST_ROWS], everything)),
        left_out=max(len(shown) - MOST_ROWS, 0),
        ticks=drawing.ticks(frame),
        total_path_ns=max(sum(share.path_ns for share in timeline.shares), 1),
        hidden=hidden,
        now_ns=now_ns,
        version=version("tracestitch"),
        styles=Markup(styles),  # noqa: S704 - our own files
        policy=f"default-src 'none'; style-src 'sha256-{digest}'; base-uri 'none'; form-action 'none'",
    )


def _pieces(timeline: Timeline, shown: tuple[Shown, ...], view: View) -> Iterator[Piece]:
    """Rows in order; what lies under a folded run comes before its end."""
    frame = drawing.frame(timeline.duration_ns, view)
    rows = timeline.rows
    open_runs: list[tuple[int, Piece]] = []
    for each in shown:
        row = rows[each.place]
        while open_runs and not _lies_under(rows, row, open_runs[-1][0]):
            yield open_runs.pop()[1]
        bar = drawing.bar(row, frame, view)
        yield Piece(kind="row", row=row, shown=each, bar=bar, panel=panel_of(timeline, row))
        if row.kind == "repeat":
            open_runs.append((each.place, Piece(kind="end", row=row, shown=each, bar=bar)))
    while open_runs:
        yield open_runs.pop()[1]


def _lies_under(rows: tuple[Row, ...], row: Row, above: int) -> bool:
    """Parents come before their children, so the way up can stop at the run."""
    place = row.parent
    while place > above:
        place = rows[place].parent
    return place == above and place != TOP
