"""The ledger remembers since when, and writes no more than is worth reading."""

from __future__ import annotations

from dataclasses import replace

from tests.support.telemetry import finding
from tracestitch_collector.checks.closing import Seen
from tracestitch_collector.checks.finding import Evidence, Finding, State
from tracestitch_collector.checks.ledger import REFRESH_NS, Ledger

NOW = 10**18


def test_a_new_finding_is_due_until_it_is_written() -> None:
    ledger = Ledger()
    assert ledger.due([finding()], NOW) == (finding(),)
    assert ledger.due([finding()], NOW) == (finding(),)
    ledger.written([finding()], NOW)
    assert ledger.due([finding()], NOW + REFRESH_NS) == ()


def test_the_first_time_it_was_seen_is_kept_and_the_last_never_goes_back() -> None:
    ledger = Ledger([finding(first_seen_ns=5, last_seen_ns=90)])
    (due,) = ledger.due([finding(first_seen_ns=50, last_seen_ns=60, affected=9)], NOW)
    assert (due.first_seen_ns, due.last_seen_ns, due.affected) == (5, 90, 9)


def test_counts_are_written_now_and_then_and_a_change_of_severity_at_once() -> None:
    ledger = Ledger()
    ledger.written([finding()], NOW)
    more = replace(finding(), affected=4)
    assert ledger.due([more], NOW + 1) == ()
    assert ledger.due([more], NOW + REFRESH_NS) == (more,)
    worse = replace(finding(), severity="critical")
    assert ledger.due([worse], NOW + 1) == (worse,)
    suppressed = replace(finding(), suppressed_by="known")
    assert ledger.due([suppressed], NOW + 1) == (suppressed,)


HOUR = 3600 * 10**9
SHOWN = (Evidence(trace_id="1" * 32, span_ids=("2" * 16,)),)
ON_ITS_ROUTE = Seen(places={("inventory", "GET /stock"): ()})


def states(known: Finding, later_ns: int, seen: Seen) -> list[State]:
    ledger = Ledger([known])
    return [one.state for one in ledger.due([], known.last_seen_ns + later_ns, seen)]


def test_a_finding_goes_quiet_when_an_hour_of_its_route_does_not_show_it() -> None:
    known = finding(evidence=SHOWN)
    assert states(known, HOUR, ON_ITS_ROUTE) == []
    assert states(known, HOUR + 1, ON_ITS_ROUTE) == ["quiet"]


def test_a_finding_stays_open_while_nobody_asks_its_route_but_a_day_at_most() -> None:
    known = finding(evidence=SHOWN)
    elsewhere = Seen(places={("inventory", "GET /other"): (), ("shop", "GET /stock"): ()})
    assert states(known, 24 * HOUR, elsewhere) == []
    assert states(known, 24 * HOUR + 1, elsewhere) == ["quiet"]


def test_a_finding_of_a_whole_service_goes_by_any_of_its_routes() -> None:
    known = finding(evidence=SHOWN, operation="")
    assert states(known, HOUR + 1, Seen(places={("inventory", "GET /other"): ()})) == ["quiet"]


def test_what_a_process_said_of_itself_is_over_as_soon_as_none_says_it() -> None:
    assert states(finding(evidence=()), 1, Seen()) == ["quiet"]


def test_a_check_that_failed_or_kept_findings_back_proves_nothing_over() -> None:
    undecided = Seen(places=ON_ITS_ROUTE.places, undecided={"n-plus-one-db"})
    assert states(finding(evidence=SHOWN), 2 * HOUR, undecided) == []
    assert states(finding(evidence=()), 1, undecided) == []


def test_a_quiet_finding_is_said_once_and_opens_at_once_when_it_is_back() -> None:
    ledger = Ledger([finding(evidence=SHOWN)])
    now_ns = finding().last_seen_ns + 2 * HOUR
    quiet = ledger.due([], now_ns, ON_ITS_ROUTE)
    ledger.written(quiet, now_ns)
    assert ledger.due([], now_ns + HOUR, ON_ITS_ROUTE) == ()
    (back,) = ledger.due([finding(evidence=SHOWN, last_seen_ns=now_ns)], now_ns + 1, ON_ITS_ROUTE)
    assert (back.state, back.first_seen_ns) == ("open", finding().first_seen_ns)


LAST_NS = finding().last_seen_ns


def clean(count: int, *, instance: str = "old", started_ns: int = 0) -> Seen:
    """So many requests of its route after it was last seen."""
    requests = tuple((LAST_NS + 1 + number, instance) for number in range(count))
    return Seen(
        places={("inventory", "GET /stock"): ((LAST_NS, "old"), *requests)},
        started_ns={("inventory", instance): started_ns},
    )


def always(clean_now: int, check: str = "n-plus-one-db") -> Finding:
    """Every request showed it, until those that come now."""
    return finding(evidence=SHOWN, check=check, affected=8, eligible=8 + clean_now)


def test_a_finding_closes_after_five_requests_of_its_route_without_it_though_older_ones_still_show_it() -> (
    None
):
    ledger = Ledger([always(0)])
    (four,) = ledger.due([always(4)], NOW, clean(4))
    assert (four.state, four.clean) == ("open", 4)
    (five,) = ledger.due([always(5)], NOW, clean(5))
    assert (five.state, five.clean) == ("quiet", 5)


def test_one_request_is_enough_from_a_process_that_was_started_since() -> None:
    (due,) = Ledger([always(0)]).due([always(1)], NOW, clean(1, instance="new", started_ns=LAST_NS + 1))
    assert (due.state, due.clean) == ("quiet", 1)


def test_a_finding_that_few_requests_showed_needs_more_of_them_to_be_over() -> None:
    rare = finding(evidence=SHOWN, affected=1, eligible=20)
    (due,) = Ledger([rare]).due([replace(rare, eligible=30)], NOW, clean(10))
    assert due.state == "open"


def test_a_finding_that_needs_something_to_fail_is_not_over_for_a_few_requests_without_it() -> None:
    found = always(20, "swallowed-error")
    (due,) = Ledger([found]).due([found], NOW, clean(20))
    assert (due.state, due.clean) == ("open", 20)


def test_a_finding_whose_requests_are_all_replaced_by_clean_ones_is_over_before_the_hour() -> None:
    assert [one.state for one in Ledger([always(0)]).due([], LAST_NS + 60, clean(7))] == ["quiet"]


def test_a_finding_opens_again_with_the_next_request_that_shows_it() -> None:
    ledger = Ledger([replace(always(5), state="quiet", clean=5)])
    back = replace(always(5), last_seen_ns=LAST_NS + 100)
    (due,) = ledger.due([back], NOW, clean(5))
    assert (due.state, due.clean) == ("open", 0)


def test_the_history_keeps_the_largest_count_of_each_hour_and_a_week_at_most() -> None:
    known = finding(history=((1, 3), (2, 9)))
    (due,) = Ledger([known]).due([finding(history=((2, 4), (3, 1)))], NOW)
    assert due.history == ((1, 3), (2, 9), (3, 1))
    long = finding(history=tuple((hour, 1) for hour in range(200)))
    (due,) = Ledger([known]).due([long], NOW)
    assert (len(due.history), due.history[-1]) == (168, (199, 1))
