"""Numbers as people read them."""

from __future__ import annotations

import pytest

from tracestitch_dashboard import figures


@pytest.mark.parametrize(
    ("ns", "text"),
    [
        (0, "0 ms"),
        (1, "1 ns"),
        (999, "999 ns"),
        (84_000, "84 µs"),
        (999_600, "1 ms"),
        (1_237_000, "1.24 ms"),
        (7_600_000, "7.6 ms"),
        (52_800_000, "52.8 ms"),
        (318_400_000, "318 ms"),
        (999_999_999, "1 s"),
        (1_240_000_000, "1.24 s"),
        (126_000_000_000, "2.1 min"),
        (7_560_000_000_000, "2.1 h"),
        (7 * 86_400 * 10**9, "7 d"),
        (2**63 - 1, f"106{figures.THIN}752 d"),
        (-2_000_000, "−2 ms"),
    ],
)
def test_durations_have_three_figures_and_the_unit_that_fits(ns: int, text: str) -> None:
    assert figures.duration(ns) == text


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [
        (0, 10, "0 %"),
        (10, 10, "100 %"),
        (9_999, 10_000, ">99.9 %"),
        (1, 10_000, "<0.1 %"),
        (4, 1_000, "0.4 %"),
        (38, 100, "38 %"),
        (1, 0, "–"),
    ],
)
def test_nothing_is_rounded_to_none_or_all(part: float, whole: float, text: str) -> None:
    assert figures.share(part, whole) == text


def test_ages_are_coarse_and_never_negative() -> None:
    second = figures.SECOND_NS
    now = 10**18
    ages = [figures.ago(now - seconds * second, now) for seconds in (0, 1, 12, 240, 7200, 86_400 * 6, -30)]
    assert ages == ["now", "now", "12 s ago", "4 min ago", "2 h ago", "6 d ago", "in 30 s"]
    assert figures.ago(0, now) == "never"


def test_a_time_beyond_the_calendar_is_shown_as_it_is() -> None:
    assert figures.iso(2**63 - 1) == "2262-04-11T23:47:16.854Z"
    assert figures.clock(10**30) == f"{10**30} ns"


def test_rates_take_the_unit_in_which_they_are_a_number() -> None:
    rates = [figures.rate(number, 3600) for number in (77_040, 31, 1, 0)]
    assert rates == ["21.4/s", "0.52/min", "1/h", "0/s"]


def test_counts_have_thin_separators_and_sizes_a_unit() -> None:
    assert figures.count(18_204) == f"18{figures.THIN}204"
    assert [figures.size(number) for number in (12, 1_200_000_000)] == ["12 B", "1.2 GB"]


def test_a_column_of_rates_has_one_unit() -> None:
    assert figures.rate_unit([7200, 12], 3600) == "s"
    assert figures.rate_unit([3599, 12], 3600) == "min"
    assert figures.rate_unit([], 3600) == "s"
    assert [figures.rate_in(number, 3600, "s") for number in (0, 12, 7200, 77_040, 9_000_000)] == [
        "0",
        "<0.01",
        "2.00",
        "21.4",
        f"2{figures.THIN}500",
    ]
    assert figures.rate_in(143, 3600, "min") == "2.38"


def test_a_sentence_begins_with_a_capital_letter() -> None:
    assert figures.sentence("inventory runs its debugger") == "Inventory runs its debugger"
    assert figures.sentence("61 queries") == "61 queries"
    assert figures.sentence("") == ""
