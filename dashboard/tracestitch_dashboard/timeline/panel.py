"""What the panel at the right says about the selected row."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracestitch_collector import plain
from tracestitch_collector.model import LogRecord, Span, SpanEvent
from tracestitch_collector.traces.code import location_in, place
from tracestitch_collector.traces.gaps import Gap
from tracestitch_collector.traces.repeats import Repeat
from tracestitch_dashboard import figures
from tracestitch_dashboard.timeline import naming
from tracestitch_dashboard.timeline.facts import DESCRIBED, HTTP, SQL, Facts, Group, all_of, chosen, groups_of
from tracestitch_dashboard.timeline.flame import Flame, flame_of
from tracestitch_dashboard.timeline.frames import Frame, Variables, frames_of, variables_of
from tracestitch_dashboard.timeline.marks import Mark
from tracestitch_dashboard.timeline.row import Row, Timeline
from tracestitch_dashboard.timeline.stages import stages_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Failure:
    """An exception, with where it came from."""

    text: str
    badge: str
    frames: tuple[Frame, ...]
    stacktrace: str
    variables: tuple[Variables, ...] = ()
    """What the user's frames held, where the agent was asked to send that."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Member:
    """One of a folded run."""

    row_id: str
    label: str
    at: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    row: Row
    title: str
    figure: str
    subtitle: str
    where: str
    function: str
    marks: tuple[Mark, ...] = ()
    facts: Facts = ()
    statement: str = ""
    call: Facts = ()
    groups: tuple[Group, ...] = ()
    logs: tuple[tuple[str, Row], ...] = ()
    """When, and the row of each record of the span."""
    failures: tuple[Failure, ...] = ()
    members: tuple[Member, ...] = ()
    flame: Flame | None = None
    links: Facts = ()
    """Trace id and span id."""
    raw: str = field(default="", repr=False)

    @property
    def tabs(self) -> tuple[tuple[str, str, int], ...]:
        """Key, title and count of the tabs that have something to show."""
        size = sum(len(group.attributes) for group in self.groups)
        possible = (
            ("summary", "Summary", 0, True),
            ("attributes", "Attributes", size, size > 0),
            ("call", "SQL" if self.statement else "HTTP", 0, bool(self.statement or self.call)),
            ("profile", "Profile", 0, self.flame is not None),
            ("logs", "Logs", len(self.logs), bool(self.logs)),
            ("stack", "Stack", len(self.failures), bool(self.failures)),
            ("raw", "Raw", 0, bool(self.raw)),
        )
        return tuple((key, title, number) for key, title, number, shown in possible if shown)


def panel(timeline: Timeline, row_id: str) -> Panel | None:
    """None when the trace has no such row (any more)."""
    row = next((row for row in timeline.rows if row.id == row_id), None)
    return None if row is None else panel_of(timeline, row)


def panel_of(timeline: Timeline, row: Row) -> Panel:
    subject = row.subject
    if isinstance(subject, LogRecord):
        return _of_log(row, subject)
    if isinstance(subject, SpanEvent):
        return _of_event(row, subject, timeline)
    if isinstance(subject, Gap):
        return _of_gap(row, subject)
    if isinstance(subject, Repeat):
        return _of_repeat(row, subject, timeline)
    if isinstance(subject, str) or row.span is None:
        return _of_missing(row)
    return _of_span(row, row.span, subject.self_ns, timeline)


def _of_span(row: Row, span: Span, self_ns: int, timeline: Timeline) -> Panel:
    where = location_in(span.attributes, span.resource)
    return Panel(
        row=row,
        title=row.name,
        figure=_part_of(span.duration_ns, timeline),
        subtitle=f"{span.service} · {span.kind} · at {figures.duration(row.start_ns)}",
        where=place(where),
        function=where.function if where else "",
        marks=tuple(timeline.marks[index] for index in row.findings),
        facts=(*_span_facts(span, self_ns), *(("note", note) for note in row.notes), *_skew_facts(row)),
        statement=span.text("db.query.text"),
        call=chosen(span.attributes, SQL if span.text("db.query.text") else HTTP),
        groups=groups_of(span),
        logs=_logs_under(row, timeline),
        flame=flame_of(span),
        failures=tuple(_failure(event, span) for event in span.events if naming.is_exception(event)),
        links=tuple((link.trace_id, link.span_id) for link in span.links),
        raw=_raw(plain.span_to_json(span)),
    )


def _of_repeat(row: Row, repeat: Repeat, timeline: Timeline) -> Panel:
    first = repeat.nodes[0].span
    one = _of_span(row, first, repeat.nodes[0].self_ns, timeline)
    how = "at once" if repeat.parallel else "one after another"
    members = tuple(
        Member(
            row_id=node.span.span_id,
            label=figures.duration(node.span.duration_ns),
            at=figures.duration(node.span.start_ns - timeline.start_ns),
        )
        for node in repeat.nodes[:200]
    )
    return Panel(
        row=row,
        title=row.name,
        figure=_part_of(repeat.union_ns, timeline),
        subtitle=f"{first.service} · {figures.count(repeat.count)} times, {how}",
        where=one.where,
        function=one.function,
        marks=one.marks,
        facts=(
            ("together", figures.duration(repeat.union_ns)),
            ("sum", figures.duration(repeat.total_ns)),
            ("p50 each", figures.duration(repeat.p50_ns)),
            ("slowest", figures.duration(repeat.max_ns)),
            *((("failed", figures.count(repeat.errors)),) if repeat.errors else ()),
            *chosen(first.attributes, DESCRIBED),
        ),
        statement=one.statement,
        call=one.call,
        groups=one.groups,
        failures=one.failures,
        members=members,
        raw=_raw([plain.span_to_json(node.span) for node in repeat.nodes[:20]]),
    )


def _of_log(row: Row, record: LogRecord) -> Panel:
    where = location_in(record.attributes, record.resource)
    facts = (
        ("logger", record.scope.name),
        ("template", record.text("tracestitch.log.template")),
        ("thread", record.text("thread.name")),
        ("time", f"{figures.date_and_clock(record.time_ns)} UTC"),
    )
    failed = record.text("exception.type") or record.text("exception.stacktrace")
    event = SpanEvent(time_ns=record.time_ns, name="exception", attributes=record.attributes)
    return Panel(
        row=row,
        title=naming.log_text(record)[:2_000] or "(empty)",
        figure=f"at {figures.duration(row.start_ns)}",
        subtitle=f"{record.service} · {row.badge}",
        where=place(where),
        function=where.function if where else "",
        facts=(*((key, text) for key, text in facts if text), *(("note", note) for note in row.notes)),
        groups=(
            Group(title="Log record", attributes=all_of(record.attributes)),
            Group(title="Process", attributes=all_of(record.resource.attributes)),
        ),
        failures=(_failure(event, record),) if failed else (),
        raw=_raw(plain.log_to_json(record)),
    )


def _of_event(row: Row, event: SpanEvent, timeline: Timeline) -> Panel:
    span = row.span or timeline.tree.nodes[0].span
    where = location_in(event.attributes, span.resource)
    return Panel(
        row=row,
        title=naming.event_text(event)[:2_000],
        figure=f"at {figures.duration(row.start_ns)}",
        subtitle=f"{row.service} · {row.badge.lower()} in {naming.shortened(span.name)}",
        where=place(where),
        function=where.function if where else "",
        groups=(Group(title="Event", attributes=all_of(event.attributes)),),
        failures=(_failure(event, span),) if naming.is_exception(event) else (),
        raw=_raw(plain.event_to_json(event)),
    )


def _of_gap(row: Row, gap: Gap) -> Panel:
    around = [("before", gap.before), ("after", gap.after)]
    return Panel(
        row=row,
        title=f"{figures.duration(gap.duration_ns)} without instrumentation",
        figure=figures.share(gap.duration_ns, max(gap.parent.duration_ns, 1)) + " of its span",
        subtitle=f"{gap.parent.service} · in {naming.shortened(gap.parent.name)}",
        where="",
        function="",
        facts=(
            ("likely", gap.guess),
            *((label, _with_place(span)) for label, span in around if span is not None),
            ("what to do", "Add a span around the work, or look at what runs between these two lines."),
        ),
    )


def _of_missing(row: Row) -> Panel:
    return Panel(
        row=row,
        title=row.name,
        figure="",
        subtitle="These spans name a parent that is not here.",
        where="",
        function="",
        facts=(
            (
                "likely",
                "The process that made it does not report here, was stopped before it could send, "
                "or samples its traces; or it is still on its way.",
            ),
        ),
    )


def _with_place(span: Span) -> str:
    where = place(location_in(span.attributes, span.resource))
    return naming.shortened(span.name) + (f" ({where})" if where else "")


def _part_of(ns: int, timeline: Timeline) -> str:
    root = timeline.root
    whole = root.duration_ns if root and root.duration_ns > 0 else timeline.duration_ns
    return f"{figures.duration(ns)} of {figures.duration(whole)}"


def _span_facts(span: Span, self_ns: int) -> Facts:
    status = span.status_code + (f": {span.status_message}" if span.status_message else "")
    facts = [("own time", figures.duration(self_ns))]
    if span.status_code != "unset":
        facts.append(("status", status))
    facts += chosen(span.attributes, DESCRIBED)
    facts += stages_of(span)
    if span.is_error and span.text("error.type"):
        facts.append(("error", span.text("error.type")))
    facts.append(("span", span.span_id))
    return tuple(facts)


def _skew_facts(row: Row) -> Facts:
    if not row.skew_ns:
        return ()
    return (("clock", f"seems {figures.duration(row.skew_ns)} off; shown as sent unless “Skew” is on"),)


def _logs_under(row: Row, timeline: Timeline) -> tuple[tuple[str, Row], ...]:
    place_of_row = timeline.rows.index(row)
    beneath = (
        other
        for other in timeline.rows[place_of_row:]
        if other.parent == place_of_row and other.kind == "log"
    )
    return tuple((figures.duration(other.start_ns), other) for other in beneath)


def _failure(event: SpanEvent, item: Span | LogRecord) -> Failure:
    handled = event.attributes.get("tracestitch.exception.handled") is True
    swallowed = event.name == "tracestitch.exception.swallowed"
    return Failure(
        text=naming.event_text(event)[:4_000],
        badge="swallowed" if swallowed else "handled" if handled else "raised",
        frames=frames_of(event.attributes, item.resource),
        stacktrace=naming.text_of(event.attributes.get("exception.stacktrace")),
        variables=variables_of(event.attributes, item.resource),
    )


def _raw(document: Sequence[Any] | Mapping[str, Any]) -> str:
    return json.dumps(document, ensure_ascii=False, indent=2)[:200_000]
