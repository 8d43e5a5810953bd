"""The findings known so far, what of a new evaluation is worth writing down, and which findings are over.

A finding goes quiet when the evaluation of an hour in which its route was asked does not show it any more; when
nobody asked its route, a day after it was last seen; at once when it rests on what processes say of themselves.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable
from dataclasses import dataclass, replace

from tracestitch_collector.checks.evidence import Place
from tracestitch_collector.checks.finding import Finding

REFRESH_NS = 15 * 10**9
"""Counts of a finding change with every request; they are written down this often at most."""
QUIET_AFTER_NS = 3600 * 10**9
LONGEST_OPEN_NS = 24 * QUIET_AFTER_NS


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an evaluation had before it, so that what it does not find can be told from what it could not find."""

    places: Collection[Place] = ()
    """Routes and tasks that were at work."""
    undecided: Collection[str] = ()
    """Checks that failed or kept back findings: what they do not name may be there all the same."""


class Ledger:
    """Every finding ever seen stays; one that is not seen again keeps its `last_seen_ns`."""

    def __init__(self, known: Iterable[Finding] = ()) -> None:
        self._known = {finding.fingerprint: finding for finding in known}
        self._written_ns: dict[str, int] = {}

    @property
    def findings(self) -> tuple[Finding, ...]:
        return tuple(self._known[key] for key in sorted(self._known))

    def due(self, found: Iterable[Finding], now_ns: int, seen: Seen | None = None) -> tuple[Finding, ...]:
        """What is new or changed, with the first time it was ever seen, and what has gone quiet. Call `written`
        once it is durable; until then the same is due again."""
        changed = []
        present = set()
        for finding in found:
            present.add(finding.fingerprint)
            known = self._known.get(finding.fingerprint)
            merged = merge(known, finding)
            rested = now_ns - self._written_ns.get(finding.fingerprint, 0) >= REFRESH_NS
            if known is None or _reads_differently(known, merged) or (merged != known and rested):
                changed.append(merged)
        absent = [one for one in self.findings if one.fingerprint not in present and one.state == "open"]
        quiet = [replace(one, state="quiet") for one in absent if _is_over(one, now_ns, seen or Seen())]
        return (*changed, *quiet)

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


def _is_over(finding: Finding, now_ns: int, seen: Seen) -> bool:
    if now_ns - finding.last_seen_ns > LONGEST_OPEN_NS:
        return True
    if finding.check in seen.undecided:
        return False
    if not finding.evidence:  # it rests on what the processes say, and they say otherwise now
        return True
    if now_ns - finding.last_seen_ns <= QUIET_AFTER_NS:
        return False
    return any(
        service == finding.service and finding.operation in ("", operation)
        for service, operation in seen.places
    )


def _reads_differently(known: Finding, found: Finding) -> bool:
    """Something that must be on the page at once."""
    return (known.severity, known.location, known.suppressed_by, known.state) != (
        found.severity,
        found.location,
        found.suppressed_by,
        found.state,
    )
