"""From a trace to its timeline: every span, log record, exception, gap and missing parent becomes a row.

Nothing recurses: a trace may be ten thousand levels deep.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.model import Span, Trace
from tracestitch_collector.process.oddities import AHEAD_NS, LATE_NS
from tracestitch_collector.traces import critical_path, gaps, skew, tree
from tracestitch_collector.traces.critical_path import Segment
from tracestitch_collector.traces.tree import Tree
from tracestitch_dashboard import figures, palette
from tracestitch_dashboard.timeline import marks as findings_marks
from tracestitch_dashboard.timeline.ground import Ground
from tracestitch_dashboard.timeline.laying import lay
from tracestitch_dashboard.timeline.row import ServiceShare, Timeline

MOST_ROWS = 60_000
"""Beyond, a browser is no help; the JSON twin has everything."""
SKELETON_FROM = 1_000
"""Spans from which on only what matters is open at first."""


def build(trace: Trace, findings: Iterable[Finding], colours: Mapping[str, int]) -> Timeline:
    built = tree.build(trace)
    segments = critical_path.find(built)
    marks = findings_marks.find(built, findings)
    start_ns, duration_ns = _extent(trace)
    ground = Ground(
        trace=trace,
        tree=built,
        start_ns=start_ns,
        duration_ns=duration_ns,
        path=_path_by_span(segments),
        gaps=_gaps_by_span(built),
        marks_by_span=_marks_by_span(marks),
        skews=skew.estimate(built),
        big=len(trace.spans) > SKELETON_FROM,
    )
    rows = lay(ground, MOST_ROWS)
    services = {span.service for span in trace.spans} | {record.service for record in trace.logs}
    notes = [
        text
        for text in (trace.partial, *built.problems, *_odd_times(trace.spans), *_skew_notes(built))
        if text
    ]
    if len(rows) == MOST_ROWS:
        notes.append(f"Only the first {figures.count(MOST_ROWS)} rows are drawn; the JSON has everything.")
    return Timeline(
        trace=trace,
        tree=built,
        rows=rows,
        start_ns=start_ns,
        duration_ns=duration_ns,
        segments=segments,
        shares=_shares(trace.spans, segments),
        colours=palette.within(services, colours),
        marks=marks,
        notes=tuple(notes),
    )


def _extent(trace: Trace) -> tuple[int, int]:
    starts = [span.start_ns for span in trace.spans] or [record.time_ns for record in trace.logs] or [0]
    ends = [max(span.end_ns, span.start_ns) for span in trace.spans] or [max(starts)]
    return min(starts), max(max(ends) - min(starts), 1)


def _path_by_span(segments: Sequence[Segment]) -> dict[int, list[tuple[int, int]]]:
    """By identity of the span, since ids may be used twice."""
    path: dict[int, list[tuple[int, int]]] = {}
    for segment in segments:
        path.setdefault(id(segment.span), []).append((segment.start_ns, segment.end_ns))
    return path


def _gaps_by_span(built: Tree) -> dict[int, list[gaps.Gap]]:
    found: dict[int, list[gaps.Gap]] = {}
    for gap in gaps.find(built):
        found.setdefault(id(gap.parent), []).append(gap)
    return found


def _marks_by_span(marks: Sequence[findings_marks.Mark]) -> dict[str, tuple[int, ...]]:
    by_span: dict[str, tuple[int, ...]] = {}
    for index, mark in enumerate(marks):
        for span_id in mark.span_ids:
            by_span[span_id] = (*by_span.get(span_id, ()), index)
    return by_span


def _shares(spans: Sequence[Span], segments: Sequence[Segment]) -> tuple[ServiceShare, ...]:
    on_path = dict(critical_path.share_by_service(segments))
    counts: dict[str, list[int]] = {}
    for span in spans:
        tally = counts.setdefault(span.service, [0, 0])
        tally[0] += 1
        tally[1] += span.is_error
    shares = [
        ServiceShare(service=service, path_ns=on_path.get(service, 0), spans=number, errors=errors)
        for service, (number, errors) in counts.items()
    ]
    return tuple(sorted(shares, key=lambda share: (-share.path_ns, -share.spans, share.service)))


def _odd_times(spans: Sequence[Span]) -> list[str]:
    """What /metrics counts as odd, said where it is seen; spans of before this was noted have no time of receipt."""
    received = [span for span in spans if span.received_ns]
    late = sum(span.received_ns - max(span.end_ns, span.start_ns) > LATE_NS for span in received)
    ahead = sum(span.start_ns - span.received_ns > AHEAD_NS for span in received)
    notes = []
    if late:
        notes.append(f"{figures.counted(late, 'span')} arrived an hour or more after the end.")
    if ahead:
        notes.append(f"{figures.counted(ahead, 'span')} began later than received: a clock is ahead.")
    return notes


def _skew_notes(built: Tree) -> list[str]:
    notes = []
    for pair in skew.pair_offsets(built):
        if abs(pair.offset_ns) >= skew.ACCURACY_NS:
            direction = "behind" if pair.offset_ns > 0 else "ahead of"
            notes.append(
                f"The clock of {pair.callee[0]} seems to be {figures.duration(abs(pair.offset_ns))} {direction} "
                f"that of {pair.caller[0]}; “Skew” applies the estimate."
            )
    return notes
