"""What the newest process of a service said of its own state: routes that ask for nobody's login, deploy checks that
warn, migrations that are not applied, the clock, the garbage collector. All of it is hostile text."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tracestitch_collector.model import AttributeValue
from tracestitch_collector.store.store import Inventory
from tracestitch_dashboard.runtime import part, words

MOST = 20
CLOCK_IS_OFF_MS = 1_000.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    name: str
    text: str
    shown: tuple[str, ...] = ()
    """What the text counts, as far as it is shown."""
    warns: bool = False


def of(inventories: Iterable[Inventory]) -> tuple[Line, ...]:
    newest = max(inventories, key=lambda inventory: inventory.time_ns, default=None)
    if newest is None:
        return ()
    body = newest.body
    lines = (_routes(body), _checks(body), _migrations(body), _clock(body), _weight(body))
    return tuple(line for line in lines if line is not None)


def _routes(body: Mapping[str, AttributeValue]) -> Line | None:
    routes = [route for route in _list(body.get("routes")) if isinstance(route, Mapping)]
    if not routes:
        return None
    open_ones = [route for route in routes if not _list(route.get("guards"))]
    shown = tuple(
        f"{_joined(route.get('methods'))} {words(route.get('rule'))}".strip() for route in open_ones
    )
    text = f"{len(routes) - len(open_ones)} of {len(routes)} ask for a login or permission that can be seen from outside"
    return Line(name="Routes", text=text, shown=shown[:MOST])


def _checks(body: Mapping[str, AttributeValue]) -> Line | None:
    ids = tuple(words(item) for item in _list(body.get("deploy_checks")) if words(item))
    if not ids:
        return None
    return Line(name="Deploy checks", text=f"{len(ids)} of check --deploy warn", shown=ids[:MOST], warns=True)


def _migrations(body: Mapping[str, AttributeValue]) -> Line | None:
    names = tuple(words(item) for item in _list(body.get("unapplied_migrations")) if words(item))
    if not names:
        return None
    return Line(name="Migrations", text=f"{len(names)} not applied", shown=names[:MOST], warns=True)


def _clock(body: Mapping[str, AttributeValue]) -> Line | None:
    offset, zone = body.get("clock_offset_ms"), words(part(body, "clock").get("time_zone"))
    if not isinstance(offset, int | float):
        return Line(name="Clock", text=zone[:40]) if zone else None
    way = "ahead of" if offset > 0 else "behind"
    text = f"{abs(offset):,.0f} ms {way} the collector's"
    return Line(
        name="Clock", text=f"{zone[:40]}, {text}" if zone else text, warns=abs(offset) >= CLOCK_IS_OFF_MS
    )


def _weight(body: Mapping[str, AttributeValue]) -> Line | None:
    process, server = part(body, "process"), part(body, "server")
    told = []
    for name, label in (("gc_collections", "garbage collections"), ("threads", "threads")):
        value = process.get(name)
        if isinstance(value, int):
            told.append(f"{value:,} {label}")
    workers = server.get("workers")
    if isinstance(workers, int):
        told.append(f"{workers:,} worker{'s' if workers != 1 else ''}")
    return Line(name="Process", text=" · ".join(told) + " when it was told") if told else None


def _list(value: object) -> tuple[AttributeValue, ...]:
    return tuple(value) if isinstance(value, list | tuple) else ()


def _joined(value: object) -> str:
    return ", ".join(words(item) for item in _list(value)[:6])
