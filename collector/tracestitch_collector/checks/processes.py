"""Which of the processes that introduced themselves are still there, and so may be held to what they said."""

from __future__ import annotations

from collections.abc import Iterator

from tracestitch_collector.checks.evidence import Evidence
from tracestitch_collector.model import Resource
from tracestitch_collector.store.store import Inventory

SILENT_NS = 24 * 3600 * 10**9
"""After so long without a request a process is taken for gone: it said what it is only once."""


def running(evidence: Evidence) -> Iterator[Inventory]:
    """By age. Of those of one service in one folder of one host: the newest, and those that went on working after
    it had come: what was restarted is gone, whatever environment it was in."""
    worked_ns: dict[tuple[str, str], int] = {}
    for unit in evidence.units:
        span = unit.entry.span
        process = (unit.service, span.resource.text("service.instance.id"))
        worked_ns[process] = max(worked_ns.get(process, 0), span.start_ns)
    by_age = sorted(evidence.inventories, key=lambda one: (one.time_ns, one.instance))
    newest_ns = {_home(one): one.time_ns for one in by_age}
    for one in by_age:
        last_ns = max(one.time_ns, worked_ns.get((one.service, one.instance), 0))
        if last_ns >= newest_ns[_home(one)] and evidence.now_ns - last_ns <= SILENT_NS:
            yield one


def _home(inventory: Inventory) -> tuple[str, str, str]:
    resource = Resource(attributes=inventory.resource)
    return inventory.service, resource.text("host.name"), resource.text("tracestitch.app.root")
