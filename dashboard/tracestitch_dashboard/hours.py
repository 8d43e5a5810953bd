"""A finding's history as a small chart: one step per hour, from when it was first seen, at least a day, up to now."""

from __future__ import annotations

from tracestitch_collector.checks.finding import Finding, Hours
from tracestitch_dashboard import figures, sparkline
from tracestitch_dashboard.sparkline import Column

HOUR_NS = 3600 * figures.SECOND_NS
LEAST, MOST = 24, 168


def points(finding: Finding, now_ns: int) -> str:
    """For the polyline of a list."""
    return sparkline.points([count for _, count in _filled(finding.history, now_ns)])


def columns(finding: Finding, now_ns: int) -> tuple[Column, ...]:
    stacks = [((float(count), "", _title(hour, count)),) for hour, count in _filled(finding.history, now_ns)]
    return sparkline.columns(stacks, height=40)


def _filled(history: Hours, now_ns: int) -> Hours:
    """With the hours that had none."""
    if not history:
        return ()
    counts = dict(history)
    last = max(now_ns // HOUR_NS, history[-1][0])
    first = max(min(history[0][0], last - LEAST + 1), last - MOST + 1)
    return tuple((hour, counts.get(hour, 0)) for hour in range(first, last + 1))


def _title(hour: int, count: int) -> str:
    return f"{figures.date_and_clock(hour * HOUR_NS)[:16]} UTC: {figures.counted(count, 'request')}"
