"""The pipeline's own counters: how far behind it is and what each output sent, failed to send or gave up."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from typing import Literal, TypeAlias

from prometheus_client.core import Metric
from prometheus_client.registry import Collector

Signal: TypeAlias = Literal["traces", "logs", "metrics", "findings"]

_COUNTERS = {
    "tracestitch_output_sent": ("Items an output took.", ("output", "signal")),
    "tracestitch_output_failed": (
        "Attempts to give a batch to an output that failed; they are made again, nothing is lost.",
        ("output", "signal"),
    ),
    "tracestitch_output_dead_letter": (
        "Items an output can never take, set aside with the reason.",
        ("output", "signal", "reason"),
    ),
    "tracestitch_pipeline_dropped": (
        "Items the pipeline left out: undecodable, over a limit, not stored.",
        ("signal", "reason"),
    ),
    "tracestitch_pipeline_truncated": (
        "Texts that were too long and are kept in part; their mark says how much is gone.",
        ("signal", "what"),
    ),
    "tracestitch_pipeline_odd": (
        "Items that were kept as they came although something is odd about them: their times.",
        ("signal", "what"),
    ),
}
_GAUGES = {
    "tracestitch_pipeline_lag_seconds": ("Age of the oldest received request not yet stored.", ()),
    "tracestitch_pipeline_backlog_bytes": ("Bytes of the log that are not yet stored.", ()),
    "tracestitch_output_queue_bytes": ("Bytes that wait for an output.", ("output",)),
    "tracestitch_output_up": ("1 while an output takes what it is given.", ("output",)),
}


class PipelineMetrics(Collector):
    """Counters and gauges by name; every method may be called from any thread."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._values: dict[str, dict[tuple[str, ...], float]] = {name: {} for name in (*_COUNTERS, *_GAUGES)}

    def sent(self, output: str, signal: Signal, count: int) -> None:
        self._add("tracestitch_output_sent", (output, signal), count)

    def failed(self, output: str, signal: Signal, count: int) -> None:
        self._add("tracestitch_output_failed", (output, signal), count)

    def dead_letter(self, output: str, signal: Signal, reason: str, count: int = 1) -> None:
        self._add("tracestitch_output_dead_letter", (output, signal, reason), count)

    def dropped(self, signal: Signal, reason: str, count: int = 1) -> None:
        self._add("tracestitch_pipeline_dropped", (signal, reason), count)

    def truncated(self, signal: Signal, what: str, count: int = 1) -> None:
        self._add("tracestitch_pipeline_truncated", (signal, what), count)

    def odd(self, signal: Signal, what: str, count: int = 1) -> None:
        self._add("tracestitch_pipeline_odd", (signal, what), count)

    def lag(self, seconds: float) -> None:
        self._set("tracestitch_pipeline_lag_seconds", (), seconds)

    def backlog_bytes(self, count: int) -> None:
        self._set("tracestitch_pipeline_backlog_bytes", (), count)

    def queue_bytes(self, output: str, count: int) -> None:
        self._set("tracestitch_output_queue_bytes", (output,), count)

    def up(self, output: str, is_up: bool) -> None:
        self._set("tracestitch_output_up", (output,), int(is_up))

    def collect(self) -> Iterator[Metric]:
        for name, (documentation, labels) in _COUNTERS.items():
            yield self._metric(name, f"{name}_total", documentation, "counter", labels)
        for name, (documentation, labels) in _GAUGES.items():
            yield self._metric(name, name, documentation, "gauge", labels)

    def _metric(
        self, name: str, sample_name: str, documentation: str, kind: str, labels: tuple[str, ...]
    ) -> Metric:
        metric = Metric(name, documentation, kind)
        with self._lock:
            values = dict(self._values[name])
        for key, value in values.items():
            metric.add_sample(sample_name, dict(zip(labels, key, strict=True)), value)
        return metric

    def _add(self, name: str, key: tuple[str, ...], count: float) -> None:
        with self._lock:
            values = self._values[name]
            values[key] = values.get(key, 0) + count

    def _set(self, name: str, key: tuple[str, ...], value: float) -> None:
        with self._lock:
            self._values[name][key] = value
