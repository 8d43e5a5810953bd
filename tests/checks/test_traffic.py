"""A day's cost comes from the requests there were in the time that was observed."""

from __future__ import annotations

from dataclasses import replace

from tests.support.evidence import evidence, requests
from tests.support.traces import TraceBuilder
from tracestitch_collector.checks import prevalence, traffic
from tracestitch_collector.checks.finding import Impact
from tracestitch_collector.checks.prevalence import Case
from tracestitch_collector.checks.traffic import LEAST_OBSERVED_NS, Traffic
from tracestitch_collector.store.store import OperationSummary, Window

SECOND = 10**9
HOUR = 3600 * SECOND


def operation(requests: int) -> OperationSummary:
    return OperationSummary(
        service="shop",
        operation="GET /orders",
        kind="server",
        requests=requests,
        errors=0,
        p50_ns=0,
        p95_ns=0,
        p99_ns=0,
        total_ns=0,
    )


def impact(found: Traffic) -> Impact:
    """Of ten requests in the sample, each of which loses 10 ms."""

    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/orders", ms=50)

    seen = replace(evidence(requests(10, build)), traffic=found)
    cases = [Case(unit=unit, spans=(unit.entry.span,), cost_ns=10_000_000) for unit in seen.units]
    return prevalence.impact(seen, cases, seen.units, "Lost.")


def test_the_time_observed_begins_with_the_data_or_the_window_and_is_never_a_moment() -> None:
    now_ns = 100 * HOUR
    window = Window(start_ns=now_ns - HOUR, end_ns=now_ns)

    def observed_ns(oldest_ns: int) -> int:
        return traffic.observed([], window=window, oldest_ns=oldest_ns, now_ns=now_ns).observed_ns

    assert observed_ns(0) == observed_ns(now_ns - 50 * HOUR) == HOUR
    assert observed_ns(now_ns - 1200 * SECOND) == 1200 * SECOND
    assert observed_ns(now_ns - SECOND) == LEAST_OBSERVED_NS


def test_a_burst_is_no_rate() -> None:
    found = impact(Traffic())
    assert found.ms_per_day == 10 * 10 * 86_400 / 300
    assert found.text == "Lost. With as many requests as in the last 5 min: 28.8 s a day."


def test_requests_beyond_the_sample_count_too() -> None:
    window = Window(start_ns=0, end_ns=HOUR)
    found = traffic.observed([operation(100)], window=window, oldest_ns=0, now_ns=HOUR)
    assert impact(found).ms_per_day == 100 * 10 * 24


def test_a_loss_too_small_to_speak_of_is_left_unsaid() -> None:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/orders")

    seen = evidence(requests(1, build))
    found = prevalence.impact(seen, [Case(unit=seen.units[0], spans=())], seen.units, "Lost.")
    assert (found.ms_per_day, found.text) == (0.0, "Lost.")
