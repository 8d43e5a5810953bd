"""`/findings`: every pitfall found, by impact, grouped by what kind it is."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracestitch_collector.checks.finding import PITFALLS, SEVERITIES, Finding, to_json
from tracestitch_dashboard import impact
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.page import Page

STATES = ("open", "quiet", "suppressed", "all")


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    pitfall: str
    title: str
    findings: tuple[Finding, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Findings:
    findings: tuple[Finding, ...]
    """By impact."""
    groups: tuple[Group, ...]
    """The pitfall with the worst finding first."""
    counts: tuple[tuple[str, str, int], ...]
    """Pitfall, its title, and how many there are with the other filters as they are."""
    services: tuple[str, ...]
    state: str
    service: str
    severity: str
    pitfall: str
    elsewhere: int
    """Findings that the filters or the time leave out."""


def load(ask: Ask) -> Findings:
    state, service = ask.choice("state", STATES), ask.text("service")
    severity = ask.choice("severity", ("", *SEVERITIES))
    pitfall = ask.choice("pitfall", ("", *PITFALLS))
    everything = ask.store.findings()
    matching = [
        finding
        for finding in everything
        if state in ("all", _state(finding))
        and (not service or finding.service == service)
        and (not severity or finding.severity == severity)
        and impact.seen_within(finding, ask.period.window)
    ]
    chosen = impact.by_impact(f for f in matching if not pitfall or f.pitfall == pitfall)
    return Findings(
        findings=chosen,
        groups=_groups(chosen),
        counts=tuple(
            (key, title, sum(finding.pitfall == key for finding in matching))
            for key, title in PITFALLS.items()
        ),
        services=tuple(sorted({finding.service for finding in everything})),
        state=state,
        service=service,
        severity=severity,
        pitfall=pitfall,
        elsewhere=len(everything) - len(chosen),
    )


def _state(finding: Finding) -> str:
    return finding.state if finding.suppressed_by is None else "suppressed"


def _groups(findings: tuple[Finding, ...]) -> tuple[Group, ...]:
    by_pitfall: dict[str, list[Finding]] = {}
    for finding in findings:
        by_pitfall.setdefault(finding.pitfall, []).append(finding)
    titles: dict[str, str] = dict(PITFALLS.items())
    return tuple(
        Group(pitfall=pitfall, title=titles[pitfall], findings=tuple(members))
        for pitfall, members in by_pitfall.items()
    )


def to_document(found: Findings) -> dict[str, Any]:
    return {"findings": [to_json(finding) for finding in found.findings], "left_out": found.elsewhere}


PAGE = Page(
    name="Findings",
    path="/findings",
    twin="/findings.json",
    template="findings.html",
    parameters=("state", "service", "severity", "pitfall"),
    load=load,
    to_json=to_document,
    in_navigation=True,
)
