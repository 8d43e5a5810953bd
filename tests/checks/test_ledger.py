"""The ledger remembers since when, and writes no more than is worth reading."""

from __future__ import annotations

from dataclasses import replace

from tests.support.telemetry import finding
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


def test_a_finding_that_is_not_seen_again_stays_as_it_was() -> None:
    ledger = Ledger([finding()])
    assert ledger.due([], NOW) == ()
    assert ledger.findings == (finding(),)
