"""Telemetry of odd shape and size through a real pipeline and store: it arrives whole, in bounded memory, and what
is odd about it is counted.
"""

from __future__ import annotations

import hashlib
import subprocess
import sys
import threading
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.otlp import otlp_span, trace_request
from tracestitch_collector.log import Kind, LogWriter, PendingRecord
from tracestitch_collector.outputs.app_metrics import AppMetrics
from tracestitch_collector.outputs.progress import PipelineMetrics
from tracestitch_collector.pipeline import Pipeline
from tracestitch_collector.process.dead_letters import DeadLetters
from tracestitch_collector.process.intake import Intake
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.store.embedded.store import EmbeddedStore

SECOND_NS = 1_000_000_000
NOW_NS = 1_800_000_000 * SECOND_NS
HOUR_NS = 3_600 * SECOND_NS
TRACE_ID = "ab" * 16


class Bench:
    """A log, and a pipeline that reads it into a store until it is empty."""

    def __init__(self, data: Path) -> None:
        self._log = LogWriter(data / "log" / "receiver")
        self.store = EmbeddedStore(data, write=True, clock=lambda: NOW_NS)
        self._tally = Tally(PipelineMetrics())
        self._pipeline = Pipeline(
            intake=Intake(data / "log", {}, (), NOW_NS),
            store=self.store,
            observe=lambda *_: None,
            apps=AppMetrics(),
            dead_letters=DeadLetters(data / "deadletter"),
            tally=self._tally,
            stop=threading.Event(),
            clock=lambda: NOW_NS,
        )

    def take(self, *requests: bytes) -> None:
        for body in requests:
            digest = hashlib.blake2b(body, digest_size=16).digest()
            self._log.append([PendingRecord(kind=Kind.TRACES, body=body, received_ns=NOW_NS, digest=digest)])
        while self._pipeline.step():
            pass

    def counted(self, name: str) -> dict[str, float]:
        """The counter's values, by what it says it counted."""
        return {
            key.rpartition('what="')[2].partition('"')[0]: count
            for key, count in self._tally.report().counters.items()
            if key.startswith(f"tracestitch_pipeline_{name}_total")
        }

    def close(self) -> None:
        self.store.close()
        self._log.close()


@pytest.fixture
def bench(tmp_path: Path) -> Iterator[Bench]:
    bench = Bench(tmp_path)
    yield bench
    bench.close()


def test_a_trace_of_a_hundred_thousand_spans_that_comes_in_many_requests_is_whole(bench: Bench) -> None:
    spans = [
        otlp_span(trace_id=TRACE_ID, span_id=f"{n:016x}", start_ns=NOW_NS, attributes={"n": n})
        for n in range(1, 100_001)
    ]
    # The last come first, as they do when leaves end before their roots.
    bench.take(
        *(trace_request(*spans[at : at + 5_000]).SerializeToString() for at in range(95_000, -1, -5_000))
    )
    trace = bench.store.trace(TRACE_ID)
    assert trace is not None
    assert sorted(int(span.attributes["n"]) for span in trace.spans) == list(range(1, 100_001))  # type: ignore[arg-type]
    assert bench.counted("odd") == {}


def test_ten_thousand_distinct_keys_are_all_kept(bench: Bench) -> None:
    bodies = [
        trace_request(
            *(
                otlp_span(
                    trace_id=TRACE_ID, span_id=f"{n + 1:016x}", attributes={f"key.{n}": n, "common": "c"}
                )
                for n in range(first, first + 1_000)
            )
        ).SerializeToString()
        for first in range(0, 10_000, 1_000)
    ]
    bench.take(*bodies)
    trace = bench.store.trace(TRACE_ID)
    assert trace is not None
    found = [dict(span.attributes) for span in sorted(trace.spans, key=lambda span: span.span_id)]
    assert found == [{f"key.{n}": n, "common": "c"} for n in range(10_000)]


def test_a_value_of_a_megabyte_is_cut_marked_and_counted(bench: Bench) -> None:
    bench.take(
        trace_request(otlp_span(trace_id=TRACE_ID, attributes={"a": "x" * 1_000_000})).SerializeToString()
    )
    trace = bench.store.trace(TRACE_ID)
    assert trace is not None
    assert str(trace.spans[0].attributes["a"]).endswith("… [934 kB cut]")
    assert bench.counted("truncated") == {"value": 1}


@pytest.mark.parametrize(
    ("start_ns", "duration_ns", "what"),
    [
        (NOW_NS - 2 * HOUR_NS, SECOND_NS, {"received late": 1}),
        (NOW_NS - 2 * HOUR_NS, 2 * HOUR_NS, {}),
        (NOW_NS - HOUR_NS // 2, SECOND_NS, {}),
        (NOW_NS + 10 * SECOND_NS, SECOND_NS, {}),
        (NOW_NS + 24 * HOUR_NS, SECOND_NS, {"from the future": 1}),
        (NOW_NS, -1, {"ends before it begins": 1}),
        (0, 0, {"received late": 1}),
        (2**63 - 1, 0, {"from the future": 1}),
    ],
)
def test_odd_times_are_kept_and_counted(
    bench: Bench, start_ns: int, duration_ns: int, what: dict[str, float]
) -> None:
    bench.take(
        trace_request(
            otlp_span(trace_id=TRACE_ID, start_ns=start_ns, duration_ns=duration_ns)
        ).SerializeToString()
    )
    trace = bench.store.trace(TRACE_ID)
    assert trace is not None
    assert [(span.start_ns, span.duration_ns) for span in trace.spans] == [(start_ns, duration_ns)]
    assert bench.counted("odd") == what


MEMORY = """
import resource, sys
from tests.support.otlp import otlp_span, trace_request
from tracestitch_collector.decode.decoder import Decoder, Request
decoder = Decoder()
def grown(body):
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    decoder.spans([Request(body=body, digest=bytes(16), received_ns=0)])
    return (resource.getrusage(resource.RUSAGE_SELF).ru_maxrss - before) * 1024 / len(body)
decoder.spans([Request(body=trace_request(otlp_span()).SerializeToString(), digest=bytes(16), received_ns=0)])
if sys.argv[1] == "keys":
    body = trace_request(*(otlp_span(span_id=f"{n + 1:016x}", attributes={f"k{n}.{i}": i for i in range(10)}) for n in range(10_000))).SerializeToString()
else:
    body = trace_request(*(otlp_span(span_id=f"{n + 1:016x}", attributes={"a": "x" * 1_000_000}) for n in range(40))).SerializeToString()
print(grown(body))
"""


@pytest.mark.processes
@pytest.mark.parametrize(("shape", "most"), [("keys", 25), ("values", 3)])
def test_decoding_takes_memory_in_proportion_to_the_request(shape: str, most: float) -> None:
    done = subprocess.run([sys.executable, "-c", MEMORY, shape], capture_output=True, text=True, check=True)
    assert float(done.stdout) < most
