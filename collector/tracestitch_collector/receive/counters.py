"""The receiver's own counters, for /metrics and for the status page."""

from __future__ import annotations

import traceback
from collections.abc import Callable

from prometheus_client import CollectorRegistry, Counter, Gauge

from tracestitch_collector.receive.shapes import SIGNALS

TRANSPORTS = ("http", "grpc")


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
        for signal in SIGNALS:
            for transport in TRANSPORTS:
                self.accepted.labels(signal.name, transport)
                self.requests.labels(signal.name, transport)

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


def _labels(labels: dict[str, str]) -> str:
    return "{" + ",".join(f'{name}="{value}"' for name, value in labels.items()) + "}" if labels else ""
