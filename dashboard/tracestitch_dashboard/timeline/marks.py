"""Which findings show in a trace, and at which of its spans.

A finding names at most three traces as its evidence. The same pitfall in another trace is recognised by the
line of code, and only for pitfalls that such a line proves.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.model import Span
from tracestitch_collector.traces.code import location_of
from tracestitch_collector.traces.tree import Tree

LOOP = 5
"""Calls from one line under one parent that count as a loop, as the checks have it."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """One finding in one trace."""

    finding: Finding
    span_ids: frozenset[str]
    is_evidence: bool
    """The finding names this trace; else the same line of code did the same here."""


def find(tree: Tree, findings: Iterable[Finding]) -> tuple[Mark, ...]:
    """Open findings of this trace, worst first (in the order they came in)."""
    marks = []
    for finding in findings:
        if finding.suppressed_by is not None:
            continue
        named = _named_spans(finding, tree.trace_id)
        if named is not None:
            marks.append(Mark(finding=finding, span_ids=named, is_evidence=True))
            continue
        alike = _alike(finding, tree)
        if alike:
            marks.append(Mark(finding=finding, span_ids=alike, is_evidence=False))
    return tuple(marks)


def _named_spans(finding: Finding, trace_id: str) -> frozenset[str] | None:
    for evidence in finding.evidence:
        if evidence.trace_id == trace_id:
            return frozenset(evidence.span_ids)
    return None


def _alike(finding: Finding, tree: Tree) -> frozenset[str]:
    proves = _PROOFS.get(finding.check)
    place = finding.location
    if proves is None or place is None:
        return frozenset()
    by_parent: dict[int, list[Span]] = {}
    for node in tree.nodes:
        span = node.span
        if span.service != finding.service or span.kind not in ("client", "producer"):
            continue
        found = location_of(span)
        if found is not None and (found.file, found.line) == (place.file, place.line):
            by_parent.setdefault(node.parent, []).append(span)
    return frozenset(span.span_id for spans in by_parent.values() if proves(spans) for span in spans)


def _is_loop(spans: list[Span]) -> bool:
    return len(spans) >= LOOP


def _has_no_limit(spans: list[Span]) -> bool:
    return any(span.attributes.get("tracestitch.timeout.missing") is True for span in spans)


_PROOFS: Mapping[str, Callable[[list[Span]], bool]] = {
    "n-plus-one-db": _is_loop,
    "n-plus-one-http": _is_loop,
    "missing-timeout": _has_no_limit,
    "shared-database": bool,
}
