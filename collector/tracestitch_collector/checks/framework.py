"""Which framework and which database library a service is written with, so that a fix is in its own words."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal, TypeAlias

from tracestitch_collector.model import AttributeValue, Span
from tracestitch_collector.store.store import Inventory

Framework: TypeAlias = Literal["django", "flask", ""]
Orm: TypeAlias = Literal["django", "sqlalchemy"]


def of_service(service: str, inventories: Iterable[Inventory], spans: Iterable[Span] = ()) -> Framework:
    """From the newest inventory; from the names of the instrumentations where none was sent."""
    known = [inventory for inventory in inventories if inventory.service == service]
    for inventory in sorted(known, key=lambda inventory: -inventory.time_ns):
        found = _named(text_in(inventory.body.get("framework"), "name"))
        if found:
            return found
        packages = inventory.body.get("packages")
        if isinstance(packages, dict) and "flask" in packages and "django" not in packages:
            return "flask"
    return next((found for span in spans if (found := _named(span.scope.name))), "")


def orm_of(span: Span, framework: Framework) -> Orm:
    """The library that sent the query: said by its instrumentation, else the framework's usual one."""
    scope = span.scope.name.lower()
    if "sqlalchemy" in scope:
        return "sqlalchemy"
    if "django" in scope:
        return "django"
    return "sqlalchemy" if framework == "flask" else "django"


def text_in(value: AttributeValue, key: str) -> str:
    """A text field of a map that anyone may have sent; empty when it is not one."""
    if isinstance(value, str) or not hasattr(value, "get"):
        return ""
    found = value.get(key) if isinstance(value, dict) else None
    return found if isinstance(found, str) else ""


def _named(text: str) -> Framework:
    lowered = text.lower()
    if "django" in lowered:
        return "django"
    return "flask" if "flask" in lowered else ""
