"""A finding: one pitfall at one place, with its evidence, the line of code and a fix."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any, Literal, TypeAlias

Pitfall: TypeAlias = Literal["P1", "P2", "P3", "P4", "P5", "P6", "P7"]
PITFALLS: Mapping[Pitfall, str] = {
    "P1": "Hidden complexity",
    "P2": "Drifting environments",
    "P3": "Unsafe settings",
    "P4": "Wasted time",
    "P5": "Lost context",
    "P6": "Inconsistent APIs",
    "P7": "Fragile error handling",
}
Severity: TypeAlias = Literal["critical", "important", "normal", "low"]
SEVERITIES: tuple[Severity, ...] = ("critical", "important", "normal", "low")
"""Worst first."""
Tier: TypeAlias = Literal["A", "B", "C"]
"""A proven in the process, B seen in the structure of traces, C statistical."""
State: TypeAlias = Literal["open", "quiet"]
"""Quiet: it was seen, and is not there any more as far as can be told (see closing.py)."""
Hours: TypeAlias = tuple[tuple[int, int], ...]
"""(hours since the epoch, requests that showed it among those looked at), in order; hours without any are left out."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Location:
    file: str
    """Relative to the app's root where the line lies beneath it, else absolute."""
    line: int
    function: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    trace_id: str
    span_ids: tuple[str, ...]
    """The offending spans, in time order; the first is where a page should look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Impact:
    ms_per_day: float
    """Time lost on the critical path in a day of the traffic there was; 0 where it costs no time."""
    requests_share: float
    """0–1: share of the eligible requests that are touched."""
    text: str
    """In words, for people."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Fix:
    text: str
    before: str
    after: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Finding:
    fingerprint: str
    """Sixteen hex digits, equal for the same pitfall at the same place: see `fingerprint`."""
    check: str
    pitfall: Pitfall
    severity: Severity
    tier: Tier
    title: str
    """One plain sentence with this system's numbers: '41 queries where 2 would do'."""
    service: str
    operation: str
    """The root operation's name in the service ('GET /stock'); empty where the finding has none."""
    location: Location | None
    evidence: tuple[Evidence, ...]
    """At most three traces: worst, median, latest. Empty for findings from the inventory."""
    affected: int
    eligible: int
    impact: Impact
    fix: Fix
    first_seen_ns: int
    last_seen_ns: int
    suppressed_by: str | None = None
    """The reason given at the line of code or in the baseline."""
    details: tuple[tuple[str, str], ...] = ()
    """Further facts as (label, text) for the page: statement, table, versions side by side."""
    state: State = "open"
    clean: int = 0
    """Requests of its route since it was last seen, all without it, among those looked at."""
    history: Hours = ()
    """Of a week at most; empty for findings from the inventory."""

    @property
    def is_open(self) -> bool:
        """It is there, and nobody has said that it may be."""
        return self.state == "open" and self.suppressed_by is None

    def seen_since(self, first_seen_ns: int) -> Finding:
        return replace(self, first_seen_ns=min(self.first_seen_ns, first_seen_ns))


def fingerprint(check: str, *place: str) -> str:
    """Stable id of a finding from the check and the words that name its place (service, route, statement)."""
    return hashlib.blake2b("\x1f".join((check, *place)).encode(), digest_size=8).hexdigest()


def to_json(finding: Finding) -> dict[str, Any]:
    """The form of design.md §8, `details`, `state`, `clean_requests` and `history` added."""
    location = finding.location
    return {
        "fingerprint": finding.fingerprint,
        "check": finding.check,
        "pitfall": finding.pitfall,
        "severity": finding.severity,
        "tier": finding.tier,
        "title": finding.title,
        "service": finding.service,
        "operation": finding.operation,
        "location": location
        and {"file": location.file, "line": location.line, "function": location.function},
        "evidence": [{"trace_id": e.trace_id, "span_ids": list(e.span_ids)} for e in finding.evidence],
        "affected": finding.affected,
        "eligible": finding.eligible,
        "impact": {
            "ms_per_day": finding.impact.ms_per_day,
            "requests_share": finding.impact.requests_share,
            "text": finding.impact.text,
        },
        "fix": {"text": finding.fix.text, "before": finding.fix.before, "after": finding.fix.after},
        "first_seen_ns": finding.first_seen_ns,
        "last_seen_ns": finding.last_seen_ns,
        "suppressed_by": finding.suppressed_by,
        "details": [list(pair) for pair in finding.details],
        "state": finding.state,
        "clean_requests": finding.clean,
        "history": [list(pair) for pair in finding.history],
    }


def from_json(document: Mapping[str, Any]) -> Finding:
    """The inverse of `to_json`. Raises KeyError or TypeError on a document that is not a finding."""
    location = document["location"]
    return Finding(
        fingerprint=document["fingerprint"],
        check=document["check"],
        pitfall=document["pitfall"],
        severity=document["severity"],
        tier=document["tier"],
        title=document["title"],
        service=document["service"],
        operation=document["operation"],
        location=Location(**location) if location else None,
        evidence=tuple(
            Evidence(trace_id=item["trace_id"], span_ids=tuple(item["span_ids"]))
            for item in document["evidence"]
        ),
        affected=document["affected"],
        eligible=document["eligible"],
        impact=Impact(**document["impact"]),
        fix=Fix(**document["fix"]),
        first_seen_ns=document["first_seen_ns"],
        last_seen_ns=document["last_seen_ns"],
        suppressed_by=document["suppressed_by"],
        details=tuple((label, text) for label, text in document["details"]),
        # What findings written by earlier versions do not have:
        state=document.get("state", "open"),
        clean=document.get("clean_requests", 0),
        history=tuple((hour, count) for hour, count in document.get("history", ())),
    )
