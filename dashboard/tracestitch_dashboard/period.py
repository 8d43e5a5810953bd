"""The stretch of time a page looks at, shared by all pages through the address: `range=1h`, or `from` and `to`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, datetime

from tracestitch_collector.store.store import Window
from tracestitch_dashboard import figures
from tracestitch_dashboard.errors import BadQuery

RANGES: Mapping[str, tuple[str, int]] = {
    "15m": ("Last 15 min", 900),
    "1h": ("Last hour", 3600),
    "6h": ("Last 6 h", 6 * 3600),
    "24h": ("Last 24 h", 24 * 3600),
    "7d": ("Last 7 d", 7 * 86_400),
}
DEFAULT = "1h"
AHEAD_NS = 5 * figures.SECOND_NS
"""Clocks of other machines may run ahead of ours; what they sent just now must not be missing."""
LEAST_COVERED_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Period:
    window: Window
    label: str
    parameters: Mapping[str, str] = field(default_factory=dict)
    """As they stand in the address; empty for the default."""
    seconds: float

    @property
    def is_relative(self) -> bool:
        return "from" not in self.parameters


def covered_seconds(period: Period, oldest_ns: int, now_ns: int) -> float:
    """What a rate is divided by: the part of the period that is past and not before the first data, but never so
    little that some seconds' burst becomes a rate."""
    start_ns, end_ns = max(period.window.start_ns, oldest_ns), min(period.window.end_ns, now_ns)
    return min(period.seconds, max((end_ns - start_ns) / figures.SECOND_NS, LEAST_COVERED_S))


def parse(parameters: Mapping[str, str], now_ns: int) -> Period:
    """Raises BadQuery with what a good value looks like."""
    start, end = parameters.get("from", ""), parameters.get("to", "")
    if start or end:
        return _absolute(start, end, now_ns)
    name = parameters.get("range") or DEFAULT
    if name not in RANGES:
        raise BadQuery(f"The range is “{name[:80]}”; it is one of {', '.join(RANGES)}, or give from and to.")
    label, seconds = RANGES[name]
    return Period(
        window=Window(start_ns=now_ns - seconds * figures.SECOND_NS, end_ns=now_ns + AHEAD_NS),
        label=label,
        parameters={} if name == DEFAULT else {"range": name},
        seconds=seconds,
    )


def _absolute(start: str, end: str, now_ns: int) -> Period:
    end_ns = _time(end, "to") if end else now_ns + AHEAD_NS
    start_ns = _time(start, "from") if start else end_ns - RANGES[DEFAULT][1] * figures.SECOND_NS
    if start_ns >= end_ns:
        raise BadQuery(f"The time range ends ({end or 'now'}) before it begins ({start}); swap from and to.")
    return Period(
        window=Window(start_ns=start_ns, end_ns=end_ns),
        label=f"{figures.date_and_clock(start_ns)[:16]} – {figures.date_and_clock(end_ns)[:16]} UTC",
        parameters={key: value for key, value in (("from", start), ("to", end)) if value},
        seconds=(end_ns - start_ns) / figures.SECOND_NS,
    )


def _time(text: str, name: str) -> int:
    """ISO 8601 (UTC where it names no zone), or a number of seconds, milliseconds or nanoseconds."""
    if text.isascii() and text.isdecimal() and len(text) <= 19:
        number = int(text)
        scale = 1 if len(text) > 16 else 10**6 if len(text) > 11 else 10**9
        return min(number * scale, 2**63 - 1)
    try:
        when = datetime.fromisoformat(text)
        zoned = when if when.tzinfo else when.replace(tzinfo=UTC)
        seconds = zoned.replace(microsecond=0).timestamp()
    except (ValueError, OverflowError) as error:
        raise BadQuery(
            f"“{name}” is “{text[:80]}”; a time looks like 2026-11-24T12:00 or 2026-11-24T12:00:31.120Z."
        ) from error
    return int(seconds) * figures.SECOND_NS + zoned.microsecond * 1000
