"""The sample is bounded, settled and fair to rare operations."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import telemetry
from tests.support.traces import EPOCH_NS, TraceBuilder
from tracestitch_collector.checks.sampling import SECOND_NS, Limits, Sampler
from tracestitch_collector.model import Trace
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import Window

WINDOW = Window(start_ns=EPOCH_NS - 3600 * SECOND_NS, end_ns=EPOCH_NS + 3600 * SECOND_NS)
LATER = EPOCH_NS + 3000 * SECOND_NS
LIMITS = Limits(budget_s=600)


class Recording:
    """A real store in a folder, filled trace by trace."""

    def __init__(self, folder: Path) -> None:
        self.store = EmbeddedStore(folder, write=True, retention_ns=10**19, max_bytes=10**10)
        self.position = 0

    def add(self, *traces: Trace) -> None:
        for trace in traces:
            self.store.write(
                telemetry.batch(
                    trace.spans,
                    trace.logs,
                    request=f"{trace.trace_id} {self.position}",
                    start=self.position,
                    end=self.position + 1,
                )
            )
            self.position += 1


@pytest.fixture
def recording(tmp_path: Path) -> Recording:
    return Recording(tmp_path)


def request(word: str, route: str = "/stock", offset_ms: float = 0, children: int = 0) -> Trace:
    builder = TraceBuilder(word, offset_ms=offset_ms)
    builder.server("view", route, ms=5)
    for number in range(children):
        builder.query(f"q{number}", "SELECT 1", parent="view", at=1)
    return builder.build()


def ids(sampler: Sampler) -> set[str]:
    return {trace.trace_id for trace in sampler.traces}


def test_a_trace_is_taken_once_it_has_settled(recording: Recording) -> None:
    trace = request("one")
    recording.add(trace)
    arrived = trace.spans[0].received_ns
    sampler = Sampler(LIMITS)
    assert not sampler.refresh(recording.store, WINDOW, arrived + SECOND_NS)
    assert (sampler.traces, sampler.waiting) == ((), 1)
    assert sampler.refresh(recording.store, WINDOW, arrived + 3 * SECOND_NS)
    assert ids(sampler) == {trace.trace_id}


def test_a_trace_with_a_missing_parent_is_given_longer(recording: Recording) -> None:
    builder = TraceBuilder("orphan")
    builder.query("q", "SELECT 1", parent="on its way", at=1)
    trace = builder.build()
    recording.add(trace)
    arrived = trace.spans[0].received_ns
    sampler = Sampler(LIMITS)
    sampler.refresh(recording.store, WINDOW, arrived + 5 * SECOND_NS)
    assert sampler.traces == ()
    sampler.refresh(recording.store, WINDOW, arrived + 11 * SECOND_NS)
    assert ids(sampler) == {trace.trace_id}


def test_what_was_loaded_is_not_loaded_again_until_it_grows(recording: Recording) -> None:
    recording.add(request("one"))
    sampler = Sampler(LIMITS)
    assert sampler.refresh(recording.store, WINDOW, LATER)
    assert not sampler.refresh(recording.store, WINDOW, LATER)
    builder = TraceBuilder("one")
    builder.query("late", "SELECT 1", parent="view", at=2)
    recording.add(builder.build())
    assert sampler.refresh(recording.store, WINDOW, LATER)
    assert [len(trace.spans) for trace in sampler.traces] == [2]


def test_of_one_operation_only_the_newest_are_kept(recording: Recording) -> None:
    recording.add(*(request(f"r{number}", offset_ms=1000 * number) for number in range(8)))
    sampler = Sampler(Limits(per_operation=5, budget_s=600))
    sampler.refresh(recording.store, WINDOW, LATER)
    recording.add(request("newest", offset_ms=50_000))
    sampler.refresh(recording.store, WINDOW, LATER)
    names = [trace.spans[0].start_ns for trace in sampler.traces]
    assert names == [EPOCH_NS + round(second * 1e9) for second in (4, 5, 6, 7, 50)]


def test_a_rare_operation_is_found_among_the_busy_ones(recording: Recording) -> None:
    rare = request("rare", route="/report", offset_ms=0)
    recording.add(rare, *(request(f"busy {n}", offset_ms=1000 + n) for n in range(30)))
    sampler = Sampler(Limits(pages=1, page_size=10, budget_s=600))
    sampler.refresh(recording.store, WINDOW, LATER)
    assert rare.trace_id in ids(sampler)


def test_spans_in_memory_are_bounded_and_a_giant_is_left_out_and_counted(recording: Recording) -> None:
    recording.add(*(request(f"r{n}", route=f"/{n}", offset_ms=n, children=9) for n in range(10)))
    recording.add(request("giant", route="/giant", offset_ms=99, children=60))
    sampler = Sampler(Limits(spans=50, spans_per_trace=50, budget_s=600))
    sampler.refresh(recording.store, WINDOW, LATER)
    assert sum(len(trace.spans) for trace in sampler.traces) == 50
    assert sampler.too_large == 1


def test_loading_stops_when_its_time_is_up_and_goes_on_in_the_next_pass(recording: Recording) -> None:
    recording.add(*(request(f"r{n}", route=f"/{n}", offset_ms=n) for n in range(4)))
    ticks = iter(range(100))
    sampler = Sampler(Limits(budget_s=2, loaded_at_once=1), timer=lambda: float(next(ticks)))
    sampler.refresh(recording.store, WINDOW, LATER)
    assert (len(sampler.traces), sampler.waiting) == (2, 2)
    sampler.refresh(recording.store, WINDOW, LATER)
    assert len(sampler.traces) == 4


def test_traces_that_leave_the_window_are_forgotten(recording: Recording) -> None:
    recording.add(request("old"), request("new", offset_ms=10_000))
    sampler = Sampler(LIMITS)
    sampler.refresh(recording.store, WINDOW, LATER)
    later = Window(start_ns=EPOCH_NS + 5 * SECOND_NS, end_ns=WINDOW.end_ns)
    assert sampler.refresh(recording.store, later, LATER)
    assert len(sampler.traces) == 1
