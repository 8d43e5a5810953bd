"""From single cases of a pitfall to what a finding says of them: which traces show it best, how many
requests it touches, and what it costs a day.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import TypeVar

from tracestitch_collector.checks import finding, suppression, wording
from tracestitch_collector.checks.evidence import Evidence, Place, Unit
from tracestitch_collector.checks.finding import Hours, Impact, Location
from tracestitch_collector.model import Span
from tracestitch_collector.traces import critical_path
from tracestitch_collector.traces.code import location_of
from tracestitch_collector.traces.tree import Node, Tree

SPANS_SHOWN = 100
"""Span ids per trace in a finding."""

HOUR_NS = 3_600 * 10**9
DAY_NS = 24 * HOUR_NS


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


def impact(evidence: Evidence, cases: Sequence[Case], eligible: Sequence[Unit], text: str) -> Impact:
    """`eligible` are the units of the sample among which the cases were found. A day's cost is that of the
    sample, spread over all requests there were, at the rate of the time that was observed."""
    if not eligible:
        return Impact(ms_per_day=0.0, requests_share=0.0, text=text)
    traffic = evidence.traffic
    names = {(unit.service, unit.entry.span.name) for unit in eligible}
    requests = max(len(eligible), sum(traffic.requests.get(name, 0) for name in names))
    lost_ns = sum(case.cost_ns for case in cases) * requests / len(eligible)
    a_day_ns = lost_ns * DAY_NS / traffic.observed_ns
    affected = len({id(case.unit) for case in cases})
    if a_day_ns >= 1_000_000:
        text += (
            f" With as many requests as in the last {wording.duration(traffic.observed_ns)}: "
            f"{wording.duration(a_day_ns)} a day."
        )
    return Impact(
        ms_per_day=round(a_day_ns / 1e6, 1),
        requests_share=round(min(affected / len(eligible), 1.0), 4),
        text=text,
    )


def common_location(spans: Iterable[Span]) -> Location | None:
    """The line most of the spans come from."""
    counts = Counter(location for location in map(location_of, spans) if location is not None)
    return max(counts, key=lambda location: (counts[location], location.file, location.line), default=None)


def per_hour(cases: Iterable[Case]) -> Hours:
    """Requests that show it, by the hour."""
    counts = Counter({id(case.unit): case.time_ns // HOUR_NS for case in cases}.values())
    return tuple(sorted(counts.items()))


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    """Where a finding points."""

    location: Location | None
    suppressed_by: str | None
    details: tuple[tuple[str, str], ...] = ()
    """What has to be said about it."""


def line_of(check: str, last: Case, location: Location | None, what: str) -> Line:
    """The line of the calls, else the view that they were made for; `what` names the calls."""
    entry = last.unit.entry.span
    if location is not None:
        return Line(location=location, suppressed_by=suppression.reason_for(check, last.spans))
    view = location_of(entry)
    return Line(
        location=view,
        suppressed_by=suppression.reason_for(check, (*last.spans, entry)),
        details=(("line", f"in the view; the {what} itself comes from a library"),) if view else (),
    )


def site(location: Location | None, place: Place) -> str:
    """What tells one place in the code from another while its lines move: file and function, else the route."""
    return f"{location.file}:{location.function}" if location else place[1]


def worst_place(cases: Sequence[Case]) -> Place:
    """Where most time is lost, among the routes that lead to the same line."""
    lost: dict[Place, int] = {}
    for case in cases:
        lost[case.unit.place] = lost.get(case.unit.place, 0) + case.cost_ns
    return max(lost, key=lambda place: (lost[place], place))


def asked(cases: Sequence[Case], worst: Place) -> str:
    """`GET /orders`, `GET /orders and 2 other routes`."""
    others = len({case.unit.operation for case in cases}) - 1
    return f"{worst[1]} and {wording.counted(others, 'other route')}" if others else worst[1]


def other_places(cases: Sequence[Case], worst: Place) -> tuple[tuple[str, str], ...]:
    others = sorted({case.unit.operation for case in cases} - {worst[1]})
    return (("also on", wording.listed(others, 8)),) if others else ()


def units_at(evidence: Evidence, cases: Iterable[Case]) -> tuple[Unit, ...]:
    """Of the routes on which the cases were found."""
    places = {case.unit.place for case in cases}
    return tuple(unit for unit in evidence.units if unit.place in places)


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
