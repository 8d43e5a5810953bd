"""The comparison with Jaeger: its payload, its tables, and what it says where Jaeger cannot be had."""

from __future__ import annotations

import os
import subprocess
import sys
from collections import Counter
from pathlib import Path

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.bench import peers, peers_table
from tests.bench.bars import PAGE, rows_of
from tests.bench.peers_payload import SPANS_PER_REQUEST, Payload, ids_of
from tests.bench.peers_round import Fed, Outcome, Waits
from tests.bench.peers_targets import BADGER, MEMORY, OURS
from tests.support.module_table import ROOT


def spans_in(body: bytes) -> list[Span]:
    decoded = ExportTraceServiceRequest.FromString(body)
    return [span for group in decoded.resource_spans for scope in group.scope_spans for span in scope.spans]


def test_the_payload_is_what_the_page_says_of_it() -> None:
    payload = Payload(10_000)
    spans = [span for request in payload.requests for span in spans_in(request.body)]
    assert all(request.spans <= SPANS_PER_REQUEST for request in payload.requests)
    assert 500 < payload.bytes / payload.spans < 600
    assert 6 < payload.spans / payload.traces < 7
    assert 9 < sum(len(span.attributes) for span in spans) / len(spans) < 12


def test_a_copy_differs_from_the_first_in_ids_and_times_alone() -> None:
    payload = Payload(1_000)
    for request in payload.requests:
        first, copy = spans_in(request.body), spans_in(payload.body(request, 3, 5_000))
        assert Counter(span.trace_id.hex() for span in copy) == ids_of(request, 3)
        for old, new in zip(first, copy, strict=True):
            assert new.span_id != old.span_id
            assert new.start_time_unix_nano == old.start_time_unix_nano + 5_000
            for span in (old, new):
                span.ClearField("trace_id")
                span.ClearField("span_id")
                span.ClearField("parent_span_id")
                span.ClearField("start_time_unix_nano")
                span.ClearField("end_time_unix_nano")
            assert new == old


def test_spans_of_a_copy_still_find_their_parents() -> None:
    payload = Payload(1_000)
    spans = [span for request in payload.requests for span in spans_in(payload.body(request, 7, 0))]
    ids = {(span.trace_id, span.span_id) for span in spans}
    assert len(ids) == payload.spans
    assert {(span.trace_id, span.parent_span_id) for span in spans if span.parent_span_id} <= ids


def outcome(cpu_s: float, lost: int) -> Outcome:
    waits = Waits(p50_ms=cpu_s, p99_ms=2 * cpu_s)
    return Outcome(
        fed=Fed(
            spans=1_000_000,
            refused=0,
            cpu_s={"one": cpu_s},
            per_second=5e5 / cpu_s,
            rss=10**9,
            requests=waits,
        ),
        disk_bytes=38_000_000,
        visible=waits,
        questions={"trace by id": waits, "newest 20 of a service": waits},
        as_a_page={"newest 20 of a service": waits},
        start_again_s=1.0,
        lost=lost,
        tail=10_000,
    )


OUTCOMES = {
    MEMORY: [outcome(10, 10_000)],
    BADGER: [outcome(100, 500), outcome(120, 500), outcome(140, 500)],
    OURS: [outcome(11, 0)],
}


def test_the_table_has_medians_and_ratios() -> None:
    lines = peers_table.table(OUTCOMES).splitlines()
    assert lines[2] == "| CPU per million spans | 10 s | 120 s | 11 s | 1.10× | 0.09× |"
    assert (
        lines[-1]
        == "| lost by kill -9, of 1,000 acknowledged just before | 1,000 spans | 50 spans | 0 spans | 0.00× | 0.00× |"
    )


def test_the_comparison_fills_in_its_rows_and_the_peers_cells_of_others(tmp_path: Path) -> None:
    page = tmp_path / "performance.md"
    page.write_text(PAGE.read_text())
    peers.write(OUTCOMES, peers_table.table(OUTCOMES), compiled=True, page=page)
    rows = rows_of(page.read_text())
    assert rows["CPU per million spans, all processes"][2:6] == ["11 s", "yes", "10 s", "120 s"]
    assert rows["the same beside Jaeger on badger"][2:4] == ["0.09×", "yes"]
    assert rows["the same beside Jaeger in memory (stretch)"][2:4] == ["1.10×", "**no**"]
    assert rows["newest 20 of a service, 2 million spans"][4:6] == ["10 ms", "120 ms"]
    assert "decoder compiled. Medians of 1 to 3 rounds of 1,000,000 spans" in page.read_text()


def test_a_peer_that_was_left_out_leaves_its_cells_empty() -> None:
    some = {MEMORY: OUTCOMES[MEMORY], OURS: OUTCOMES[OURS]}
    assert peers_table.jaeger(some)["on disk per span"] == ("38 bytes", "–")
    assert "the same beside Jaeger on badger" not in peers_table.bars(some)


def test_one_line_says_that_jaeger_cannot_be_built_without_go() -> None:
    done = subprocess.run(
        [sys.executable, "-m", "tests.bench.peers", "build"],
        cwd=ROOT,
        env={**os.environ, "PATH": "/nonexistent"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr.count("\n") == 1
    assert "there is no Go here" in done.stderr
