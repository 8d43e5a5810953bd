"""The receiver's own counters, for /metrics and for the status page."""

from __future__ import annotations

import re
import traceback
from collections.abc import Callable, Iterator, Mapping, Sequence

from prometheus_client import CollectorRegistry, Counter, Gauge
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tracestitch_collector.receive.shapes import SIGNALS

TRANSPORTS = ("http", "grpc")
_LABEL = re.compile(r'(\w+)="([^"]*)"')
"""Of our own texts, none of which holds a quotation mark."""


class Counters:
    """Everything that was taken, refused or dropped. Items are spans, log records or data points."""

    def __init__(self, log_bytes: Callable[[], float]) -> None:
        self.registry = CollectorRegistry()
        self.last_fault = ""
        """Of the receiver itself, for the status page; without any text of a request."""
        self.accepted = Counter(
            "tracestitch_receiver_accepted",
            "Items acknowledged: spans, log records, data points.",
            ("signal", "transport"),
            registry=self.registry,
        )
        self.requests = Counter(
            "tracestitch_receiver_requests",
            "Requests acknowledged.",
            ("signal", "transport"),
            registry=self.registry,
        )
        self.refused = Counter(
            "tracestitch_receiver_refused",
            "Requests answered with an error, none of which was kept.",
            ("signal", "transport", "reason"),
            registry=self.registry,
        )
        self.dropped = Counter(
            "tracestitch_receiver_dropped",
            "Items (or attribute values) of acknowledged requests that were not kept.",
            ("signal", "reason"),
            registry=self.registry,
        )
        self.unread_lines = Counter(
            "tracestitch_receiver_unread_lines",
            "Log lines that were no JSON object and are kept as the text that they are.",
            ("transport",),
            registry=self.registry,
        )
        self.slow = Counter(
            "tracestitch_receiver_slow_connections",
            "Connections closed because their request did not arrive in time.",
            registry=self.registry,
        )
        self.errors = Counter(
            "tracestitch_receiver_errors",
            "Faults of the receiver itself; each is a bug.",
            registry=self.registry,
        )
        self.pipeline_up = Gauge(
            "tracestitch_pipeline_up",
            "1 when the pipeline answered this scrape.",
            registry=self.registry,
        )
        log = Gauge(
            "tracestitch_receiver_log_bytes", "Size of the write-ahead log on disk.", registry=self.registry
        )
        log.set_function(log_bytes)
        self.log_max_bytes = Gauge(
            "tracestitch_receiver_log_max_bytes",
            "Size of the write-ahead log from which on data is refused.",
            registry=self.registry,
        )
        for signal in SIGNALS:
            for transport in TRANSPORTS:
                self.accepted.labels(signal.name, transport)
                self.requests.labels(signal.name, transport)

    def with_siblings(self, siblings: Sequence[Mapping[str, float]]) -> Collector:
        """These counters and those of further receivers, each as its `snapshot`, as one sum."""
        return _Sums(self.registry, siblings) if siblings else self.registry

    def fault(self, error: Exception) -> None:
        """A bug of the receiver: counted, and its place kept for the status page."""
        self.errors.inc()
        places = traceback.extract_tb(error.__traceback__)
        where = f" at {places[-1].filename.rpartition('/')[2]}:{places[-1].lineno}" if places else ""
        self.last_fault = f"{type(error).__name__}{where}"

    def snapshot(self) -> dict[str, float]:
        """Name with labels to value, as in /metrics."""
        return {
            sample.name + _labels(sample.labels): sample.value
            for family in self.registry.collect()
            for sample in family.samples
            if not sample.name.endswith("_created")
        }


class _Sums(Collector):
    def __init__(self, registry: CollectorRegistry, siblings: Sequence[Mapping[str, float]]) -> None:
        self._registry = registry
        self._siblings = siblings

    def collect(self) -> Iterator[Metric]:
        for family in self._registry.collect():
            yield family if family.name == "tracestitch_pipeline_up" else self._summed(family)

    def _summed(self, family: Metric) -> Metric:
        name = family.name + ("_total" if family.type == "counter" else "")
        sums = {sample.name + _labels(sample.labels): sample.value for sample in family.samples}
        for sibling in self._siblings:
            for key, value in sibling.items():
                if key == name or key.startswith(name + "{"):
                    sums[key] = sums.get(key, 0.0) + value
        summed = Metric(family.name, family.documentation, family.type)
        for key, value in sums.items():
            summed.add_sample(key.partition("{")[0], dict(_LABEL.findall(key)), value)
        return summed


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""
