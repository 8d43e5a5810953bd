"""Copies of a span become one, conflicts are marked."""

from __future__ import annotations

import math
from dataclasses import replace

from hypothesis import given
from hypothesis import strategies as st

from tests.support.telemetry import BASE_NS, span
from tracestitch_collector.model import Span, SpanEvent
from tracestitch_collector.traces.identity import merge_copies


def test_nothing_is_nothing() -> None:
    assert merge_copies([]) == ()


def test_a_span_alone_stays_as_it_is() -> None:
    assert merge_copies([span()]) == (span(),)


def test_equal_spans_become_the_first_received_with_a_count() -> None:
    late = span(received_ns=BASE_NS + 9)
    early = span(received_ns=BASE_NS + 1)
    assert merge_copies([late, early, late]) == (replace(early, copies=3),)


def test_the_order_of_attributes_is_no_difference() -> None:
    (found,) = merge_copies([span(attributes={"a": 1, "b": 2}), span(attributes={"b": 2, "a": 1})])
    assert found.copies == 2


def test_nan_equals_itself() -> None:
    (found,) = merge_copies([span(attributes={"a": math.nan}), span(attributes={"a": float("nan")})])
    assert found.copies == 2


def test_numbers_of_different_types_are_different() -> None:
    found = merge_copies([span(attributes={"a": value}) for value in (1, 1.0, True)])
    assert len(found) == 3
    assert all(item.conflicting for item in found)


def test_different_events_are_a_conflict() -> None:
    event = SpanEvent(time_ns=BASE_NS, name="exception", attributes={"a": {"b": (1,)}})
    found = merge_copies([span(), span(events=(event,)), span(events=(event,))])
    assert sorted((item.copies, item.conflicting) for item in found) == [(1, True), (2, True)]


def test_the_same_span_id_in_another_trace_is_another_span() -> None:
    found = merge_copies([span(), span(trace_id="f" * 32)])
    assert not any(item.conflicting for item in found)


def test_spans_come_by_start_and_id() -> None:
    spans = [span(span_id=f"{n:016x}", start_ns=BASE_NS + start) for n, start in ((3, 0), (2, 1), (1, 1))]
    assert [item.span_id[-1] for item in merge_copies(spans)] == ["3", "1", "2"]


@given(st.lists(st.tuples(st.integers(0, 3), st.integers(0, 2), st.integers(0, 9)), max_size=12))
def test_merging_loses_no_row_and_is_stable(rows: list[tuple[int, int, int]]) -> None:
    spans: list[Span] = [
        span(span_id=f"{number:016x}", name=str(content), received_ns=received)
        for number, content, received in rows
    ]
    merged = merge_copies(spans)
    assert sum(item.copies for item in merged) == len(spans)
    assert merge_copies(merged) == merged
    assert merge_copies(reversed(spans)) == merged
