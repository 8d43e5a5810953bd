"""The pipeline ends and begins anew: no counter makes a leap, whatever a crash left undone."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
)

from tests.support.otlp import BASE_NS, otlp_span, trace_request
from tracestitch_collector.log import Kind, LogWriter, PendingRecord
from tracestitch_collector.outputs.app_metrics import AppMetrics
from tracestitch_collector.outputs.progress import PipelineMetrics
from tracestitch_collector.outputs.prometheus import Aggregator
from tracestitch_collector.pipeline import Pipeline
from tracestitch_collector.process.dead_letters import DeadLetters
from tracestitch_collector.process.intake import Intake
from tracestitch_collector.process.remembered import APPS, COUNTED, Remembered
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import TraceQuery, Window

NOW_NS = BASE_NS + 10**9
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA


class Bench:
    """A data folder and the pipeline process of the moment."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.log = LogWriter(data / "log" / "receiver")
        self.store = EmbeddedStore(data, write=True, clock=lambda: NOW_NS)
        self._spans = 0
        self._begin()

    def _begin(self) -> None:
        self.aggregator, self.apps = Aggregator(clock=lambda: NOW_NS), AppMetrics(clock=lambda: NOW_NS)
        remembered = Remembered(self.data / "metrics", self.apps)
        covered = self.store.covered()
        self.stop = threading.Event()
        self.pipeline = Pipeline(
            intake=Intake(
                self.data / "log", covered, self.store.recent_digests(0), NOW_NS, remembered.counted
            ),
            store=self.store,
            observe=self.aggregator.observe,
            apps=self.apps,
            dead_letters=DeadLetters(self.data / "deadletter"),
            tally=Tally(PipelineMetrics()),
            stop=self.stop,
            clock=lambda: NOW_NS,
            remembered=remembered,
        )

    def receive_spans(self, count: int) -> None:
        for _ in range(count):
            self._spans += 1
            span = otlp_span(trace_id=f"{self._spans:032x}", span_id=f"{self._spans:016x}")
            self._append(Kind.TRACES, trace_request(span).SerializeToString())

    def receive_metrics(self, *metrics: Metric) -> None:
        group = ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=metrics)])
        request = ExportMetricsServiceRequest(resource_metrics=[group])
        self._append(Kind.METRICS, request.SerializeToString())

    def _append(self, kind: Kind, body: bytes) -> None:
        digest = hashlib.blake2b(body + bytes(str(self.log.position), "ascii"), digest_size=16).digest()
        self.log.append([PendingRecord(kind=kind, body=body, received_ns=BASE_NS, digest=digest)])

    def work(self) -> None:
        for _ in range(5):  # a step may take a part of what there is
            self.pipeline.step()

    def restart(self) -> None:
        """As asked to: what was received is durable."""
        self.work()
        self.stop.set()
        self.pipeline.run()
        self.crash()

    def crash(self) -> None:
        self.store.close()
        self.store = EmbeddedStore(self.data, write=True, clock=lambda: NOW_NS)
        self._begin()

    def calls(self) -> float:
        return self._total(self.aggregator, "traces_span_metrics_calls_total")

    def orders(self) -> float | None:
        shown = [s for m in self.apps.collect() for s in m.samples if s.name == "orders_total"]
        return shown[0].value if shown else None

    def stored(self) -> int:
        window = Window(start_ns=0, end_ns=2**62)
        return len(self.store.search(TraceQuery(window=window, limit=1000)).traces)

    def _total(self, collector: Aggregator | AppMetrics, name: str) -> float:
        return sum(s.value for m in collector.collect() for s in m.samples if s.name == name)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()
    bench.log.close()


def orders(value: float, *, start: int = 1, time: int = 2, delta: bool = False) -> Metric:
    point = NumberDataPoint(as_double=value, start_time_unix_nano=start, time_unix_nano=time)
    temporality = DELTA if delta else AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
    kind = Sum(data_points=[point], aggregation_temporality=temporality, is_monotonic=True)
    return Metric(name="orders", sum=kind)


def test_what_was_counted_before_a_crash_is_not_counted_again(bench: Bench) -> None:
    bench.receive_spans(5)
    bench.work()
    assert bench.calls() == 5
    bench.crash()
    bench.receive_spans(3)  # while no pipeline runs
    bench.work()
    assert bench.calls() == 3
    assert bench.stored() == 8
    bench.crash()
    bench.crash()
    bench.work()
    assert bench.calls() == 0
    assert bench.stored() == 8


def test_a_restart_that_was_asked_for_counts_on_with_what_is_new(bench: Bench) -> None:
    bench.receive_spans(5)
    bench.restart()
    bench.receive_spans(2)
    bench.work()
    assert (bench.calls(), bench.stored()) == (2, 7)


def test_without_a_memory_all_that_is_not_durable_is_counted(bench: Bench) -> None:
    bench.receive_spans(5)
    bench.work()
    (bench.data / "metrics" / COUNTED).write_text("[not JSON")
    bench.crash()
    bench.work()
    assert bench.calls() == 5


def test_a_log_that_is_gone_does_not_keep_the_others_waiting(bench: Bench) -> None:
    bench.receive_spans(1)
    bench.work()
    (bench.data / "metrics" / COUNTED).write_text('{"receiver-9": 1000, "receiver": 100000}')
    bench.crash()
    bench.receive_spans(1)
    bench.work()
    assert bench.stored() == 2
    bench.receive_spans(2)
    bench.work()
    assert bench.calls() == 2


def test_apps_counters_go_on_exactly_where_they_were(bench: Bench) -> None:
    bench.receive_metrics(orders(100, start=1), orders(7, delta=True))
    bench.restart()
    bench.work()
    assert bench.orders() == 107
    bench.receive_metrics(orders(5, delta=True))
    bench.work()
    bench.crash()  # the five are in the log alone
    assert bench.orders() is None  # rather than 107, which was 112 a moment ago
    bench.work()
    assert bench.orders() == 112
    bench.receive_metrics(orders(3, start=50, time=60))  # the app began anew
    bench.work()
    assert bench.orders() == 115


def test_a_histogram_of_an_app_survives_with_its_buckets(bench: Bench) -> None:
    point = HistogramDataPoint(count=3, sum=1.5, bucket_counts=[1, 2], explicit_bounds=[0.5])
    kind = Histogram(data_points=[point], aggregation_temporality=DELTA)
    bench.receive_metrics(Metric(name="sizes", unit="s", histogram=kind))
    bench.work()

    def shown() -> list[tuple[str, dict[str, str], float]]:
        return [
            (s.name, dict(s.labels), s.value)
            for m in bench.apps.collect()
            for s in m.samples
            if s.name.startswith("sizes")
        ]

    before = shown()
    assert len(before) == 4
    bench.restart()
    bench.work()
    assert shown() == before


@pytest.mark.parametrize("text", ["", "null", '{"families": [{}]}', '{"families": 5}', "[" * 100_000])
def test_a_memory_that_is_damaged_is_as_good_as_none(bench: Bench, text: str) -> None:
    bench.receive_metrics(orders(7, delta=True))
    bench.restart()
    (bench.data / "metrics" / APPS).write_text(text)
    bench.crash()
    bench.work()
    assert bench.orders() is None
    bench.receive_metrics(orders(2, delta=True))
    bench.work()
    assert bench.orders() == 2
