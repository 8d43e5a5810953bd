"""`/findings/{fingerprint}`: one pitfall: where, why it hurts, its evidence, the fix, how to suppress it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracestitch_collector.checks.finding import PITFALLS, Evidence, Finding, to_json
from tracestitch_dashboard import diff, hours
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.diff import Line
from tracestitch_dashboard.errors import NotFound
from tracestitch_dashboard.page import Page
from tracestitch_dashboard.small_timeline import SmallTimeline, small_timeline
from tracestitch_dashboard.sparkline import Column

_WHICH = ("worst", "typical", "latest")


@dataclass(frozen=True, slots=True, kw_only=True)
class Exhibit:
    which: str
    evidence: Evidence
    drawing: SmallTimeline | None
    """None when the trace is no longer kept."""


@dataclass(frozen=True, slots=True, kw_only=True)
class FindingPage:
    finding: Finding
    pitfall: str
    exhibits: tuple[Exhibit, ...]
    fix: tuple[Line, ...]
    hours: tuple[Column, ...]
    suppression: str
    """The comment for the line of code."""


def load(ask: Ask) -> FindingPage:
    fingerprint = ask.path["fingerprint"].lower()
    finding = next((f for f in ask.store.findings() if f.fingerprint == fingerprint), None)
    if finding is None:
        raise NotFound(
            f"There is no finding “{ask.path['fingerprint'][:80]}” here. It may be older than what is kept, "
            "or lie in another collector."
        )
    return FindingPage(
        finding=finding,
        pitfall=PITFALLS[finding.pitfall],
        exhibits=tuple(_exhibit(ask, finding, place) for place in range(len(finding.evidence))),
        fix=diff.lines(finding.fix.before, finding.fix.after),
        hours=hours.columns(finding, ask.now_ns),
        suppression=f"# tracestitch: ignore[{finding.check}] reason",
    )


def _exhibit(ask: Ask, finding: Finding, place: int) -> Exhibit:
    evidence = finding.evidence[place]
    timeline = ask.timelines.get(evidence.trace_id, ask.now_ns, ask.colours)
    names = _WHICH if len(finding.evidence) == len(_WHICH) else ("worst", "latest")
    return Exhibit(
        which=names[place] if len(finding.evidence) > 1 and place < len(names) else "seen in",
        evidence=evidence,
        drawing=small_timeline(timeline, frozenset(evidence.span_ids)) if timeline else None,
    )


PAGE = Page(
    name="Findings",
    path="/findings/{fingerprint}",
    twin="/findings/{fingerprint}.json",
    template="finding.html",
    load=load,
    to_json=lambda page: finding_document(page),
)


def finding_document(page: FindingPage) -> dict[str, Any]:
    return {**to_json(page.finding), "suppression": page.suppression}
