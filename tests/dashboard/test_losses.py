"""What counts as lost: each item once, and nothing that arrives in the end."""

from __future__ import annotations

import pytest

from tracestitch_collector.status import ProcessStatus, Report
from tracestitch_dashboard.losses import losses_of


def said(counter: str, count: float) -> ProcessStatus:
    report = Report(counters={counter: count})
    return ProcessStatus(process="p", pid=1, started_ns=0, updated_ns=0, report=report)


FATES = {
    'tracestitch_output_failed_total{output="store",signal="traces"}': "tried again",
    'tracestitch_receiver_refused_total{signal="traces",transport="http",reason="log unavailable"}': "tried again",
    'tracestitch_receiver_refused_total{signal="traces",transport="grpc",reason="busy"}': "tried again",
    'tracestitch_receiver_refused_total{signal="traces",transport="http",reason="sender hung up"}': "tried again",
    'tracestitch_receiver_refused_total{signal="traces",transport="http",reason="malformed"}': "lost",
    'tracestitch_receiver_refused_total{signal="logs",transport="http",reason="no token"}': "lost",
    'tracestitch_receiver_refused_total{signal="none",transport="http",reason="not found"}': "no loss",
    'tracestitch_receiver_refused_total{signal="none",transport="http",reason="no token"}': "no loss",
    'tracestitch_receiver_refused_total{signal="logs",transport="http",reason="wrong method"}': "no loss",
    'tracestitch_receiver_dropped_total{signal="traces",reason="value out of range"}': "lost",
    'tracestitch_receiver_dropped_total{signal="metrics",reason="not stored"}': "by design",
    'tracestitch_pipeline_dropped_total{signal="traces",reason="undecodable"}': "lost",
    'tracestitch_pipeline_truncated_total{signal="traces",what="name"}': "cut",
    'tracestitch_output_dead_letter_total{output="store",signal="logs",reason="rejected"}': "lost",
    'tracestitch_metric_series_overflow_total{family="spans"}': "no loss",
    'tracestitch_checks_failures_total{check="debug-exposed"}': None,
    'tracestitch_receiver_accepted_total{signal="traces",transport="http"}': None,
}


@pytest.mark.parametrize("counter", FATES)
def test_every_counter_has_its_fate(counter: str) -> None:
    found = losses_of([said(counter, 54_000)])
    assert [loss.fate for loss in found] == ([FATES[counter]] if FATES[counter] else [])
    assert [loss.is_data for loss in found] == ([FATES[counter] in ("lost", "cut")] if FATES[counter] else [])


def test_what_was_lost_stands_before_what_was_not() -> None:
    found = losses_of([said(counter, count) for count, counter in enumerate(FATES, 1)])
    assert [loss.is_data for loss in found] == sorted((loss.is_data for loss in found), reverse=True)
