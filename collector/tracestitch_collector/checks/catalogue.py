"""The table of checks. A check is a module: its id, its pitfall, its title and a pure `find`."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
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
    swallowed_error,
)
from tracestitch_collector.checks.evidence import Evidence
from tracestitch_collector.checks.finding import Finding, Pitfall


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


@dataclass(frozen=True, slots=True, kw_only=True)
class Evaluation:
    findings: tuple[Finding, ...]
    """By fingerprint; each once."""
    failures: Mapping[str, str]
    """Check id → what it raised: a check that fails must not silence the others."""


def evaluate(evidence: Evidence, checks: Sequence[Check] = CHECKS) -> Evaluation:
    found: dict[str, Finding] = {}
    failures: dict[str, str] = {}
    for check in checks:
        try:
            for finding in check.find(evidence):
                found.setdefault(finding.fingerprint, finding)
        except Exception as error:
            failures[check.ID] = f"{type(error).__name__}: {error}"
    return Evaluation(findings=tuple(found[key] for key in sorted(found)), failures=failures)
