"""When a finding is over: how many requests of its route have come since without it, and whether these are enough
to say so."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass, field
from typing import TypeAlias

from tracestitch_collector.checks.evidence import Place, Unit
from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.store.store import Inventory

QUIET_AFTER_NS = 3600 * 10**9
LONGEST_OPEN_NS = 24 * QUIET_AFTER_NS
LEAST_CLEAN = 5
"""A list may just have been short."""
DOUBT, DOUBT_AFTER_RESTART = 0.01, 0.05
"""How likely so many requests in a row may be without it, though nothing was mended."""
IN_EACH_REQUEST = frozenset({"n-plus-one-db", "n-plus-one-http", "missing-timeout", "broken-trace-context"})
"""Checks that a route shows whenever it is asked. The others need something to fail first, or several services:
that a request is without it says little."""

Process: TypeAlias = tuple[str, str]
"""(service, instance id)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Seen:
    """What an evaluation had before it, so that what it does not find can be told from what it could not find."""

    places: Mapping[Place, tuple[tuple[int, str], ...]] = field(default_factory=dict)
    """Routes and tasks that were at work: each request's start and the instance that answered it."""
    started_ns: Mapping[Process, int] = field(default_factory=dict)
    undecided: Collection[str] = ()
    """Checks that failed or kept back findings: what they do not name may be there all the same."""


def seen_in(units: Iterable[Unit], inventories: Iterable[Inventory], undecided: Collection[str] = ()) -> Seen:
    places: dict[Place, list[tuple[int, str]]] = {}
    for unit in units:
        span = unit.entry.span
        instance = span.resource.text("service.instance.id")
        places.setdefault(unit.place, []).append((span.start_ns, instance))
    return Seen(
        places={place: tuple(requests) for place, requests in places.items()},
        started_ns={(one.service, one.instance): one.time_ns for one in inventories},
        undecided=undecided,
    )


def clean_requests(finding: Finding, seen: Seen) -> int:
    """Requests of the finding's own route that began after it was last seen."""
    return len(_since(finding, seen))


def is_mended(finding: Finding, seen: Seen) -> bool:
    """Whether so many requests since then are without it that it would have shown; fewer are enough from a
    process that was started since, with other code or settings perhaps."""
    if finding.check not in IN_EACH_REQUEST or finding.check in seen.undecided:
        return False
    since = _since(finding, seen)
    restarted = sum(
        seen.started_ns.get((finding.service, instance), 0) > finding.last_seen_ns for _, instance in since
    )
    return len(since) >= max(_needed(finding, len(since), DOUBT), LEAST_CLEAN) or (
        restarted > 0 and restarted >= _needed(finding, len(since), DOUBT_AFTER_RESTART)
    )


def is_over(finding: Finding, now_ns: int, seen: Seen) -> bool:
    """Of a finding that the evaluation does not show."""
    if now_ns - finding.last_seen_ns > LONGEST_OPEN_NS:
        return True
    if finding.check in seen.undecided:
        return False
    if not finding.evidence or is_mended(finding, seen):
        return True  # without evidence it rests on what the processes say, and they say otherwise now
    if now_ns - finding.last_seen_ns <= QUIET_AFTER_NS:
        return False
    return any(
        service == finding.service and finding.operation in ("", operation)
        for service, operation in seen.places
    )


def _since(finding: Finding, seen: Seen) -> list[tuple[int, str]]:
    requests = seen.places.get((finding.service, finding.operation), ())
    return [one for one in requests if one[0] > finding.last_seen_ns]


def _needed(finding: Finding, clean: int, doubt: float) -> int:
    """What shows in one request of ten is not over because ten were without it."""
    before = max(finding.eligible - clean, finding.affected, 1)
    share = finding.affected / before
    if share >= 1:
        return 1
    return math.ceil(math.log(doubt) / math.log(1 - max(share, 0.001)))
