"""Metric series of one family: counts and histograms by label values, bounded in number.

What exceeds the bound is counted in an overflow series that keeps the service where it can
(`otel_metric_overflow="true"`), so that totals stay true while hostile or unbounded names cost no memory.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field

from prometheus_client.core import Metric
from prometheus_client.samples import Exemplar

BOUNDS_S = (0.005, 0.01, 0.025, 0.05, 0.075, 0.1, 0.25, 0.5, 0.75, 1.0, 2.5, 5.0, 7.5, 10.0)
"""Upper bounds of every duration histogram: the semantic conventions' list."""

OVERFLOW_LABEL = "otel_metric_overflow"
MAX_LABEL_LENGTH = 200
"""Characters of a label value that are kept: names are written by whoever sends the telemetry."""

_LE = (*(str(bound) for bound in BOUNDS_S), "+Inf")


@dataclass(slots=True, kw_only=True)
class Series:
    """One series. `buckets` holds plain (not cumulative) counts, empty for a counter."""

    updated_ns: int
    count: int = 0
    sum_s: float = 0.0
    buckets: list[int] = field(default_factory=list)
    exemplars: dict[int, Exemplar] = field(default_factory=dict)


class Family:
    """The series of one metric. Not thread-safe: the aggregator holds its lock around every call."""

    def __init__(self, *, labels: tuple[str, ...], max_series: int, idle_ns: int) -> None:
        self._label_names = labels
        self._max_series = max_series
        self._idle_ns = idle_ns
        self._series: dict[tuple[str, ...], Series] = {}
        self._overflow: dict[str, Series] = {}
        self.overflowed = 0
        """Items that were counted in an overflow series."""

    def __len__(self) -> int:
        return len(self._series) + len(self._overflow)

    def at(self, values: tuple[str, ...], count: int, now_ns: int) -> Series:
        """The series with these label values, made when there is room, else the overflow series of the first
        label's value. `count` items are about to be added to it."""
        key = tuple(value[:MAX_LABEL_LENGTH] for value in values)
        series = self._series.get(key)
        if series is None:
            if len(self._series) >= self._max_series:
                self._drop_idle(now_ns)
            if len(self._series) >= self._max_series:
                return self._overflow_at(key[0], count, now_ns)
            series = self._series[key] = Series(updated_ns=now_ns)
        series.updated_ns = now_ns
        return series

    def add(self, values: tuple[str, ...], count: int, now_ns: int) -> None:
        self.at(values, count, now_ns).count += count

    def observe(
        self,
        values: tuple[str, ...],
        *,
        bucket: int,
        count: int,
        sum_s: float,
        exemplar: Exemplar,
        now_ns: int,
    ) -> None:
        """Add `count` durations that fall into one bucket (an index into BOUNDS_S, its length for +Inf)."""
        series = self.at(values, count, now_ns)
        if not series.buckets:
            series.buckets = [0] * len(_LE)
        series.buckets[bucket] += count
        series.count += count
        series.sum_s += sum_s
        series.exemplars[bucket] = exemplar

    def counters(self, name: str, documentation: str) -> Metric:
        metric = Metric(name, documentation, "counter")
        for labels, series in self._labelled():
            metric.add_sample(f"{name}_total", labels, series.count)
        return metric

    def histograms(self, name: str, documentation: str) -> Metric:
        metric = Metric(name, documentation, "histogram")
        for labels, series in self._labelled():
            running = 0
            for index, count in enumerate(series.buckets):
                running += count
                metric.add_sample(
                    f"{name}_bucket",
                    {**labels, "le": _LE[index]},
                    running,
                    exemplar=series.exemplars.get(index),
                )
            metric.add_sample(f"{name}_count", labels, series.count)
            metric.add_sample(f"{name}_sum", labels, series.sum_s)
        return metric

    def _labelled(self) -> Iterator[tuple[dict[str, str], Series]]:
        for key, series in self._series.items():
            yield dict(zip(self._label_names, key, strict=True)), series
        for first, series in self._overflow.items():
            kept: Mapping[str, str] = {self._label_names[0]: first} if first else {}
            yield {**kept, OVERFLOW_LABEL: "true"}, series

    def _overflow_at(self, first: str, count: int, now_ns: int) -> Series:
        self.overflowed += count
        if first not in self._overflow and len(self._overflow) >= max(1, self._max_series // 10):
            first = ""
        series = self._overflow.setdefault(first, Series(updated_ns=now_ns))
        series.updated_ns = now_ns
        return series

    def _drop_idle(self, now_ns: int) -> None:
        idle = [key for key, series in self._series.items() if now_ns - series.updated_ns > self._idle_ns]
        for key in idle:
            del self._series[key]
