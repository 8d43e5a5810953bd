"""The bar of a trace in a list: as long as the trace took, split by the services its spans are of."""

from __future__ import annotations

from dataclasses import dataclass

from tracestitch_collector.store.store import TraceSummary

WIDTH = 220
THINNEST = 1.5


@dataclass(frozen=True, slots=True, kw_only=True)
class BarPart:
    service: str
    x: float
    width: float


def parts(summary: TraceSummary, scale_ns: int) -> tuple[BarPart, ...]:
    """The service of the root first, then those with most spans. Shares are of spans: which service took how
    much of the time only the whole trace can tell."""
    length = max(WIDTH * min(max(summary.duration_ns, 0) / max(scale_ns, 1), 1), THINNEST)
    counts = dict(summary.services) or {summary.root_service: 1}
    order = sorted(counts, key=lambda name: name != summary.root_service)  # stable: most spans first
    total = max(sum(counts.values()), 1)
    found, x = [], 0.0
    for name in order:
        width = length * counts[name] / total
        found.append(BarPart(service=name, x=round(x, 2), width=round(width, 2)))
        x += width
    return tuple(found)
