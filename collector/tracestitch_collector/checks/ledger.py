"""The findings known so far, and what of a new evaluation is worth writing down."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tracestitch_collector.checks.finding import Finding

REFRESH_NS = 15 * 10**9
"""Counts of a finding change with every request; they are written down this often at most."""


class Ledger:
    """Every finding ever seen stays; one that is not seen again keeps its `last_seen_ns`."""

    def __init__(self, known: Iterable[Finding] = ()) -> None:
        self._known = {finding.fingerprint: finding for finding in known}
        self._written_ns: dict[str, int] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._known[key] for key in sorted(self._known))

    def due(self, found: Iterable[Finding], now_ns: int) -> tuple[Finding, ...]:
        """Of what was found: what is new or changed, with the first time it was ever seen. Call `written`
        once it is durable; until then the same is due again."""
        changed = []
        for finding in found:
            known = self._known.get(finding.fingerprint)
            merged = merge(known, finding)
            rested = now_ns - self._written_ns.get(finding.fingerprint, 0) >= REFRESH_NS
            if known is None or _reads_differently(known, merged) or (merged != known and rested):
                changed.append(merged)
        return tuple(changed)

    def written(self, findings: Iterable[Finding], now_ns: int) -> None:
        for finding in findings:
            self._known[finding.fingerprint] = finding
            self._written_ns[finding.fingerprint] = now_ns


def merge(known: Finding | None, found: Finding) -> Finding:
    """The newer account, with the times of both."""
    if known is None:
        return found
    return replace(
        found,
        first_seen_ns=min(known.first_seen_ns, found.first_seen_ns),
        last_seen_ns=max(known.last_seen_ns, found.last_seen_ns),
    )


def _reads_differently(known: Finding, found: Finding) -> bool:
    """Something that must be on the page at once."""
    return (known.severity, known.location, known.suppressed_by) != (
        found.severity,
        found.location,
        found.suppressed_by,
    )
