"""`/traces/{trace_id}`: the timeline of one request, the heart of it all; its rows and its panel."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracestitch_dashboard import alert_marks
from tracestitch_dashboard.alert_marks import Mark
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.errors import BadQuery, NotFound
from tracestitch_dashboard.kibana_links import KibanaLinks, links
from tracestitch_dashboard.page import Fragment, Page
from tracestitch_dashboard.timeline import document, drawing, minimap
from tracestitch_dashboard.timeline import view as viewing
from tracestitch_dashboard.timeline.drawing import Bar, Frame, Tick
from tracestitch_dashboard.timeline.minimap import Minimap
from tracestitch_dashboard.timeline.panel import Panel, panel
from tracestitch_dashboard.timeline.row import Row, Timeline
from tracestitch_dashboard.timeline.view import Shown, View

DRAWN = 300
"""Rows that the server draws itself; the script draws the others as they come into sight."""
TABLED = 5_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Drawn:
    row: Row
    shown: Shown
    bar: Bar


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePage:
    timeline: Timeline
    view: View
    frame: Frame
    ticks: tuple[Tick, ...]
    drawn: tuple[Drawn, ...]
    shown_count: int
    minimap: Minimap
    panel: Panel | None
    total_path_ns: int
    alerts: tuple[Mark, ...]
    kibana: KibanaLinks | None

    @property
    def left_out(self) -> int:
        return self.shown_count - len(self.drawn)


def timeline_of(ask: Ask) -> Timeline:
    trace_id = ask.path["trace_id"].lower()
    if len(trace_id) != 32 or any(letter not in "0123456789abcdef" for letter in trace_id):
        raise BadQuery(
            f"“{ask.path['trace_id'][:80]}” is not a trace id; one has 32 hexadecimal digits, "
            "such as 0af7651916cd43dd8448eb211c80319c."
        )
    found = ask.timelines.get(trace_id, ask.now_ns, ask.colours)
    if found is None:
        raise NotFound(
            f"There is no trace {trace_id} here. It may not have arrived yet (try again in a second), may be older "
            "than what is kept, or was sent to another collector."
        )
    return found


def load(ask: Ask) -> TracePage:
    timeline = timeline_of(ask)
    view = viewing.parse(ask.query)
    frame = drawing.frame(timeline.duration_ns, view)
    shown = viewing.visible(timeline.rows, view)
    most = TABLED if view.view == "table" else DRAWN
    return TracePage(
        timeline=timeline,
        view=view,
        frame=frame,
        ticks=drawing.ticks(frame),
        drawn=tuple(
            Drawn(
                row=timeline.rows[each.place],
                shown=each,
                bar=drawing.bar(timeline.rows[each.place], frame, view),
            )
            for each in shown[:most]
        ),
        shown_count=len(shown),
        minimap=minimap.draw(timeline),
        panel=panel(timeline, view.span) if view.span else None,
        total_path_ns=max(sum(share.path_ns for share in timeline.shares), 1),
        alerts=alert_marks.around(
            ask.alerts(),
            {share.service for share in timeline.shares},
            timeline.start_ns,
            timeline.start_ns + timeline.duration_ns,
            ask.now_ns,
        ),
        kibana=links(
            ask.settings.kibana_url,
            timeline.trace.trace_id,
            timeline.start_ns,
            timeline.start_ns + timeline.duration_ns,
        ),
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class PanelPage:
    timeline: Timeline
    panel: Panel
    view: View


def load_panel(ask: Ask) -> PanelPage:
    timeline = timeline_of(ask)
    view = viewing.parse(ask.query)
    found = panel(timeline, view.span)
    if found is None:
        raise NotFound(f"The trace has no row “{view.span[:80]}”. It may have changed: load the page again.")
    return PanelPage(timeline=timeline, panel=found, view=view)


def load_rows(ask: Ask) -> dict[str, Any]:
    return document.rows(timeline_of(ask))


PAGE = Page(
    name="Traces",
    path="/traces/{trace_id}",
    twin="/traces/{trace_id}.json",
    template="trace.html",
    parameters=viewing.PARAMETERS,
    load=load,
    to_json=lambda page: {
        **document.twin(page.timeline),
        "alerts": [alert_marks.to_json(mark) for mark in page.alerts],
    },
)
ROWS = Fragment(path="/traces/{trace_id}/rows.json", load=load_rows)
PANEL = Fragment(path="/traces/{trace_id}/panel", load=load_panel, template="panel.html")
