"""Series of one metric that apps send by OTLP: what is kept of its points, and how they are exposed."""

from __future__ import annotations

import itertools
import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from prometheus_client.core import Metric
from prometheus_client.samples import Exemplar

from tracestitch_collector.decode.metrics import Point, Stream
from tracestitch_collector.outputs.amounts import Amount, Sum, of_exponential, of_histogram, of_number

Type: TypeAlias = Literal["gauge", "counter", "histogram", "summary"]
Labels: TypeAlias = tuple[tuple[str, str], ...]

SUFFIXES: Mapping[Type, tuple[str, ...]] = {
    "gauge": ("",),
    "counter": ("", "_total", "_created"),
    "histogram": ("", "_bucket", "_count", "_sum", "_created"),
    "summary": ("", "_count", "_sum", "_created"),
}
MAX_EXEMPLARS = 200
MAX_QUANTILES = 20


@dataclass(slots=True, kw_only=True)
class Series:
    updated_ns: int
    time_ns: int = 0
    gauge: float = 0.0
    sum: Sum = field(default_factory=Sum)
    quantiles: tuple[tuple[float, float], ...] = ()
    summary: Amount = field(default_factory=Amount)
    exemplars: dict[str, Exemplar] = field(default_factory=dict)
    """By the bound of its bucket, `` for a counter's."""
    size: int = 1
    """Lines of an exposition that it takes."""

    def tell(self, point: Point, amount: Amount) -> None:
        """What only the newest point says: a gauge, a summary."""
        if point.time_ns >= self.time_ns:
            self.time_ns, self.gauge, self.summary = point.time_ns, point.value, amount
            self.quantiles = point.quantiles[:MAX_QUANTILES]

    def keep_exemplars(self, amount: Amount, point: Point) -> None:
        for measured in point.exemplars[-MAX_EXEMPLARS:]:
            if not measured.trace_id or not math.isfinite(measured.value):
                continue
            ids = {"trace_id": measured.trace_id, "span_id": measured.span_id}
            bound = min((b for b in amount.buckets if b >= measured.value), default=math.inf)
            where = "" if not amount.buckets else "+Inf" if bound == math.inf else repr(bound)
            self.exemplars[where] = Exemplar({k: v for k, v in ids.items() if v}, measured.value)
        while len(self.exemplars) > MAX_EXEMPLARS:
            del self.exemplars[next(iter(self.exemplars))]


@dataclass(slots=True, kw_only=True)
class Family:
    name: str
    type: Type
    help: str
    goes_down: bool
    """A sum that is exposed as a gauge."""
    series: dict[Labels, Series] = field(default_factory=dict)

    def metric(self, since_ns: int) -> Metric:
        """Of the series that were fed since then."""
        metric = Metric(self.name, self.help, self.type)
        for key, series in self.series.items():
            if series.updated_ns < since_ns:
                continue
            labels = dict(key)
            if self.type == "gauge":
                value = series.sum.now(since_ns) if self.goes_down else series.gauge
                metric.add_sample(self.name, labels, value)
            elif self.type == "counter":
                value = series.sum.total().value
                metric.add_sample(f"{self.name}_total", labels, value, exemplar=series.exemplars.get(""))
            elif self.type == "histogram":
                add_histogram(metric, labels, series)
            else:
                add_summary(metric, labels, series)
        return metric


def type_of(stream: Stream) -> Type:
    if stream.kind in ("histogram", "exponential"):
        return "histogram"
    if stream.kind == "summary":
        return "summary"
    return "counter" if stream.kind == "sum" and stream.is_monotonic else "gauge"


def amount_of(stream: Stream, point: Point) -> Amount | None:
    """None where its numbers are none to add up."""
    if stream.kind == "gauge":
        return Amount()
    if stream.kind == "sum":
        return of_number(point) if math.isfinite(point.value) else None
    if not math.isfinite(point.sum):
        return None
    if stream.kind == "histogram":
        bounds = point.bounds
        rising = all(a < b for a, b in itertools.pairwise(bounds))
        return of_histogram(point) if rising and all(map(math.isfinite, bounds)) else None
    if stream.kind == "exponential":
        return of_exponential(point)
    return Amount(value=point.sum, count=point.count)


def add_histogram(metric: Metric, labels: dict[str, str], series: Series) -> None:
    total = series.sum.total()
    for bound, count in total.cumulated():
        metric.add_sample(
            f"{metric.name}_bucket", {**labels, "le": bound}, count, exemplar=series.exemplars.get(bound)
        )
    metric.add_sample(f"{metric.name}_count", labels, total.count)
    metric.add_sample(f"{metric.name}_sum", labels, total.value)


def add_summary(metric: Metric, labels: dict[str, str], series: Series) -> None:
    for quantile, value in series.quantiles:
        metric.add_sample(metric.name, {**labels, "quantile": repr(quantile)}, value)
    metric.add_sample(f"{metric.name}_count", labels, series.summary.count)
    metric.add_sample(f"{metric.name}_sum", labels, series.summary.value)
