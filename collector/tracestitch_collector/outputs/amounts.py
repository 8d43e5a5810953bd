"""What one series of an app's counter or histogram amounts to, put together from what its processes said.

A cumulative stream begins anew with each process, and processes without an instance id of their own share one
series. So the last word of each start time is kept and the sum of all of them exposed: it neither falls when a
worker is replaced nor jumps between two workers that report in turn.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field

from tracestitch_collector.decode.metrics import Point

MAX_SOURCES = 64
"""Processes of one series that are told apart. Where there are more, the word of the one that was silent for longest
is final, if that was long."""
SILENT_NS = 600 * 1_000_000_000
MAX_BUCKETS = 160


@dataclass(slots=True)
class Amount:
    value: float = 0.0
    """Of a counter; the sum of a histogram."""
    count: int = 0
    buckets: dict[float, int] = field(default_factory=dict)
    """Upper bound to how many fell between it and the one below, not cumulated."""

    def add(self, other: Amount) -> None:
        self.value += other.value
        self.count += other.count
        for bound, count in other.buckets.items():
            if bound not in self.buckets and len(self.buckets) >= MAX_BUCKETS:
                bound = math.inf
            self.buckets[bound] = self.buckets.get(bound, 0) + count

    def is_below(self, other: Amount) -> bool:
        """Whether this cannot have grown from the other."""
        return self.count < other.count or (not self.count and self.value < other.value)

    def cumulated(self) -> list[tuple[str, int]]:
        """Buckets as Prometheus writes them, by their bounds."""
        running = 0
        found = []
        for bound, count in sorted(self.buckets.items()):
            running += count
            if bound != math.inf:
                found.append((repr(bound), running))
        return [*found, ("+Inf", max(running, self.count))]


@dataclass(slots=True)
class Source:
    """The last word of one process."""

    time_ns: int
    updated_ns: int
    amount: Amount


class Sum:
    """All that is known of one series."""

    def __init__(self, base: Amount | None = None, sources: dict[int, Source] | None = None) -> None:
        self._base = base or Amount()
        self._sources: dict[int, Source] = sources or {}

    def parts(self) -> tuple[Amount, Mapping[int, Source]]:
        """What is final, and what each process said last, by its start."""
        return self._base, self._sources

    def add(self, amount: Amount) -> None:
        """What came on top: a delta."""
        self._base.add(amount)

    def tell(self, point: Point, amount: Amount, now_ns: int, *, goes_down: bool = False) -> bool:
        """What a cumulative stream says it has come to. False where there are too many to tell them apart: one
        whose word was final and who speaks again would be counted twice."""
        source = self._sources.get(point.start_ns)
        if source is None:
            if len(self._sources) >= MAX_SOURCES and not self._finish_silent(now_ns):
                return False
            self._sources[point.start_ns] = Source(point.time_ns, now_ns, amount)
            return True
        if point.time_ns < source.time_ns:
            return True
        if not goes_down and amount.is_below(source.amount):  # began anew without saying so
            self._base.add(source.amount)
        source.time_ns, source.updated_ns, source.amount = point.time_ns, now_ns, amount
        return True

    def total(self) -> Amount:
        whole = Amount()
        whole.add(self._base)
        for source in self._sources.values():
            whole.add(source.amount)
        return whole

    def now(self, since_ns: int) -> float:
        """Of what goes up and down: the deltas, and what processes said that still say something."""
        alive = [source.amount.value for source in self._sources.values() if source.updated_ns >= since_ns]
        return self._base.value + sum(alive)

    def _finish_silent(self, now_ns: int) -> bool:
        start_ns = min(self._sources, key=lambda start: self._sources[start].updated_ns)
        if now_ns - self._sources[start_ns].updated_ns < SILENT_NS:
            return False
        self._base.add(self._sources.pop(start_ns).amount)
        return True


def of_number(point: Point) -> Amount:
    return Amount(value=point.value)


def of_histogram(point: Point) -> Amount:
    bounds = (*point.bounds[: MAX_BUCKETS - 1], math.inf)
    buckets = dict.fromkeys(bounds, 0)
    for place, count in enumerate(point.counts):
        buckets[bounds[min(place, len(bounds) - 1)]] += count
    return Amount(value=point.sum, count=point.count, buckets=buckets)


def of_exponential(point: Point) -> Amount:
    """An exponential histogram in buckets of powers of two, into which those of every finer scale fall exactly.
    What is not above zero is in a bucket of its own."""
    buckets: dict[float, int] = {}
    offset, counts = point.positive
    for place, count in enumerate(counts[:20_000]):
        if count:
            bound = _bound(offset + place, point.scale)
            buckets[bound] = buckets.get(bound, 0) + count
    low = point.zero_count + sum(point.negative[1])
    if low:
        buckets[0.0] = low
    if len(buckets) > MAX_BUCKETS:  # hostile: real values do not span so many powers of two
        buckets = {}
    return Amount(value=point.sum, count=point.count, buckets={**_filled(buckets), math.inf: 0})


def _bound(index: int, scale: int) -> float:
    """The upper bound of a bucket, as the power of two at or above it."""
    if scale < -20:
        return math.inf
    exponent = ((index + 1) << -scale) if scale < 0 else -((-(index + 1)) >> max(scale, 0))
    return math.ldexp(1.0, max(-1_000, exponent)) if exponent < 1_000 else math.inf


def _filled(buckets: Mapping[float, int]) -> dict[float, int]:
    """With the powers of two between the lowest and the highest, so that a quantile is not drawn across a gap."""
    bounds = [bound for bound in buckets if 0 < bound < math.inf]
    if not bounds or math.log2(max(bounds) / min(bounds)) > MAX_BUCKETS:
        return dict(buckets)
    lowest, highest = round(math.log2(min(bounds))), round(math.log2(max(bounds)))
    whole = {math.ldexp(1.0, power): 0 for power in range(lowest - 1, highest + 1)}
    return {**whole, **buckets}
