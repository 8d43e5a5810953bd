"""Lays the rows of a timeline one under the other: what belongs to a span comes beneath it, by time."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace

from tracestitch_collector.model import LogRecord, SpanEvent, Trace
from tracestitch_collector.traces.gaps import Gap
from tracestitch_collector.traces.intervals import Interval, holes
from tracestitch_collector.traces.repeats import Repeat, fold
from tracestitch_collector.traces.tree import Node, Tree
from tracestitch_dashboard import figures
from tracestitch_dashboard.timeline import naming
from tracestitch_dashboard.timeline.row import TOP, Row

RESOLUTION = 2_000
"""Stretches closer than this part of the whole are drawn as one: no screen is wider."""
OPEN_DEPTH = 2
"""Levels of a big trace that are open at first."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """What is known about the trace before the rows are laid. Keyed by identity of the span where ids may repeat."""

    trace: Trace
    tree: Tree
    start_ns: int
    duration_ns: int
    path: Mapping[int, Sequence[Interval]]
    gaps: Mapping[int, Sequence[Gap]]
    marks_by_span: Mapping[str, tuple[int, ...]]
    skews: Mapping[str, int]
    big: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Happening:
    """An event of a span that has a row of its own."""

    event: SpanEvent
    node: Node
    place: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Missing:
    """A parent that never arrived, with the spans that name it."""

    span_id: str
    nodes: tuple[Node, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    record: LogRecord
    place: int
    """In the trace's logs."""
    stray: bool = False
    """Its span is not in the trace."""


def lay(ground: Ground, most: int) -> tuple[Row, ...]:
    """At most so many rows, a parent before what lies under it."""
    logs, stray = _logs_by_span(ground)
    rows: list[Row] = []
    seen: dict[str, int] = {}
    stack = [(item, TOP) for item in reversed(_tops(ground.tree, stray))]
    while stack and len(rows) < most:
        item, parent = stack.pop()
        beneath = _beneath(item, ground, logs, stray)
        row = _row(item, parent, ground)
        number = seen[row.id] = seen.get(row.id, 0) + 1
        if number > 1:  # the same span id twice
            row = replace(row, id=f"{row.id}~{number}")
        stack.extend((under, len(rows)) for under in reversed(beneath))
        rows.append(replace(row, has_children=bool(beneath)))
    return _folded(rows, ground)


Item = Node | Repeat | Record | Happening | Gap | Missing


def _tops(tree: Tree, stray: list[Record]) -> list[Item]:
    tops: list[Item] = [node for node in tree.roots if not node.orphan]
    tops += [Missing(span_id=parent, nodes=nodes) for parent, nodes in tree.orphans_by_parent().items()]
    return tops or list(stray)


def _logs_by_span(ground: Ground) -> tuple[dict[str, list[Record]], list[Record]]:
    known = {span.span_id for span in ground.trace.spans}
    logs: dict[str, list[Record]] = {}
    stray: list[Record] = []
    for place, record in enumerate(ground.trace.logs):
        if record.span_id in known:
            logs.setdefault(record.span_id, []).append(Record(record=record, place=place))
        else:
            stray.append(Record(record=record, place=place, stray=True))
    return logs, stray


def _beneath(
    item: Item, ground: Ground, logs: dict[str, list[Record]], stray: list[Record]
) -> Sequence[Item]:
    if isinstance(item, Repeat):
        return item.nodes
    if isinstance(item, Missing):
        return fold(item.nodes)
    if not isinstance(item, Node):
        return ()
    span = item.span
    beneath: list[Item] = [*fold(item.children)]
    # A span id that came twice has its logs once, under the first.
    beneath += logs.pop(span.span_id, ())
    beneath += [
        Happening(event=event, node=item, place=place)
        for place, event in enumerate(span.events)
        if naming.is_exception(event) or not _is_logged(event)
    ]
    beneath += ground.gaps.get(id(span), ())
    if item is ground.tree.main_root:
        beneath += stray
    return sorted(beneath, key=_begins) if len(beneath) > len(item.children) else beneath


def _is_logged(event: SpanEvent) -> bool:
    """Events that other instrumentations copy from the log, which is there already."""
    return event.name == "log"


def _begins(item: Item) -> int:
    match item:
        case Node():
            return item.span.start_ns
        case Repeat():
            return item.nodes[0].span.start_ns
        case Record():
            return item.record.time_ns
        case Happening():
            return item.event.time_ns
        case Gap():
            return item.start_ns
        case Missing():
            return item.nodes[0].span.start_ns


def _row(item: Item, parent: int, ground: Ground) -> Row:
    match item:
        case Node():
            return _span_row(item, parent, ground)
        case Repeat():
            return _repeat_row(item, parent, ground)
        case Record():
            return _log_row(item, parent, ground)
        case Happening():
            return _exception_row(item, parent, ground)
        case Gap():
            return _gap_row(item, parent, ground)
        case Missing():
            return _missing_row(item, parent, ground)


def _span_row(node: Node, parent: int, ground: Ground) -> Row:
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
        skew_ns=ground.skews.get(span.span_id, 0),
        notes=tuple(_oddities(node, ground)),
        subject=node,
        span=span,
    )


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


def _repeat_row(repeat: Repeat, parent: int, ground: Ground) -> Row:
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


def _missing_row(item: Missing, parent: int, ground: Ground) -> Row:
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
        subject=item.span_id,
        span=None,
    )


def _folded(rows: list[Row], ground: Ground) -> tuple[Row, ...]:
    """Repeats are closed at first; in a big trace everything deep is that leads to nothing of interest."""
    if not ground.big:
        return tuple(replace(row, folded=True) if row.kind == "repeat" else row for row in rows)
    depth: list[int] = []
    leads = [False] * len(rows)
    for index, row in enumerate(rows):
        depth.append(0 if row.parent == TOP else depth[row.parent] + 1)
        on_path = sum(end - start for start, end in row.path)
        if row.kind != "repeat" and (row.is_error or row.findings or on_path * 50 > ground.duration_ns):
            leads[index] = True
    for index in range(len(rows) - 1, -1, -1):
        if leads[index] and rows[index].parent != TOP:
            leads[rows[index].parent] = True
    return tuple(
        replace(row, folded=True)
        if row.has_children and (row.kind == "repeat" or (depth[index] >= OPEN_DEPTH and not leads[index]))
        else row
        for index, row in enumerate(rows)
    )
