"""What is summed up when a segment is written is what the spans themselves say."""

from __future__ import annotations

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.telemetry import BASE_NS, MILLISECOND, SECOND, batch, span, spans_table
from tracestitch_collector.model import Span
from tracestitch_collector.store.embedded import rollups
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import Dependency, Window

DAY = Window(start_ns=BASE_NS - 43_200 * SECOND, end_ns=BASE_NS + 43_200 * SECOND)


def open_store(path: Path) -> EmbeddedStore:
    return EmbeddedStore(path, write=True, clock=lambda: BASE_NS + 60 * SECOND)


def requests(count: int) -> list[Span]:
    choice = np.random.default_rng(1)
    return [
        span(
            trace_id=f"{n:032x}",
            span_id=f"{n:016x}",
            service=f"service-{n % 3}",
            name=f"operation-{n % 7}",
            start_ns=BASE_NS + n * SECOND,
            duration_ns=int(choice.integers(1, 10_000) * 100_000),
            status_code="error" if n % 5 == 0 else "unset",
        )
        for n in range(1, count)
    ]


def test_hot_rows_and_segments_say_the_same(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write(batch(requests(400)))
    before = store.services(DAY), store.operations(DAY), store.operations(DAY, "service-1")
    store.sync()
    assert (store.services(DAY), store.operations(DAY), store.operations(DAY, "service-1")) == before
    assert len(before[1]) == 21
    store.close()


def test_a_rollup_that_is_none_is_made_up_for_by_the_spans(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write(batch(requests(100)))
    store.sync()
    expected = store.operations(DAY)
    store.close()
    (path,) = tmp_path.glob("segments/*.rollup")
    for content in (path.read_bytes()[:-1], b"", None):
        path.unlink() if content is None else path.write_bytes(content)
        reader = EmbeddedStore(tmp_path, write=False)
        assert reader.operations(DAY) == expected
        reader.close()


def test_a_short_window_counts_exactly_what_lies_in_it(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    store.write(batch(requests(400)))
    store.sync()
    window = Window(start_ns=BASE_NS + 10 * SECOND + 1, end_ns=BASE_NS + 31 * SECOND)
    assert sum(found.requests for found in store.operations(window)) == 20
    assert sum(found.requests for found in store.services(window)) == 20
    store.close()


def test_percentiles_are_within_two_percent(tmp_path: Path) -> None:
    store = open_store(tmp_path)
    spans = [replace(item, name="one", resource=span().resource) for item in requests(2000)]
    store.write(batch(spans))
    store.sync()
    (found,) = store.operations(DAY)
    durations = [item.duration_ns for item in spans]
    for quantile, value in ((0.5, found.p50_ns), (0.95, found.p95_ns), (0.99, found.p99_ns)):
        assert value == pytest.approx(float(np.quantile(durations, quantile)), rel=0.02)
    store.close()


def test_a_call_whose_ends_lie_in_different_segments_is_found_also_when_they_are_merged(
    tmp_path: Path,
) -> None:
    store = open_store(tmp_path)
    for n in range(1, 9):
        trace_id = f"{n:032x}"
        out = span(
            trace_id=trace_id, span_id=f"{n:016x}", kind="client", service="shop", start_ns=BASE_NS + n
        )
        into = span(
            trace_id=trace_id, span_id=f"{n + 99:016x}", parent_span_id=out.span_id, start_ns=BASE_NS + n
        )
        store.write(batch([out], request=f"out {n}", start=2 * n, end=2 * n + 1))
        store.sync()
        store.write(batch([into], request=f"into {n}", start=2 * n + 1, end=2 * n + 2))
        assert store.dependencies(DAY)[0].calls == n
        store.sync()
        assert store.dependencies(DAY) == (Dependency(caller="shop", callee="inventory", calls=n, errors=0),)
    assert len(list(tmp_path.glob("segments/*.spans.parquet"))) < 10
    store.close()


def test_calls_to_databases_are_not_kept_as_half_a_call() -> None:
    statement = span(kind="client", attributes={"db.system.name": "sqlite"})
    call = span(kind="client", span_id="00000000000000aa")
    assert len(rollups.of_spans(spans_table([statement, call])).loose) == 1


@settings(max_examples=30, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(
    starts=st.lists(st.integers(0, 2**63 - 1), min_size=1, max_size=40),
    duration=st.integers(-(2**63) + 1, 2**63 - 1),
)
def test_times_that_nobody_has_sum_up_all_the_same(starts: list[int], duration: int) -> None:
    spans = [
        span(span_id=f"{n:016x}", start_ns=start, duration_ns=duration, name=f"{n}")
        for n, start in enumerate(starts, 1)
    ]
    found = rollups.of_spans(spans_table(spans))
    assert sum(found.operations["requests"].to_pylist()) == len(spans)
    assert sum(found.services["spans"].to_pylist()) == len(spans)
    assert set(found.operations["operation"].to_pylist()) == {item.name for item in spans}


def test_a_step_is_two_percent_wide() -> None:
    steps = rollups.steps_of(np.array([MILLISECOND, int(MILLISECOND * 1.05), 2 * MILLISECOND, 0, -5]))
    assert steps[1] - steps[0] in (2, 3)
    assert steps[2] - steps[0] == rollups.STEPS_PER_DOUBLING
    assert steps[3] == steps[4] == 0
