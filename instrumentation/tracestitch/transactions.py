"""Whether the code that runs now holds a database transaction open: what a caller of another service ought to
know, and the database hooks alone can tell. SQLAlchemy's hook announces its connections here; Django is asked."""

import sys
from contextvars import ContextVar
from typing import Any
from weakref import WeakSet

_HOLDERS: ContextVar["WeakSet[Any] | None"] = ContextVar("tracestitch-open-transactions", default=None)


def opened(holder: object) -> None:
    """This holder (a connection, a session) keeps a transaction open from now on, in this thread or task."""
    holders = _HOLDERS.get()
    if holders is None:
        holders = WeakSet()
        _HOLDERS.set(holders)
    holders.add(holder)


def closed(holder: object) -> None:
    holders = _HOLDERS.get()
    if holders is not None:
        holders.discard(holder)


def is_open(holder: object) -> bool:
    holders = _HOLDERS.get()
    return holders is not None and holder in holders


def in_transaction() -> bool:
    return bool(_HOLDERS.get()) or _in_django_atomic()


def _in_django_atomic() -> bool:
    """Only connections that exist in this thread are looked at: asking must not open one, nor read settings."""
    connections = getattr(sys.modules.get("django.db"), "connections", None)
    if connections is None:
        return False
    for alias in vars(connections).get("settings", ()):
        connection = getattr(connections._connections, alias, None)
        if connection is not None and connection.in_atomic_block:
            return True
    return False
