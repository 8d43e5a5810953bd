"""Which processes still count: those that were not replaced and are not long silent."""

from __future__ import annotations

from tests.support.evidence import evidence, inventory
from tests.support.traces import EPOCH_NS, TraceBuilder, resource
from tracestitch_collector.checks.processes import SILENT_NS, running
from tracestitch_collector.model import Trace
from tracestitch_collector.store.store import Inventory

SECOND = 10**9


def request(instance: str, at_s: float) -> Trace:
    builder = TraceBuilder(f"{instance} {at_s}", offset_ms=at_s * 1000)
    builder.server("view", "/", of=resource("shop", service__instance__id=instance))
    return builder.build()


def instances(*inventories: Inventory, traces: tuple[Trace, ...] = ()) -> list[str]:
    return [one.instance for one in running(evidence(traces, inventories))]


def test_a_restarted_process_is_gone_whatever_environment_it_was_in() -> None:
    old = inventory("shop", "staging", instance="old")
    assert instances(old, inventory("shop", "", instance="new", at=SECOND)) == ["new"]


def test_a_process_that_works_on_beside_a_newer_one_still_counts() -> None:
    old, new = inventory("shop", instance="old"), inventory("shop", instance="new", at=SECOND)
    assert instances(old, new, traces=(request("old", 0.5),)) == ["new"]
    assert instances(old, new, traces=(request("old", 2),)) == ["old", "new"]


def test_processes_on_other_hosts_do_not_replace_each_other() -> None:
    assert instances(
        inventory("shop", instance="a", host="a"), inventory("shop", instance="b", host="b", at=SECOND)
    ) == ["a", "b"]


def test_a_process_that_is_silent_for_a_day_is_gone_until_it_works_again() -> None:
    now_ns = evidence().now_ns
    started = inventory("shop", instance="old", at=now_ns - EPOCH_NS - SILENT_NS - 1)
    assert instances(started) == []
    assert instances(started, traces=(request("old", 1),)) == ["old"]
