"""Lays the rows of a timeline one under the other: what belongs to a span comes beneath it, by time."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from tracestitch_collector.model import SpanEvent
from tracestitch_collector.traces.gaps import Gap
from tracestitch_collector.traces.repeats import Repeat, fold
from tracestitch_collector.traces.tree import Node, Tree
from tracestitch_dashboard.timeline import naming
from tracestitch_dashboard.timeline.ground import Ground, Happening, Item, Missing, Record
from tracestitch_dashboard.timeline.making import row_of
from tracestitch_dashboard.timeline.row import TOP, Row

OPEN_DEPTH = 2
"""Levels of a big trace that are open at first."""


def lay(ground: Ground, most: int) -> tuple[Row, ...]:
    """At most so many rows, a parent before what lies under it."""
    logs, stray = _logs_by_span(ground)
    rows: list[Row] = []
    seen: dict[str, int] = {}
    stack = [(item, TOP) for item in reversed(_tops(ground.tree, stray))]
    while stack and len(rows) < most:
        item, parent = stack.pop()
        beneath = _beneath(item, ground, logs, stray)
        row = row_of(item, parent, ground, beneath)
        number = seen[row.id] = seen.get(row.id, 0) + 1
        if number > 1:  # the same span id twice
            row = replace(row, id=f"{row.id}~{number}")
        stack.extend((under, len(rows)) for under in reversed(beneath))
        rows.append(row)
    return _folded(rows, ground)


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
    return sorted(beneath, key=_begins)


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
