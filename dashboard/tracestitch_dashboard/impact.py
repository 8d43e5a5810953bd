"""Findings in the order in which they matter, as lists show them."""

from __future__ import annotations

from collections.abc import Iterable

from tracestitch_collector.checks.finding import SEVERITIES, Finding
from tracestitch_collector.store.store import Window


def by_impact(findings: Iterable[Finding]) -> tuple[Finding, ...]:
    """Worst severity first, then most time lost, then most requests touched."""
    return tuple(
        sorted(
            findings,
            key=lambda finding: (
                SEVERITIES.index(finding.severity),
                -finding.impact.ms_per_day,
                -finding.impact.requests_share,
                finding.title,
                finding.fingerprint,
            ),
        )
    )


def is_open(finding: Finding) -> bool:
    return finding.is_open


def seen_within(finding: Finding, window: Window) -> bool:
    return finding.last_seen_ns >= window.start_ns and finding.first_seen_ns < window.end_ns
