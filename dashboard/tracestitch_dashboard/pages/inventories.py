"""`/inventories.json`: what running processes told of themselves, in short, for `tracestitch doctor`."""

from __future__ import annotations

from typing import Any

from tracestitch_collector import plain
from tracestitch_collector.store.store import Inventory
from tracestitch_dashboard import runtime
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.page import Fragment

LIMIT, MOST = 100, 1000
PARTS = ("python", "framework", "codebase", "server", "logging", "other_agents", "clock", "replica")
"""Packages, settings and routes are long, and have places of their own."""


def load(ask: Ask) -> dict[str, Any]:
    """The newest first."""
    service = ask.text("service")
    found = [one for one in runtime.read(ask.store, ask.now_ns) if service in ("", one.service)]
    found.sort(key=lambda one: one.time_ns, reverse=True)
    return {"inventories": [_to_json(one) for one in found[: ask.number("limit", LIMIT, MOST)]]}


def _to_json(one: Inventory) -> dict[str, Any]:
    return {
        "service": one.service,
        "environment": one.environment,
        "instance": one.instance,
        "time_ns": one.time_ns,
        "resource": plain.attributes_to_json(one.resource),
        "body": {name: plain.value_to_json(one.body[name]) for name in PARTS if name in one.body},
    }


INVENTORIES = Fragment(path="/inventories.json", load=load)
