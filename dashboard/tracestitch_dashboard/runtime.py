"""What a service runs on, in words, from what its processes told of themselves."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tracestitch_collector.model import AttributeValue
from tracestitch_collector.store.store import Inventory, Store, Window
from tracestitch_dashboard import figures

LOOKBACK_NS = 7 * 86_400 * figures.SECOND_NS
"""A process tells it once, when it starts."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Runtime:
    framework: str
    """`Django 5.2.1`"""
    python: str
    environment: str
    version: str
    processes: int


def by_service(inventories: Iterable[Inventory]) -> dict[str, Runtime]:
    """The newest process speaks for its service."""
    groups: dict[str, list[Inventory]] = {}
    for inventory in inventories:
        groups.setdefault(inventory.service, []).append(inventory)
    return {
        service: _runtime(max(group, key=lambda inventory: inventory.time_ns), len(group))
        for service, group in groups.items()
    }


def read(store: Store, now_ns: int) -> tuple[Inventory, ...]:
    return store.inventories(Window(start_ns=now_ns - LOOKBACK_NS, end_ns=now_ns + LOOKBACK_NS))


def _runtime(inventory: Inventory, processes: int) -> Runtime:
    framework, python = part(inventory.body, "framework"), part(inventory.body, "python")
    name = words(framework.get("name"))
    return Runtime(
        framework=f"{_NAMES.get(name, name)} {words(framework.get('version'))}".strip(),
        python=words(python.get("version")),
        environment=inventory.environment,
        version=words(inventory.resource.get("service.version")),
        processes=processes,
    )


_NAMES = {"django": "Django", "flask": "Flask", "celery": "Celery"}


def part(body: Mapping[str, AttributeValue], key: str) -> Mapping[str, AttributeValue]:
    found = body.get(key)
    return found if isinstance(found, Mapping) else {}


def words(value: AttributeValue) -> str:
    return value if isinstance(value, str) else ""
