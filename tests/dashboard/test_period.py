"""The time range in the address."""

from __future__ import annotations

import pytest

from tracestitch_dashboard import period
from tracestitch_dashboard.errors import BadQuery

NOW = 1_790_000_000 * 10**9


def test_the_default_is_the_last_hour_and_needs_no_parameter() -> None:
    found = period.parse({}, NOW)
    assert (found.window.start_ns, found.parameters, found.label) == (NOW - 3600 * 10**9, {}, "Last hour")
    assert found.window.end_ns > NOW  # other clocks may run ahead


def test_a_range_is_named_in_the_address() -> None:
    found = period.parse({"range": "7d"}, NOW)
    assert found.seconds == 7 * 86_400
    assert period.parse(found.parameters, NOW) == found


@pytest.mark.parametrize(
    ("text", "ns"),
    [
        ("2026-09-21T14:13:20", NOW),
        ("2026-09-21T14:13:20Z", NOW),
        ("2026-09-21T16:13:20+02:00", NOW),
        ("2026-09-21T14:13:20.250Z", NOW + 250_000_000),
        ("1790000000", NOW),
        ("1790000000250", NOW + 250_000_000),
        ("1790000000000000001", NOW + 1),
    ],
)
def test_from_takes_iso_times_and_numbers(text: str, ns: int) -> None:
    assert period.parse({"from": text}, NOW + 10**12).window.start_ns == ns


@pytest.mark.parametrize(
    "parameters",
    [
        {"range": "3x"},
        {"from": "yesterday"},
        {"from": "2026-13-01"},
        {"to": "99999999999999999999999"},
        {"from": "2026-09-21T14:00", "to": "2026-09-21T13:00"},
    ],
)
def test_what_makes_no_sense_is_said(parameters: dict[str, str]) -> None:
    with pytest.raises(BadQuery, match=r"“|before"):
        period.parse(parameters, NOW)


def test_a_rate_is_of_the_time_since_the_first_data() -> None:
    hour = period.parse({}, NOW)
    since = [NOW - minutes * 60 * 10**9 for minutes in (120, 30, 10)]
    assert [period.covered_seconds(hour, oldest_ns, NOW) for oldest_ns in since] == [3600, 1800, 600]


def test_a_burst_of_some_seconds_is_the_rate_of_a_minute() -> None:
    assert period.covered_seconds(period.parse({}, NOW), NOW - 10**9, NOW) == period.LEAST_COVERED_S


def test_a_period_that_lies_behind_is_covered_to_its_end() -> None:
    past = period.parse({"from": "2026-09-21T10:00:00", "to": "2026-09-21T11:00:00"}, NOW)
    assert period.covered_seconds(past, past.window.start_ns + 600 * 10**9, NOW) == 3000
