"""The findings known so far, what of a new evaluation is worth writing down, and which findings are over.

A finding goes quiet when enough requests of its route have come since without it, or when the evaluation of an hour
in which its route was asked does not show it any more (see closing.py); when nobody asked its route, a day after it
was last seen; at once when it rests on what processes say of themselves.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import replace

from tracestitch_collector.checks import closing
from tracestitch_collector.checks.closing import Seen
from tracestitch_collector.checks.finding import Finding, Hours

REFRESH_NS = 15 * 10**9
"""Counts of a finding change with every request; they are written down this often at most."""
HOURS_KEPT = 168
"""Of a finding's history: a week."""


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
        seen = seen or Seen()
        changed = []
        present = set()
        for finding in found:
            present.add(finding.fingerprint)
            known = self._known.get(finding.fingerprint)
            merged = judged(merge(known, finding), seen)
            rested = now_ns - self._written_ns.get(finding.fingerprint, 0) >= REFRESH_NS
            if known is None or _reads_differently(known, merged) or (merged != known and rested):
                changed.append(merged)
        absent = [one for one in self.findings if one.fingerprint not in present and one.state == "open"]
        return (*changed, *(one for finding in absent for one in self._absent(finding, now_ns, seen)))

    def _absent(self, finding: Finding, now_ns: int, seen: Seen) -> tuple[Finding, ...]:
        clean = max(closing.clean_requests(finding, seen), finding.clean)
        if closing.is_over(finding, now_ns, seen):
            return (replace(finding, state="quiet", clean=clean),)
        rested = now_ns - self._written_ns.get(finding.fingerprint, 0) >= REFRESH_NS
        return (replace(finding, clean=clean),) if rested and clean != finding.clean else ()

    def written(self, findings: Iterable[Finding], now_ns: int) -> None:
        for finding in findings:
            self._known[finding.fingerprint] = finding
            self._written_ns[finding.fingerprint] = now_ns


def merge(known: Finding | None, found: Finding) -> Finding:
    """The newer account, with the times and the history of both."""
    if known is None:
        return found
    return replace(
        found,
        first_seen_ns=min(known.first_seen_ns, found.first_seen_ns),
        last_seen_ns=max(known.last_seen_ns, found.last_seen_ns),
        history=_together(known.history, found.history),
    )


def judged(finding: Finding, seen: Seen) -> Finding:
    """With the requests that have come since without it; quiet, though older ones still show it, where these are
    enough."""
    clean = closing.clean_requests(finding, seen)
    return replace(finding, clean=clean, state="quiet" if closing.is_mended(finding, seen) else finding.state)


def _together(known: Hours, found: Hours) -> Hours:
    """An hour is looked at again and again while it lasts: its largest count is the truest."""
    counts = dict(known)
    for hour, count in found:
        counts[hour] = max(counts.get(hour, 0), count)
    return tuple(sorted(counts.items()))[-HOURS_KEPT:]


def _reads_differently(known: Finding, found: Finding) -> bool:
    """Something that must be on the page at once."""
    return (known.severity, known.location, known.suppressed_by, known.state) != (
        found.severity,
        found.location,
        found.suppressed_by,
        found.state,
    )
