"""The bars of the list of traces."""

from __future__ import annotations

import pytest

from tracestitch_collector.store.store import TraceSummary
from tracestitch_dashboard.bars import THINNEST, WIDTH, parts


def summary(duration_ns: int, **services: int) -> TraceSummary:
    return TraceSummary(
        trace_id="a" * 32,
        root_service="storefront",
        root_name="GET /",
        start_ns=0,
        duration_ns=duration_ns,
        span_count=sum(services.values()),
        error_count=0,
        log_count=0,
        services=services,
    )


def test_a_bar_is_as_long_as_the_trace_took_and_split_by_its_services() -> None:
    found = parts(summary(50, pricing=96, storefront=32), 100)
    assert [(part.service, part.x, part.width) for part in found] == [
        ("storefront", 0, WIDTH / 2 / 4),
        ("pricing", WIDTH / 2 / 4, WIDTH / 2 / 4 * 3),
    ]


def test_the_shortest_trace_is_still_seen_and_the_oddest_stays_within_its_cell() -> None:
    assert sum(part.width for part in parts(summary(0, storefront=1), 100)) == THINNEST
    assert sum(part.width for part in parts(summary(10**18, storefront=1, worker=2), 1)) == pytest.approx(
        WIDTH
    )
    assert sum(part.width for part in parts(summary(-5), 0)) == THINNEST
