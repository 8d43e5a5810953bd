"""Makes the row of one thing: its name, its bar, its label, what is odd about it."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from tracestitch_collector.traces.gaps import Gap
from tracestitch_collector.traces.intervals import Interval, holes
from tracestitch_collector.traces.repeats import Repeat
from tracestitch_collector.traces.tree import Node
from tracestitch_dashboard import figures
from tracestitch_dashboard.timeline import naming
from tracestitch_dashboard.timeline.ground import Ground, Happening, Item, Missing, Record
from tracestitch_dashboard.timeline.row import Row

RESOLUTION = 2_000
"""Stretches closer than this part of the whole are drawn as one: no screen is wider."""
TICKS = 100
"""Log records marked on one bar."""


def row_of(item: Item, parent: int, ground: Ground, beneath: Sequence[Item]) -> Row:
    match item:
        case Node():
            return _span_row(item, parent, ground, beneath)
        case Repeat():
            return _repeat_row(item, parent, ground, beneath)
        case Record():
            return _log_row(item, parent, ground)
        case Happening():
            return _exception_row(item, parent, ground)
        case Gap():
            return _gap_row(item, parent, ground)
        case Missing():
            return _missing_row(item, parent, ground, beneath)


def _span_row(node: Node, parent: int, ground: Ground, beneath: Sequence[Item]) -> Row:
    span = node.span
    detail = naming.detail_of(span)
    return Row(
        id=span.span_id,
        kind="span",
        parent=parent,
        name=naming.name_of(node),
        service=span.service,
        icon=naming.icon_of(span),
        start_ns=span.start_ns - ground.start_ns,
        end_ns=span.end_ns - ground.start_ns,
        label=f"{figures.duration(span.duration_ns)}{' · ' if detail else ''}{detail}",
        is_error=span.is_error,
        solid=_own_time(node, ground),
        path=_drawable(ground.path.get(id(span), ()), ground),
        findings=ground.marks_by_span.get(span.span_id, ()),
        log_ticks=_ticks(beneath, ground),
        skew_ns=ground.skews.get(span.span_id, 0),
        notes=tuple(_oddities(node, ground)),
        has_children=bool(beneath),
        subject=node,
        span=span,
    )


def _ticks(beneath: Sequence[Item], ground: Ground) -> tuple[tuple[int, str], ...]:
    ticks = []
    for item in beneath:
        if isinstance(item, Record):
            level = naming.level_class(naming.level_of(item.record))
            ticks.append((item.record.time_ns - ground.start_ns, level))
        elif isinstance(item, Happening):
            level = "error" if naming.is_exception(item.event) else "info"
            ticks.append((item.event.time_ns - ground.start_ns, level))
    return tuple(ticks[:TICKS])


def _own_time(node: Node, ground: Ground) -> tuple[Interval, ...]:
    span = node.span
    children = ((child.span.start_ns, child.span.end_ns) for child in node.children)
    return _drawable(holes(children, span.start_ns, span.end_ns), ground)


def _drawable(intervals: Iterable[Interval], ground: Ground) -> tuple[Interval, ...]:
    """Relative to the start, with what no screen could separate joined."""
    near = ground.duration_ns // RESOLUTION
    joined: list[Interval] = []
    for start, end in sorted(intervals):
        if joined and start - ground.start_ns - joined[-1][1] <= near:
            joined[-1] = (joined[-1][0], max(joined[-1][1], end - ground.start_ns))
        else:
            joined.append((start - ground.start_ns, end - ground.start_ns))
    return tuple(joined)


def _oddities(node: Node, ground: Ground) -> Iterator[str]:
    span, parent = node.span, ground.tree.parent_of(node)
    if span.conflicting:
        yield "another span with the same id and other content arrived too"
    if span.copies > 1:
        yield f"arrived {span.copies} times, shown once"
    if span.duration_ns < 0:
        yield "says that it ended before it began"
    if parent is not None and span.start_ns < parent.span.start_ns:
        yield f"begins {figures.duration(parent.span.start_ns - span.start_ns)} before its parent"
    lost = span.dropped_attributes_count + span.dropped_events_count + span.dropped_links_count
    if lost:
        yield f"its sender dropped {figures.counted(lost, 'attribute, event or link', 'attributes, events or links')}"


def _repeat_row(repeat: Repeat, parent: int, ground: Ground, beneath: Sequence[Item]) -> Row:
    first = repeat.nodes[0].span
    spans = [node.span for node in repeat.nodes]
    found = {mark for span in spans for mark in ground.marks_by_span.get(span.span_id, ())}
    how = "at once" if repeat.parallel else "one after another"
    return Row(
        id=f"r-{first.span_id}",
        kind="repeat",
        parent=parent,
        name=naming.name_of(repeat.nodes[0]),
        service=first.service,
        icon=naming.icon_of(first),
        start_ns=first.start_ns - ground.start_ns,
        end_ns=max(span.end_ns for span in spans) - ground.start_ns,
        label=f"{figures.duration(repeat.union_ns)} in {figures.count(repeat.count)}, {how}",
        badge=f"{figures.count(repeat.count)}×",
        is_error=repeat.errors > 0,
        solid=_drawable(((span.start_ns, span.end_ns) for span in spans), ground),
        path=_drawable((part for span in spans for part in ground.path.get(id(span), ())), ground),
        findings=tuple(sorted(found)),
        skew_ns=ground.skews.get(first.span_id, 0),
        has_children=bool(beneath),
        subject=repeat,
        span=first,
    )


def _log_row(item: Record, parent: int, ground: Ground) -> Row:
    record = item.record
    level = naming.level_of(record)
    return Row(
        id=f"l-{item.place}",
        kind="log",
        parent=parent,
        name=naming.shortened(naming.log_text(record)) or "(empty)",
        service=record.service,
        icon="log",
        start_ns=record.time_ns - ground.start_ns,
        end_ns=record.time_ns - ground.start_ns,
        badge=level,
        level=naming.level_class(level),
        notes=("its span never arrived",) if item.stray and record.span_id else (),
        skew_ns=ground.skews.get(record.span_id, 0),
        subject=record,
    )


def _exception_row(item: Happening, parent: int, ground: Ground) -> Row:
    event, span = item.event, item.node.span
    raised, swallowed = naming.is_exception(event), event.name == "tracestitch.exception.swallowed"
    handled = event.attributes.get("tracestitch.exception.handled") is True
    return Row(
        id=f"x-{span.span_id}-{item.place}",
        kind="exception" if raised else "log",
        parent=parent,
        name=naming.shortened(naming.event_text(event)),
        service=span.service,
        icon="error" if raised else "event",
        start_ns=event.time_ns - ground.start_ns,
        end_ns=event.time_ns - ground.start_ns,
        badge="SWALLOWED" if swallowed else "HANDLED" if handled else "RAISED" if raised else "EVENT",
        level="warn" if swallowed or handled else "error" if raised else "info",
        skew_ns=ground.skews.get(span.span_id, 0),
        subject=event,
        span=span,
    )


def _gap_row(gap: Gap, parent: int, ground: Ground) -> Row:
    return Row(
        id=f"g-{gap.parent.span_id}-{gap.start_ns - gap.parent.start_ns}",
        kind="gap",
        parent=parent,
        name=f"{figures.duration(gap.duration_ns)} {naming.shortened(gap.guess)}",
        service=gap.parent.service,
        icon="gap",
        start_ns=gap.start_ns - ground.start_ns,
        end_ns=gap.end_ns - ground.start_ns,
        skew_ns=ground.skews.get(gap.parent.span_id, 0),
        subject=gap,
        span=gap.parent,
    )


def _missing_row(item: Missing, parent: int, ground: Ground, beneath: Sequence[Item]) -> Row:
    spans = [node.span for node in item.nodes]
    return Row(
        id=f"m-{item.span_id}",
        kind="missing",
        parent=parent,
        name=f"parent {item.span_id} never arrived",
        service=spans[0].service,
        icon="missing",
        start_ns=min(span.start_ns for span in spans) - ground.start_ns,
        end_ns=max(span.end_ns for span in spans) - ground.start_ns,
        has_children=bool(beneath),
        subject=item.span_id,
        span=None,
    )
