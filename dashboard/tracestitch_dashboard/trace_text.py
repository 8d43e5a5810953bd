"""One trace as text: the tree with its times, log lines and exceptions where they happened, findings marked."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TypeAlias

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.checks.wording import counted, duration
from tracestitch_collector.model import LogRecord, Span, Trace
from tracestitch_collector.traces import critical_path, gaps, repeats, skew, tree
from tracestitch_collector.traces.code import location_of, place
from tracestitch_collector.traces.gaps import Gap
from tracestitch_collector.traces.repeats import Repeat
from tracestitch_collector.traces.tree import Node, Tree
from tracestitch_dashboard.terminal import Paint, clean, moment

BAR = 24
DEEPEST = 30
"""Levels that are indented; beneath them the depth is written as a number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    depth: int
    start_ns: int
    duration_ns: int | None
    """None for what has only a moment."""
    text: str
    style: str = ""


Item: TypeAlias = "Row | Node | Repeat"


def draw(trace: Trace, findings: Sequence[Finding], paint: Paint, *, folded: bool = True) -> Iterator[str]:
    built = tree.build(trace)
    start_ns, end_ns = _extent(trace.spans)
    yield from _head(trace, built, findings, paint)
    yield ""
    for row in rows(built, trace.logs, findings, folded=folded):
        yield _line(row, start_ns, end_ns, paint)


def _head(trace: Trace, built: Tree, findings: Sequence[Finding], paint: Paint) -> Iterator[str]:
    start_ns, end_ns = _extent(trace.spans)
    root = built.main_root
    name = clean(repeats.method_and_route(root.span)) if root else "no spans"
    services = {span.service for span in trace.spans}
    status = root.span.number("http.response.status_code") if root else None
    whole_ns = end_ns - start_ns
    answered_ns = root.span.duration_ns if root and root.span.duration_ns > 0 else whole_ns
    yield paint(
        "bold", f"{name}  {f'{status:.0f}  ' if status is not None else ''}{took(answered_ns, whole_ns)}"
    )
    parts = [
        counted(len(services), "service"),
        counted(len(trace.spans), "span"),
        counted(len(trace.logs), "log"),
        counted(len(findings), "finding"),
    ]
    yield f"{' · '.join(parts)} · {moment(start_ns)} UTC · {clean(trace.trace_id)}"
    if trace.partial:
        yield paint("yellow", f"not all there is: {clean(trace.partial)}")
    shares = _shares(built)
    if shares:
        yield f"critical path: {shares}"
    for finding in findings:
        where = f"  {place(finding.location)}" if finding.location else ""
        yield paint("yellow", f"⚑ {clean(finding.title)}{clean(where)}  ({finding.check})")
    for problem in built.problems:
        yield paint("dim", f"! {clean(problem)}")
    yield from _skew_lines(built, paint)


def took(answered_ns: int, whole_ns: int) -> str:
    """`318 ms`, and how long it was with the work that went on after the answer, as in a task."""
    later = whole_ns > answered_ns * 1.01
    return duration(answered_ns) + (f" ({duration(whole_ns)} with what ran after it)" if later else "")


def _shares(built: Tree) -> str:
    path = critical_path.share_by_service(critical_path.find(built))
    total = sum(ns for _, ns in path)
    return (
        " · ".join(f"{clean(service, 60)} {100 * ns / total:.0f} %" for service, ns in path) if total else ""
    )


def _skew_lines(built: Tree, paint: Paint) -> Iterator[str]:
    for pair in skew.pair_offsets(built):
        if abs(pair.offset_ns) >= skew.ACCURACY_NS:
            yield paint(
                "dim",
                f"! The clock of {clean(pair.callee[0], 60)} seems to be {duration(abs(pair.offset_ns))} "
                f"{'behind' if pair.offset_ns > 0 else 'ahead of'} that of {clean(pair.caller[0], 60)}; "
                "times are shown as they were sent.",
            )


def rows(
    built: Tree, logs: Iterable[LogRecord], findings: Sequence[Finding], *, folded: bool = True
) -> Iterator[Row]:
    """Every span once (the members of a folded repeat in one row), logs and exceptions beneath their span."""
    known = {node.span.span_id for node in built.nodes}
    by_span: dict[str, list[LogRecord]] = {}
    for record in logs:
        by_span.setdefault(record.span_id if record.span_id in known else "", []).append(record)
    holes: dict[int, list[Gap]] = {}
    for gap in gaps.find(built):
        holes.setdefault(id(gap.parent), []).append(gap)
    marks = _marks(built.trace_id, findings)
    stack: list[tuple[int, Item]] = [(0, item) for item in reversed(_siblings(built.roots, folded))]
    while stack:
        depth, item = stack.pop()
        if isinstance(item, Row):
            yield item
        elif isinstance(item, Repeat):
            yield _repeat_row(item, depth, marks)
        else:
            yield _span_row(item, depth, marks)
            span = item.span
            beneath: list[Item] = [
                *_siblings(item.children, folded),
                *_log_rows(by_span.pop(span.span_id, []), depth + 1),  # once, where several spans share an id
                *_exception_rows(span, depth + 1),
                *_gap_rows(holes.get(id(span), []), depth + 1),
            ]
            beneath.sort(key=_start_of)
            stack.extend((depth + 1, one) for one in reversed(beneath))
    yield from _log_rows([record for left in by_span.values() for record in left], 0)


def _siblings(nodes: Sequence[Node], folded: bool) -> Sequence[Repeat | Node]:
    return repeats.fold(nodes) if folded else nodes


def _start_of(item: Item) -> int:
    if isinstance(item, Repeat):
        return item.nodes[0].span.start_ns
    return item.span.start_ns if isinstance(item, Node) else item.start_ns


def _marks(trace_id: str, findings: Sequence[Finding]) -> Mapping[str, str]:
    """Span id → the checks that found something there."""
    marks: dict[str, list[str]] = {}
    for finding in findings:
        for shown in finding.evidence:
            if shown.trace_id == trace_id:
                for span_id in shown.span_ids:
                    marks.setdefault(span_id, []).append(finding.check)
    return {span_id: "⚑ " + ", ".join(dict.fromkeys(checks)) for span_id, checks in marks.items()}


def _span_row(node: Node, depth: int, marks: Mapping[str, str]) -> Row:
    span = node.span
    parts = [clean(_named(span), 100), f"[{clean(span.service, 60)}]"]
    status = span.number("http.response.status_code")
    if status is not None:
        parts.append(f"{status:.0f}")
    if span.is_error:
        parts.append(f"✖ {clean(span.status_message, 120)}".rstrip())
    where = place(location_of(span))
    if where:
        parts.append(clean(where, 120))
    if node.orphan:
        parts.append(f"(its parent {clean(span.parent_span_id)} never arrived)")
    if span.span_id in marks:
        parts.append(marks[span.span_id])
    return Row(
        depth=depth,
        start_ns=span.start_ns,
        duration_ns=max(span.duration_ns, 0),
        text=" ".join(parts),
        style="red" if span.is_error else "",
    )


def _named(span: Span) -> str:
    if span.kind == "server":
        return repeats.method_and_route(span)
    return span.text("db.query.summary") or span.name


def _repeat_row(repeat: Repeat, depth: int, marks: Mapping[str, str]) -> Row:
    first, last = repeat.nodes[0].span, max(node.span.end_ns for node in repeat.nodes)
    how = "in parallel" if repeat.parallel else "one after another"
    marked = next((marks[node.span.span_id] for node in repeat.nodes if node.span.span_id in marks), "")
    parts = [
        f"{repeat.count}× {clean(repeat.label, 100)} [{clean(first.service, 60)}]",
        f"{duration(repeat.total_ns)} in all, {how}, p50 {duration(repeat.p50_ns)}, max {duration(repeat.max_ns)}",
        f"✖ {repeat.errors} failed" if repeat.errors else "",
        clean(place(location_of(first)), 120),
        marked,
    ]
    return Row(
        depth=depth,
        start_ns=first.start_ns,
        duration_ns=last - first.start_ns,
        text=" ".join(part for part in parts if part),
        style="red" if repeat.errors else "bold",
    )


def _log_rows(records: Iterable[LogRecord], depth: int) -> Iterator[Row]:
    for record in records:
        severe = record.severity_number >= 17
        level = clean(record.severity_text or ("ERROR" if severe else "LOG"), 10)
        body = record.body if isinstance(record.body, str) else str(record.body)
        yield Row(
            depth=depth,
            start_ns=record.time_ns,
            duration_ns=None,
            text=f"▤ {level} {clean(body, 200)}",
            style="red" if severe else "cyan",
        )


def _exception_rows(span: Span, depth: int) -> Iterator[Row]:
    for event in span.events:
        if event.name in ("exception", "tracestitch.exception.swallowed"):
            kind = clean(str(event.attributes.get("exception.type", "exception")), 100)
            message = clean(str(event.attributes.get("exception.message", "")), 200)
            swallowed = " (caught, and nobody told)" if event.name != "exception" else ""
            yield Row(
                depth=depth,
                start_ns=event.time_ns,
                duration_ns=None,
                text=f"✖ {kind}: {message}{swallowed}",
                style="red",
            )


def _gap_rows(found: Iterable[Gap], depth: int) -> Iterator[Row]:
    for gap in found:
        yield Row(
            depth=depth,
            start_ns=gap.start_ns,
            duration_ns=gap.duration_ns,
            text=f"░ {clean(gap.guess, 200)}",
            style="dim",
        )


def _line(row: Row, start_ns: int, end_ns: int, paint: Paint) -> str:
    at = duration(row.start_ns - start_ns) if row.start_ns >= start_ns else "before"
    took = duration(row.duration_ns) if row.duration_ns is not None else ""
    indent = "  " * min(row.depth, DEEPEST) + (f"…{row.depth} " if row.depth > DEEPEST else "")
    bar = _bar(row, start_ns, end_ns)
    text = f"{indent}{row.text}"
    return f"{at:>9} {took:>9} {bar} {paint(row.style, text) if row.style else text}"


def _bar(row: Row, start_ns: int, end_ns: int) -> str:
    whole = max(end_ns - start_ns, 1)
    first = min(max((row.start_ns - start_ns) * BAR // whole, 0), BAR - 1)
    if row.duration_ns is None:
        return "·" * first + "◆" + "·" * (BAR - first - 1)
    last = min(max(-((start_ns - row.start_ns - row.duration_ns) * BAR // whole), first + 1), BAR)
    return "·" * first + "█" * (last - first) + "·" * (BAR - last)


def _extent(spans: Sequence[Span]) -> tuple[int, int]:
    if not spans:
        return 0, 0
    return min(span.start_ns for span in spans), max(span.end_ns for span in spans)
