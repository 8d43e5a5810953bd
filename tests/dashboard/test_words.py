"""What people type into the search box."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from tracestitch_collector.store.store import AttributeFilter
from tracestitch_dashboard import words
from tracestitch_dashboard.errors import BadQuery
from tracestitch_dashboard.words import Words

SERVICES, OPERATIONS = ("pricing", "storefront"), ("GET /stock",)


def parse(text: str) -> Words:
    return words.parse(text, SERVICES, OPERATIONS)


def test_known_names_are_taken_for_what_they_name() -> None:
    assert parse("pricing") == Words(service="pricing")
    assert parse("GET /stock") == Words(operation="GET /stock")


def test_conditions_durations_and_text_may_stand_together() -> None:
    found = parse(
        'pricing error >200ms <2s http.response.status_code>=500 db.system.name!=redis "no such item" x'
    )
    assert found == Words(
        service="pricing",
        error=True,
        min_duration_ns=200_000_000,
        max_duration_ns=2_000_000_000,
        attributes=(
            AttributeFilter(key="http.response.status_code", operator=">=", value="500"),
            AttributeFilter(key="db.system.name", operator="!=", value="redis"),
        ),
        text="no such item x",
    )


def test_short_names_stand_for_the_attributes_they_mean() -> None:
    code = "http.response.status_code"
    assert parse("status=500").attributes == (AttributeFilter(key=code, operator="=", value="500"),)
    assert parse("status:404").attributes == (AttributeFilter(key=code, operator="=", value="404"),)
    assert parse("status>=500").attributes == (AttributeFilter(key=code, operator=">=", value="500"),)
    assert parse("status=shipped").attributes == (
        AttributeFilter(key="status", operator="=", value="shipped"),
    )
    assert parse("route=/stock method:GET").attributes == (
        AttributeFilter(key="http.route", operator="=", value="/stock"),
        AttributeFilter(key="http.request.method", operator="=", value="GET"),
    )


def test_the_outcome_and_the_service_may_be_named() -> None:
    assert parse("status:error") == parse("status=error") == Words(error=True)
    assert parse("status:ok") == Words(error=False)
    assert parse("service:pricing") == parse("service=pricing") == Words(service="pricing")


def test_a_quoted_value_may_hold_spaces_and_a_star_asks_for_presence() -> None:
    found = parse('db.query.text~"FROM item" error.type=*')
    assert found.attributes == (
        AttributeFilter(key="db.query.text", operator="contains", value="FROM item"),
        AttributeFilter(key="error.type", operator="exists"),
    )


def test_a_trace_id_is_known_in_any_case_and_with_dashes() -> None:
    assert words.trace_id_in(" 0AF76519-16CD43DD-8448EB21-1C80319C ") == "0af7651916cd43dd8448eb211c80319c"
    assert words.trace_id_in("0af7") == ""


@pytest.mark.parametrize("text", ["", "5", "ms", "-1ms", "1 day", "1e3ms", "1.2.3s"])
def test_a_duration_that_is_none_is_said(text: str) -> None:
    with pytest.raises(BadQuery, match="number and a unit"):
        words.length_ns(text)


@given(st.text(max_size=60))
def test_any_text_is_understood_somehow(text: str) -> None:
    try:
        found = parse(text)
    except BadQuery:
        return
    assert len(found.text) <= len(text)
