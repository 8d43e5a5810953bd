"""Found traces over time and duration, to see the odd ones."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from tracestitch_collector.store.store import TraceSummary, Window

HEIGHT = 96
MARGIN = 8
EDGE = 0.7
"""Percent left free at both sides, so that no dot is cut."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Dot:
    x: float
    """Percent."""
    y: float
    kind: str
    """`error`, `finding` or `fine`; the form differs too."""
    summary: TraceSummary


def scatter(traces: Sequence[TraceSummary], findings: Mapping[str, int], window: Window) -> tuple[Dot, ...]:
    """Time to the right, duration upwards on a logarithmic scale. Nothing for fewer than two traces."""
    if len(traces) < 2:
        return ()
    heights = [math.log10(max(summary.duration_ns, 1)) for summary in traces]
    low, high = min(heights), max(heights)
    starts = [summary.start_ns for summary in traces]
    first, last = max(min(starts), window.start_ns), max(*starts, window.start_ns + 1)
    return tuple(
        Dot(
            x=round(EDGE + (100 - 2 * EDGE) * (summary.start_ns - first) / max(last - first, 1), 2),
            y=round(HEIGHT - MARGIN - (HEIGHT - 2 * MARGIN) * (height - low) / max(high - low, 1e-9), 1),
            kind="error" if summary.error_count else "finding" if findings.get(summary.trace_id) else "fine",
            summary=summary,
        )
        for summary, height in zip(traces, heights, strict=True)
    )
