"""From single cases of a pitfall to what a finding says of them: which traces show it best, how many
requests it touches, and what it costs a day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tracestitch_collector.checks import finding
from tracestitch_collector.checks.evidence import Unit
from tracestitch_collector.checks.finding import Impact, Location
from tracestitch_collector.model import Span
from tracestitch_collector.traces import critical_path
from tracestitch_collector.traces.code import location_of
from tracestitch_collector.traces.tree import Node, Tree

SPANS_SHOWN = 100
"""Span ids per trace in a finding."""

DAY_NS = 86_400 * 10**9
LEAST_OBSERVED_NS = 60 * 10**9
"""A few requests in one second do not make a rate."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Case:
    """The pitfall in one unit of work."""

    unit: Unit
    spans: tuple[Span, ...] = field(repr=False)
    """The offending ones, in time order."""
    cost_ns: int = 0
    """Time on the critical path that would be saved without it."""

    @property
    def time_ns(self) -> int:
        return self.unit.entry.span.start_ns


CaseT = TypeVar("CaseT", bound=Case)


def exhibits(cases: Sequence[Case]) -> tuple[finding.Evidence, ...]:
    """Worst, median and latest, each trace once."""
    if not cases:
        return ()
    by_cost = sorted(cases, key=lambda case: (-case.cost_ns, -len(case.spans), case.time_ns))
    chosen = [by_cost[0], by_cost[len(by_cost) // 2], latest(cases)]
    return shown(list({id(case): case for case in chosen}.values()))


def shown(cases: Sequence[Case]) -> tuple[finding.Evidence, ...]:
    """The cases in their order, those of one trace together."""
    ids: dict[str, dict[str, None]] = {}
    for case in cases:
        known = ids.setdefault(case.unit.tree.trace_id, {})
        known.update(dict.fromkeys(span.span_id for span in case.spans))
    return tuple(
        finding.Evidence(trace_id=trace_id, span_ids=tuple(known)[:SPANS_SHOWN])
        for trace_id, known in ids.items()
    )


def latest(cases: Sequence[CaseT]) -> CaseT:
    return max(cases, key=lambda case: (case.time_ns, case.unit.tree.trace_id))


def first_and_last_ns(cases: Sequence[Case]) -> tuple[int, int]:
    times = [case.time_ns for case in cases]
    return min(times), max(times)


def impact(cases: Sequence[Case], eligible: Sequence[Unit], text: str) -> Impact:
    """`eligible` are the units among which the cases were found; the time they cover gives the rate."""
    starts = [unit.entry.span.start_ns for unit in eligible]
    observed_ns = max(max(starts) - min(starts), LEAST_OBSERVED_NS) if starts else LEAST_OBSERVED_NS
    lost_ns = sum(case.cost_ns for case in cases)
    affected = len({id(case.unit) for case in cases})
    return Impact(
        ms_per_day=round(lost_ns / 1e6 * DAY_NS / observed_ns, 1),
        requests_share=round(min(affected / len(eligible), 1.0), 4) if eligible else 0.0,
        text=text,
    )


def common_location(spans: Iterable[Span]) -> Location | None:
    """The line most of the spans come from."""
    counts = Counter(location for location in map(location_of, spans) if location is not None)
    return max(counts, key=lambda location: (counts[location], location.file, location.line), default=None)


def on_critical_path_ns(built: Tree, nodes: Sequence[Node]) -> int:
    """How long the request was waiting for these spans or what they called."""
    beneath = _spans_beneath(nodes)
    return sum(
        segment.duration_ns
        for segment in critical_path.find(built)
        if not segment.detached and id(segment.span) in beneath
    )


def _spans_beneath(nodes: Sequence[Node]) -> set[int]:
    found: set[int] = set()
    stack = list(nodes)
    while stack:
        node = stack.pop()
        found.add(id(node.span))
        stack.extend(node.children)
    return found
