"""The pipeline from the logs to the store: nothing lost, nothing twice, nothing that stops the rest."""

from __future__ import annotations

import gzip
import hashlib
import json
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pyarrow as pa
import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    Gauge,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
)

from tests.support.otlp import log_request, otlp_log, otlp_span, trace_request
from tests.support.server import eventually
from tests.support.telemetry import ALWAYS, BASE_NS, TRACE_ID, finding
from tracestitch_collector.checks import finding as findings
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.log import Kind, LogWriter, PendingRecord
from tracestitch_collector.outputs.app_metrics import AppMetrics
from tracestitch_collector.outputs.progress import PipelineMetrics
from tracestitch_collector.pipeline import Pipeline
from tracestitch_collector.process import durability
from tracestitch_collector.process.dead_letters import INDEX, DeadLetters
from tracestitch_collector.process.intake import SEEN_NS, Intake
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.settings import SETTINGS_VARIABLE, Settings
from tracestitch_collector.status import read_all
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import Batch, LogQuery, Offsets, Rejected, Store, TraceQuery

NOW_NS = BASE_NS + 10**9
STORED = 'tracestitch_output_sent_total{output="store",signal="traces"}'
DUPLICATES = "tracestitch_pipeline_duplicate_requests_total"


def record(kind: Kind, body: bytes, *, received_ns: int = BASE_NS, compress: bool = False) -> PendingRecord:
    return PendingRecord(
        kind=kind,
        body=gzip.compress(body) if compress else body,
        gzip=compress,
        received_ns=received_ns,
        digest=hashlib.blake2b(body, digest_size=16).digest(),
    )


def traces(name: str, **fields: Any) -> PendingRecord:
    """A request of one span of this name, in a trace of its own."""
    span = otlp_span(name=name, trace_id=hashlib.blake2b(name.encode(), digest_size=16).hexdigest())
    return record(Kind.TRACES, trace_request(span).SerializeToString(), **fields)


class Bench:
    """A pipeline on a folder, and what it reports."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.logs = LogWriter(data / "log" / "receiver", segment_bytes=1000)
        self.tally = Tally(PipelineMetrics())
        self.stop = threading.Event()
        self.seen: list[pa.Table] = []
        self.store = EmbeddedStore(data, write=True, clock=lambda: NOW_NS)
        self.apps = AppMetrics()
        self.pipeline = self.fresh(self.store)

    def fresh(self, store: Store) -> Pipeline:
        digests = store.recent_digests(NOW_NS - SEEN_NS)
        return Pipeline(
            intake=Intake(self.data / "log", store.covered(), digests, NOW_NS),
            store=store,
            observe=lambda spans, logs, findings: self.seen.append(spans),
            apps=self.apps,
            dead_letters=DeadLetters(self.data / "deadletter"),
            tally=self.tally,
            stop=self.stop,
            clock=lambda: NOW_NS,
        )

    def run(self) -> None:
        """Until the logs are read to their end, then ends as on SIGTERM."""
        while self.pipeline.step():
            pass
        self.pipeline.step()
        self.stop.set()
        self.pipeline.run()
        self.stop.clear()

    def crash(self) -> None:
        """Ends without a sync and begins anew."""
        self.store.close()
        self.store = EmbeddedStore(self.data, write=True, clock=lambda: NOW_NS)
        self.pipeline = self.fresh(self.store)

    def names(self) -> list[str]:
        found = self.store.search(TraceQuery(window=ALWAYS, limit=100)).traces
        assert all(trace.span_count == 1 for trace in found)
        return sorted(trace.root_name for trace in found)

    def counter(self, name: str) -> float:
        return self.tally.report().counters.get(name, 0)


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.store.close()
    bench.logs.close()


def test_what_is_in_the_log_is_found_in_the_store(bench: Bench) -> None:
    records = log_request(otlp_log(trace_id=TRACE_ID)).SerializeToString()
    bench.logs.append([traces("a"), traces("b", compress=True), record(Kind.LOGS, records)])
    bench.run()
    assert bench.names() == ["a", "b"]
    assert len(bench.store.search_logs(LogQuery(window=ALWAYS)).records) == 1
    assert bench.counter(STORED) == 2
    assert [len(table) for table in bench.seen] == [2]


def test_a_request_that_comes_again_is_counted_and_left_out(bench: Bench) -> None:
    bench.logs.append([traces("a"), traces("a"), traces("b")])
    bench.run()
    bench.logs.append([traces("a", compress=True)])
    bench.run()
    assert bench.names() == ["a", "b"]
    assert bench.counter(DUPLICATES) == 2


def test_a_request_that_comes_again_after_a_restart_is_left_out(bench: Bench) -> None:
    bench.logs.append([traces("a")])
    bench.run()
    bench.crash()
    bench.logs.append([traces("a", received_ns=BASE_NS + 5)])
    bench.run()
    assert bench.counter(DUPLICATES) == 1
    assert bench.counter(STORED) == 1


def test_a_crash_before_the_sync_loses_and_doubles_nothing(bench: Bench) -> None:
    bench.logs.append([traces("a")])
    bench.run()
    bench.logs.append([traces("b")])
    bench.pipeline.step()
    assert bench.names() == ["a", "b"]
    bench.crash()
    bench.logs.append([traces("c")])
    bench.run()
    assert bench.names() == ["a", "b", "c"]


def test_the_log_is_trimmed_once_it_is_covered(bench: Bench) -> None:
    for number in range(40):
        bench.logs.append([traces(str(number))])
    segments = len(list((bench.data / "log" / "receiver").glob("*.log")))
    bench.run()
    assert segments > 3
    assert len(list((bench.data / "log" / "receiver").glob("*.log"))) == 1
    assert bench.store.covered() == {"receiver": bench.logs.position}


def test_a_log_that_appears_later_is_taken_up(bench: Bench) -> None:
    bench.logs.append([traces("a")])
    bench.run()
    checks = LogWriter(bench.data / "log" / "checks")
    document = json.dumps([findings.to_json(finding())]).encode()
    checks.append([record(Kind.FINDINGS, document)])
    bench.run()
    checks.close()
    assert bench.store.findings() == (finding(),)
    assert set(bench.store.covered()) == {"receiver", "checks"}


def test_metrics_of_apps_are_exposed_and_leave_no_row(bench: Bench) -> None:
    point = NumberDataPoint(as_double=4, time_unix_nano=NOW_NS)
    metrics = [Metric(name="depth", gauge=Gauge(data_points=[point]))]
    group = ResourceMetrics(scope_metrics=[ScopeMetrics(metrics=metrics)])
    body = ExportMetricsServiceRequest(resource_metrics=[group]).SerializeToString()
    bench.logs.append([record(Kind.METRICS, body), record(Kind.METRICS, b"\x0a\x7f")])
    bench.run()
    lines = {s.name: s.value for metric in bench.apps.collect() for s in metric.samples}
    assert lines["depth"] == 4
    assert bench.counter('tracestitch_output_sent_total{output="prometheus",signal="metrics"}') == 1
    assert bench.counter('tracestitch_pipeline_dropped_total{signal="metrics",reason="undecodable"}') == 1
    assert bench.store.covered() == {"receiver": bench.logs.position}


def test_what_cannot_be_decoded_is_set_aside_with_the_reason(bench: Bench) -> None:
    bad = record(Kind.TRACES, b"\x0a\x7fnot OTLP")
    no_gzip = replace(traces("x"), gzip=True)
    bench.logs.append([traces("a"), bad, no_gzip, traces("b")])
    bench.run()
    assert bench.names() == ["a", "b"]
    lines = [json.loads(line) for line in (bench.data / "deadletter" / INDEX).read_text().splitlines()]
    assert len(lines) == 2
    assert all(line["reason"] and line["signal"] == "traces" for line in lines)
    bodies = {(bench.data / "deadletter" / line["file"]).read_bytes() for line in lines}
    assert bodies == {bad.body, no_gzip.body}
    assert bench.counter('tracestitch_pipeline_dropped_total{signal="traces",reason="undecodable"}') == 2
    assert bench.tally.report().problems != ()


def test_dead_letters_stop_at_their_limit_and_are_still_counted(tmp_path: Path) -> None:
    letters = DeadLetters(tmp_path / "deadletter", max_bytes=300)
    rejected = Rejected(signal="traces", reason="mapping", document="x" * 100)
    letters.put_rejected([rejected] * 5, BASE_NS)
    assert letters.discarded > 0
    assert DeadLetters(tmp_path / "deadletter", max_bytes=300).discarded == 0
    assert (tmp_path / "deadletter" / INDEX).stat().st_size <= 600


class Troubled:
    """The embedded store with a fault in front of it."""

    def __init__(self, store: EmbeddedStore, faults: list[Exception], poison: str = "") -> None:
        self._store = store
        self._faults = faults
        self._poison = poison

    def write(self, batch: Batch) -> tuple[Rejected, ...]:
        if self._faults:
            raise self._faults.pop()
        if self._poison in batch.spans["name"].to_pylist():
            raise pa.ArrowInvalid("an unforeseen span")
        return self._store.write(batch)

    def sync(self) -> Offsets:
        return self._store.sync()

    def begin_sync(self) -> Callable[[], Offsets]:
        return self._store.begin_sync()

    def __getattr__(self, name: str) -> Any:
        return getattr(self._store, name)


def test_an_unavailable_store_is_asked_again_until_it_takes_the_batch(
    bench: Bench, caplog: pytest.LogCaptureFixture
) -> None:
    store = Troubled(bench.store, [Unavailable("busy"), Unavailable("busy")])
    bench.pipeline = bench.fresh(store)
    bench.logs.append([traces("a"), traces("b"), traces("c")])
    with caplog.at_level("WARNING"):
        bench.run()
    assert bench.names() == ["a", "b", "c"]
    # Attempts, not items: nothing was lost, and an outage of an hour must not look like a flood.
    assert bench.counter('tracestitch_output_failed_total{output="store",signal="traces"}') == 2
    assert [record.getMessage() for record in caplog.records] == [
        "the store does not take data now; trying until it does: busy",
        "the store takes data again",
    ]
    assert bench.tally.report().problems == ()
    assert bench.tally.report().facts["last problem"] == "the store does not take data now: busy"


def test_an_unavailable_store_does_not_keep_the_process_from_ending(bench: Bench) -> None:
    store = Troubled(bench.store, [Unavailable("down")] * 10_000)
    bench.pipeline = bench.fresh(store)
    bench.logs.append([traces("a")])
    thread = threading.Thread(target=bench.pipeline.run)
    thread.start()
    eventually(lambda: bench.tally.report().problems)
    bench.stop.set()
    thread.join(timeout=30)
    assert not thread.is_alive()
    assert bench.store.covered() == {}


def test_a_request_that_breaks_the_store_is_set_aside_alone(bench: Bench) -> None:
    bench.pipeline = bench.fresh(Troubled(bench.store, [], poison="poison"))
    bench.logs.append([traces("a"), traces("poison"), traces("b")])
    bench.run()
    assert bench.names() == ["a", "b"]
    (line,) = (bench.data / "deadletter" / INDEX).read_text().splitlines()
    assert "an unforeseen span" in line
    assert bench.store.covered() == {"receiver": bench.logs.position}


def test_metrics_that_fail_do_not_make_the_batch_come_again(bench: Bench) -> None:
    def broken(*tables: pa.Table) -> None:
        raise RuntimeError("no metrics today")

    bench.pipeline._observe = broken
    bench.logs.append([traces("a")])
    bench.run()
    assert bench.names() == ["a"]
    assert any("no metrics today" in problem for problem in bench.tally.report().problems)


class Slow(Troubled):
    """Syncs end when they are let, after as many failures as are asked for."""

    def __init__(self, store: EmbeddedStore, failures: int = 0) -> None:
        super().__init__(store, [], poison="none of this name")
        self.may_end = threading.Event()
        self.failures = failures
        self.begun = 0

    def begin_sync(self) -> Callable[[], Offsets]:
        self.begun += 1
        work = super().begin_sync()

        def slow() -> Offsets:
            assert self.may_end.wait(60)
            if self.failures:
                self.failures -= 1
                raise Unavailable("no room")
            return work()

        return slow


def test_batches_are_seen_while_a_sync_takes_its_time(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durability, "ROWS", 1)
    monkeypatch.setattr(durability, "TOO_MANY", 100)
    store = Slow(bench.store)
    bench.pipeline = bench.fresh(store)
    for name in ("a", "b", "c"):
        bench.logs.append([traces(name)])
        bench.pipeline.step()
    assert bench.names() == ["a", "b", "c"]
    assert (store.begun, bench.store.covered()) == (1, {})
    store.may_end.set()
    bench.run()
    assert bench.store.covered() == {"receiver": bench.logs.position}


def test_when_too_much_is_not_durable_the_pipeline_waits(
    bench: Bench, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(durability, "ROWS", 1)
    store = Slow(bench.store)
    bench.pipeline = bench.fresh(store)
    for name in ("a", "b", "c"):
        bench.logs.append([traces(name)])
    thread = threading.Thread(target=lambda: [bench.pipeline.step() for _ in range(2)])
    monkeypatch.setattr(durability, "TOO_MANY", 3)
    thread.start()
    eventually(lambda: store.begun)
    thread.join(timeout=0.3)
    assert thread.is_alive()
    store.may_end.set()
    thread.join(timeout=60)
    assert not thread.is_alive()


def test_a_sync_that_fails_is_told_and_tried_again(bench: Bench, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(durability, "ROWS", 1)
    monkeypatch.setattr(durability, "RETRY_S", 0.01)
    store = Slow(bench.store, failures=2)
    store.may_end.set()
    bench.pipeline = bench.fresh(store)
    bench.logs.append([traces("a")])
    bench.pipeline.step()
    eventually(lambda: bench.pipeline.step() or bench.tally.report().problems)
    assert any("no room" in problem for problem in bench.tally.report().problems)
    eventually(lambda: bench.pipeline.step() or not bench.tally.report().problems)
    assert bench.store.covered() == {"receiver": bench.logs.position}


@pytest.mark.processes
def test_the_process_ends_on_sigterm_with_everything_durable(tmp_path: Path) -> None:
    logs = LogWriter(tmp_path / "log" / "receiver")
    settings = Settings(data=tmp_path)
    process = subprocess.Popen(
        [sys.executable, "-m", "tracestitch_collector.pipeline"],
        env={SETTINGS_VARIABLE: settings.to_json()},
    )
    try:
        logs.append([traces("a", received_ns=time.time_ns())])
        reader = EmbeddedStore(tmp_path, write=False)
        eventually(lambda: reader.search(TraceQuery(window=ALWAYS)).traces)
        eventually(lambda: [s for s in read_all(tmp_path / "status") if s.report.counters.get(STORED)])
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        reader.close()
    finally:
        process.kill()
        process.wait()
        logs.close()
    store = EmbeddedStore(tmp_path, write=True)
    assert store.covered() == {"receiver": logs.position}
    store.close()


def test_what_was_cut_is_counted_once_though_the_store_is_asked_again(bench: Bench) -> None:
    store = Troubled(bench.store, [Unavailable("busy"), pa.ArrowInvalid("odd")], poison="poison")
    bench.pipeline = bench.fresh(store)
    undecodable = record(Kind.TRACES, b"\x0a\x7fnot OTLP")
    bench.logs.append([traces("n" * 2000), traces("poison"), undecodable, traces("b" * 2000)])
    bench.run()
    assert bench.counter('tracestitch_pipeline_truncated_total{signal="traces",what="name"}') == 2
    assert bench.counter('tracestitch_pipeline_dropped_total{signal="traces",reason="undecodable"}') == 2
