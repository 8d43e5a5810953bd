"""What the pipeline counts, for its status file and for /metrics."""

from __future__ import annotations

import threading
from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass

from tracestitch_collector.outputs.progress import PipelineMetrics, Signal
from tracestitch_collector.status import STORE_AWAY, Report

_STORE = ("store", "presence", "sync")
"""Problems that keep what arrives from the store."""


@dataclass(frozen=True, slots=True)
class _Key:
    name: str
    labels: tuple[tuple[str, str], ...] = ()

    def __str__(self) -> str:
        inside = ",".join(f'{label}="{value}"' for label, value in self.labels)
        return f"{self.name}{{{inside}}}" if inside else self.name


class Tally:
    """Safe to use from several threads."""

    def __init__(self, metrics: PipelineMetrics, *, store_away: str = STORE_AWAY) -> None:
        self._metrics = metrics
        self._store_away = store_away
        """The headline while the store takes no data."""
        self._lock = threading.Lock()
        self._counts: Counter[_Key] = Counter()
        self._gauges: dict[str, float] = {}
        self._facts: dict[str, str] = {}
        self._problems: dict[str, str] = {}
        metrics.up("store", True)
        self._alarms: dict[str, str] = {}

    def stored(self, signal: Signal, count: int) -> None:
        if count:
            self._metrics.sent("store", signal, count)
            self._add("tracestitch_output_sent_total", count, output="store", signal=signal)

    def exposed(self, points: int) -> None:
        """Points of apps' metrics that a scrape shows."""
        if points:
            self._metrics.sent("prometheus", "metrics", points)
            self._add("tracestitch_output_sent_total", points, output="prometheus", signal="metrics")

    def failed(self, output: str, signal: Signal) -> None:
        """An attempt that failed and is made again: nothing is lost, so no items are counted."""
        self._metrics.failed(output, signal, 1)
        self._add("tracestitch_output_failed_total", 1, output=output, signal=signal)

    def dead_letter(self, signal: Signal, reason: str) -> None:
        self._metrics.dead_letter("store", signal, reason)
        self._add("tracestitch_output_dead_letter_total", 1, output="store", signal=signal, reason=reason)

    def left_out(self, signal: Signal, reason: str, count: int = 1) -> None:
        if count:
            self._metrics.dropped(signal, reason, count)
            self._add("tracestitch_pipeline_dropped_total", count, signal=signal, reason=reason)

    def cut(self, signal: Signal, what: str, count: int) -> None:
        """Texts that were too long and are kept in part."""
        self._metrics.truncated(signal, what, count)
        self._add("tracestitch_pipeline_truncated_total", count, signal=signal, what=what)

    def odd(self, signal: Signal, what: str, count: int) -> None:
        """What was kept as it came and will surprise whoever looks for it."""
        self._metrics.odd(signal, what, count)
        self._add("tracestitch_pipeline_odd_total", count, signal=signal, what=what)

    def duplicates(self, count: int) -> None:
        if count:
            self._add("tracestitch_pipeline_duplicate_requests_total", count)

    def received(self, requests: int, inflated_bytes: int) -> None:
        self._add("tracestitch_pipeline_requests_total", requests)
        self._add("tracestitch_pipeline_bytes_total", inflated_bytes)

    def lag(self, seconds: float) -> None:
        self._metrics.lag(seconds)
        self._gauge("tracestitch_pipeline_lag_seconds", seconds)

    def backlog(self, count: int) -> None:
        self._metrics.backlog_bytes(count)
        self._gauge("tracestitch_pipeline_backlog_bytes", count)

    def queue(self, output: str, count: int) -> None:
        """Bytes of the log that wait for an output which goes at its own pace."""
        self._metrics.queue_bytes(output, count)
        self._gauge(f'tracestitch_output_queue_bytes{{output="{output}"}}', count)

    def fact(self, label: str, text: str) -> None:
        with self._lock:
            self._facts[label] = text

    def problem(self, about: str, text: str) -> None:
        """What is wrong now; an empty text when it is right again."""
        with self._lock:
            if text:
                self._problems[about] = text
                self._facts["last problem"] = text
            else:
                self._problems.pop(about, None)
            self._metrics.up("store", not self._problems.keys() & set(_STORE))

    def alarm(self, headline: str, why: str) -> None:
        """What everyone must know while it lasts; an empty text when it is over."""
        with self._lock:
            if why:
                self._alarms[headline] = why
            else:
                self._alarms.pop(headline, None)

    def report(self) -> Report:
        with self._lock:
            away = [self._problems[about] for about in _STORE if about in self._problems]
            counters: Mapping[str, float] = {
                **{str(key): float(count) for key, count in self._counts.items()},
                **self._gauges,
            }
            return Report(
                counters=counters,
                facts=dict(self._facts),
                problems=tuple(self._problems.values()),
                alarms={
                    **self._alarms,
                    **(
                        {self._store_away: f"{away[0].rstrip('.')}; what arrives is kept in the log"}
                        if away
                        else {}
                    ),
                },
            )

    def _add(self, name: str, count: int, **labels: str) -> None:
        with self._lock:
            self._counts[_Key(name, tuple(labels.items()))] += count

    def _gauge(self, name: str, value: float) -> None:
        with self._lock:
            self._gauges[name] = value
