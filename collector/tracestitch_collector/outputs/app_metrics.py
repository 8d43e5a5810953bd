"""Metrics that apps send by OTLP, as Prometheus scrapes them: deltas added up, histograms in classic buckets,
`job` and `instance` from the resource and its other attributes in `target_info`.

What nobody has fed for five minutes is no longer exposed. Names and numbers are hostile: bounded in number and
length, kept off the names that are Tracestitch's own.
"""

from __future__ import annotations

import struct
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tracestitch_collector.decode.decoder import UNDECODABLE, Request, Undecodable
from tracestitch_collector.decode.metrics import Point, Stream, streams
from tracestitch_collector.outputs import app_names
from tracestitch_collector.outputs.amounts import Amount
from tracestitch_collector.outputs.app_series import (
    SUFFIXES,
    Family,
    Labels,
    Series,
    Type,
    amount_of,
    type_of,
)
from tracestitch_collector.outputs.app_state import Kept
from tracestitch_collector.outputs.series import OVERFLOW_LABEL

SECOND_NS = 1_000_000_000

MAX_HELP = 300


class AppMetrics(Collector):
    """`observe` and `collect` may be called from different threads."""

    def __init__(
        self,
        *,
        clock: Callable[[], int] = time.time_ns,
        max_lines: int = 20_000,
        max_targets: int = 1_000,
        expiry_ns: int = 300 * SECOND_NS,
        forget_ns: int = 3_600 * SECOND_NS,
    ) -> None:
        self._clock = clock
        self._lock = threading.Lock()
        self._max_lines = max_lines
        self._max_targets = max_targets
        self._expiry_ns = expiry_ns
        self._forget_ns = forget_ns
        self._families: dict[str, Family] = {}
        self._taken: dict[str, str] = {}
        """Sample names to the family they belong to."""
        self._targets: dict[Labels, int] = {}
        self._lines = 0
        self._overflowed = 0
        self._swept_ns = 0
        self._is_shown = True
        self._is_changed = False
        self._left_out: Counter[str] = Counter()

    def observe(self, requests: Sequence[Request]) -> tuple[int, tuple[Undecodable, ...]]:
        """How many points are exposed now, and what was no request."""
        bad: list[Undecodable] = []
        taken = 0
        now_ns = self._clock()
        with self._lock:
            self._is_changed = self._is_changed or bool(requests)
            self._sweep(now_ns)
            for request in requests:
                try:
                    found = list(streams(request.body))
                except (*UNDECODABLE, struct.error) as error:
                    bad.append(Undecodable(request=request, reason=str(error) or type(error).__name__))
                    continue
                taken += sum(self._stream(stream, now_ns) for stream in found)
        return taken, tuple(bad)

    def restore(self, kept: Kept, *, is_shown: bool) -> None:
        """What an earlier process kept. It is not shown before `show` where the logs hold more of that time: a
        counter that comes back lower than it was would seem to leap."""
        families, targets = kept
        with self._lock:
            for family in families:
                self._families[family.name] = family
                self._taken.update(
                    dict.fromkeys([family.name + s for s in SUFFIXES[family.type]], family.name)
                )
                self._lines += sum(series.size for series in family.series.values())
            self._targets.update(targets)
            self._is_shown = is_shown

    def show(self) -> None:
        self._is_shown = True

    def take_changes(self) -> Kept | None:
        """Everything, to be kept; None where nothing came since this was asked last."""
        with self._lock:
            if not self._is_changed:
                return None
            self._is_changed = False
            return tuple(self._families.values()), tuple(self._targets.items())

    def take_left_out(self) -> Mapping[str, int]:
        """Points that are not exposed, by reason, since this was asked last."""
        with self._lock:
            taken, self._left_out = self._left_out, Counter()
        return taken

    def collect(self) -> Iterator[Metric]:
        now_ns = self._clock()
        with self._lock:
            families = self._families.values() if self._is_shown else ()
            metrics = [family.metric(now_ns - self._expiry_ns) for family in families]
            metrics = [metric for metric in metrics if metric.samples]
            targets = Metric("target_info", "What sends metrics: the attributes of its resource.", "gauge")
            for labels, updated_ns in self._targets.items():
                if now_ns - updated_ns <= self._expiry_ns:
                    targets.add_sample("target_info", dict(labels), 1)
            metrics += [targets] if targets.samples else []
            metrics += self._own()
        yield from metrics

    def _own(self) -> list[Metric]:
        lines = Metric("tracestitch_app_metric_lines", "Lines kept for metrics that apps send.", "gauge")
        lines.add_sample(lines.name, {}, self._lines)
        overflow = Metric(
            "tracestitch_app_metric_overflow",
            "Points of apps' metrics that found no room: added to an overflow series, or left out.",
            "counter",
        )
        overflow.add_sample(f"{overflow.name}_total", {}, self._overflowed)
        return [lines, overflow]

    def _stream(self, stream: Stream, now_ns: int) -> int:
        type_ = type_of(stream)
        name = app_names.metric_name(
            stream.name, stream.unit, is_counter=type_ == "counter", is_gauge=type_ == "gauge"
        )
        if not name or app_names.is_reserved(name):
            self._left_out["a name that is Tracestitch's own" if name else "no name"] += len(stream.points)
            return 0
        family = self._family(name, type_, stream)
        if family is None:
            self._left_out["type conflict"] += len(stream.points)
            return 0
        resource = dict(stream.resource)
        sender = app_names.sender(resource)
        self._target(stream, sender, now_ns)
        constant = {
            **sender,
            **({"otel_scope_name": stream.scope[: app_names.MAX_LABEL_LENGTH]} if stream.scope else {}),
        }
        return sum(self._point(family, stream, point, constant, now_ns) for point in stream.points)

    def _family(self, name: str, type_: Type, stream: Stream) -> Family | None:
        """None where another metric has one of its names already."""
        family = self._families.get(name)
        goes_down = stream.kind == "sum" and not stream.is_monotonic
        if family is not None:
            return family if (family.type, family.goes_down) == (type_, goes_down) else None
        names = [name + suffix for suffix in SUFFIXES[type_]]
        if any(each in self._taken for each in names):
            return None
        if not stream.points or self._lines >= self._max_lines:
            return Family(name=name, type=type_, help="", goes_down=goes_down)  # of which nothing is kept
        self._taken.update(dict.fromkeys(names, name))
        help_text = stream.description[:MAX_HELP] or stream.name[:MAX_HELP]
        family = Family(name=name, type=type_, help=help_text, goes_down=goes_down)
        self._families[name] = family
        return family

    def _target(self, stream: Stream, sender: Mapping[str, str], now_ns: int) -> None:
        others = [pair for pair in stream.resource if pair[0] not in _IN_SENDER]
        labels = {**app_names.labels(others, taken=("job", "instance")), **sender}
        key = tuple(sorted(labels.items()))
        if key in self._targets or len(self._targets) < self._max_targets:
            self._targets[key] = now_ns

    def _point(
        self, family: Family, stream: Stream, point: Point, constant: Mapping[str, str], now_ns: int
    ) -> int:
        if point.is_empty:
            return 0
        amount = amount_of(stream, point)
        if amount is None:
            self._left_out["not a number"] += 1
            return 0
        labels = {**app_names.labels(point.attributes, taken=_TAKEN), **constant}
        series = self._at(family, tuple(sorted(labels.items())), stream, amount, constant, now_ns)
        if series is None:
            return 0
        series.updated_ns = now_ns
        if family.type == "summary" or stream.kind == "gauge":
            series.tell(point, amount)
        elif stream.is_delta:
            series.sum.add(amount)
        elif not series.sum.tell(point, amount, now_ns, goes_down=family.goes_down):
            self._left_out["too many processes in one series"] += 1
            return 0
        series.keep_exemplars(amount, point)
        return 1

    def _at(
        self,
        family: Family,
        key: Labels,
        stream: Stream,
        amount: Amount,
        constant: Mapping[str, str],
        now_ns: int,
    ) -> Series | None:
        """The series with these labels, made when there is room; else the overflow series of its sender, to which
        only deltas can be added."""
        size = len(amount.buckets) + 2 if family.type in ("histogram", "summary") else 1
        series = family.series.get(key)
        if series is not None:
            return series if self._has_grown(series, size) else None
        if self._lines + size > self._max_lines:
            self._overflowed += 1
            if not stream.is_delta or stream.kind == "gauge":
                return None
            key = tuple(sorted({"job": constant["job"], OVERFLOW_LABEL: "true"}.items()))
            if key in family.series:
                return family.series[key]
            if family.name not in self._families or self._lines + size > self._max_lines * 11 // 10:
                return None
        self._lines += size
        series = family.series[key] = Series(updated_ns=now_ns, size=size)
        return series

    def _has_grown(self, series: Series, size: int) -> bool:
        """Whether there is room for what a point has more of than those before: an exponential histogram widens."""
        more = max(0, size - series.size)
        if more and self._lines + more > self._max_lines * 11 // 10:
            self._overflowed += 1
            return False
        self._lines += more
        series.size += more
        return True

    def _sweep(self, now_ns: int) -> None:
        """Forgets what nobody has fed for an hour, once a minute."""
        if now_ns - self._swept_ns < 60 * SECOND_NS:
            return
        self._swept_ns = now_ns
        for family in list(self._families.values()):
            for key in [k for k, s in family.series.items() if now_ns - s.updated_ns > self._forget_ns]:
                self._lines -= family.series.pop(key).size
            if not family.series:
                del self._families[family.name]
                for suffix in SUFFIXES[family.type]:
                    self._taken.pop(family.name + suffix, None)
        for target in [t for t, seen_ns in self._targets.items() if now_ns - seen_ns > self._forget_ns]:
            del self._targets[target]


_IN_SENDER = ("service.name", "service.namespace", "service.instance.id")
_TAKEN = ("job", "instance", "le", "quantile", "otel_scope_name", OVERFLOW_LABEL)
