"""The table of checks. A check is a module: its id, its pitfall, its title and a pure `find`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from tracestitch_collector.checks import (
    broken_trace_context,
    debug_exposed,
    dependency_drift,
    error_contract_drift,
    missing_timeout,
    n_plus_one_db,
    n_plus_one_http,
    shared_database,
    suppression,
    swallowed_error,
)
from tracestitch_collector.checks.evidence import Evidence
from tracestitch_collector.checks.finding import SEVERITIES, Finding, Pitfall
from tracestitch_collector.checks.wording import shortened
from tracestitch_collector.model import Span


class Check(Protocol):
    ID: str
    PITFALL: Pitfall
    TITLE: str

    def find(self, evidence: Evidence) -> Iterable[Finding]: ...


CHECKS: tuple[Check, ...] = (
    shared_database,
    dependency_drift,
    debug_exposed,
    n_plus_one_db,
    n_plus_one_http,
    broken_trace_context,
    error_contract_drift,
    missing_timeout,
    swallowed_error,
)


MOST_PER_CHECK = 200
"""Findings of one check in one evaluation: telemetry must not be able to flood the store."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    findings: tuple[Finding, ...]
    """By fingerprint; each once."""
    failures: Mapping[str, str]
    """Check id → what it raised: a check that fails must not silence the others."""
    left_out: Mapping[str, int]
    """Check id → how many findings were more than is kept of one check."""


def evaluate(evidence: Evidence, checks: Sequence[Check] = CHECKS) -> Evaluation:
    found: dict[str, Finding] = {}
    failures: dict[str, str] = {}
    left_out: dict[str, int] = {}
    marked = _marked(evidence)
    for check in checks:
        try:
            unique = {finding.fingerprint: finding for finding in check.find(evidence)}
        except Exception as error:
            failures[check.ID] = f"{type(error).__name__}: {error}"
            continue
        unique = {key: _with_misnamed(finding, marked) for key, finding in unique.items()}
        kept = sorted(unique.values(), key=_weight)[:MOST_PER_CHECK]
        if len(kept) < len(unique):
            left_out[check.ID] = len(unique) - len(kept)
        found.update((finding.fingerprint, _bounded(finding)) for finding in kept)
    return Evaluation(
        findings=tuple(found[key] for key in sorted(found)), failures=failures, left_out=left_out
    )


def _marked(evidence: Evidence) -> Mapping[tuple[str, str], Span]:
    """Spans whose line has a comment that switches checks off."""
    spans = (span for trace in evidence.traces for span in trace.spans)
    return {(span.trace_id, span.span_id): span for span in spans if "tracestitch.ignore" in span.attributes}


def _with_misnamed(finding: Finding, marked: Mapping[tuple[str, str], Span]) -> Finding:
    """A comment with a wrong name switches nothing off; nobody would know why."""
    places = ((shown.trace_id, span_id) for shown in finding.evidence for span_id in shown.span_ids)
    ids = [check.ID for check in CHECKS]
    misnamed = suppression.unknown_in(ids, (marked[place] for place in places if place in marked))
    if not misnamed:
        return finding
    text = f"the comment at the line names {', '.join(misnamed[:5])}, which is no check; this one is {finding.check}"
    return replace(finding, details=(("not suppressed", text), *finding.details))


def _weight(finding: Finding) -> tuple[int, float, str]:
    return SEVERITIES.index(finding.severity), -finding.impact.ms_per_day, finding.fingerprint


def _bounded(finding: Finding) -> Finding:
    """Names and statements come from telemetry and may be megabytes."""
    fix = finding.fix
    return replace(
        finding,
        title=shortened(finding.title, 500),
        service=shortened(finding.service, 500),
        operation=shortened(finding.operation, 500),
        suppressed_by=None if finding.suppressed_by is None else shortened(finding.suppressed_by, 500),
        impact=replace(finding.impact, text=shortened(finding.impact.text, 1_000)),
        fix=replace(
            fix, text=shortened(fix.text, 1_500), before=shortened(fix.before), after=shortened(fix.after)
        ),
        details=tuple((shortened(label, 200), shortened(text)) for label, text in finding.details[:60]),
    )
