"""Which database transactions the code that runs now holds open, and what was done within them: what a caller of
another service ought to know, and the database hooks alone can tell. SQLAlchemy's hook announces its connections
here; Django's keeps the transaction on its connection, which is asked."""

import sys
from collections.abc import Mapping
from contextvars import ContextVar
from time import time_ns
from typing import Any
from weakref import WeakKeyDictionary

from opentelemetry.util.types import AttributeValue

from tracestitch.frames import CodeLocation

WRITES = frozenset({"INSERT", "UPDATE", "DELETE", "REPLACE", "MERGE", "COPY"})
DJANGO_KEY = "_tracestitch_transaction"


class Transaction:
    """From its beginning to its COMMIT or ROLLBACK."""

    __slots__ = ("begun_ns", "calls", "hooks", "location", "savepoints", "statements", "writes")

    def __init__(self, location: CodeLocation | None = None) -> None:
        self.begun_ns = time_ns()
        # Where the user's code began it.
        self.location = location
        self.statements = self.writes = self.savepoints = self.calls = 0
        # What waits for the COMMIT, by `on_commit()`.
        self.hooks = 0

    def asked(self, operation: str, text: str) -> None:
        """One more statement was sent."""
        if operation == "SAVEPOINT":
            self.savepoints += 1
        elif operation not in ("RELEASE", "ROLLBACK"):
            self.statements += 1
            if operation in WRITES or (operation == "SELECT" and " FOR UPDATE" in text[-60:]):
                self.writes += 1

    def attributes(self, now_ns: int) -> dict[str, AttributeValue]:
        """At its end."""
        told: dict[str, AttributeValue] = {
            "tracestitch.transaction.open_ms": round((now_ns - self.begun_ns) / 1_000_000, 3),
            "tracestitch.transaction.statements": self.statements,
            "tracestitch.transaction.writes": self.writes,
        }
        if self.savepoints:
            told["tracestitch.transaction.savepoints"] = self.savepoints
        if self.calls:
            told["tracestitch.transaction.calls"] = self.calls
        if self.hooks:
            told["tracestitch.transaction.on_commit"] = self.hooks
        return told


_OPEN: ContextVar["WeakKeyDictionary[Any, Transaction] | None"] = ContextVar(
    "tracestitch-open-transactions", default=None
)
_NOTHING: Mapping[str, AttributeValue] = {}


def opened(holder: object) -> Transaction:
    """This holder (a connection) keeps a transaction open from now on, in this thread or task."""
    holders = _OPEN.get()
    if holders is None:
        holders = WeakKeyDictionary()
        _OPEN.set(holders)
    known = holders.get(holder)
    if known is None:
        known = holders[holder] = Transaction()
    return known


def closed(holder: object) -> None:
    holders = _OPEN.get()
    if holders is not None:
        holders.pop(holder, None)
        if not holders:
            _OPEN.set(None)  # which is faster to be asked


def of(holder: object) -> Transaction | None:
    holders = _OPEN.get()
    return holders.get(holder) if holders is not None else None


def is_open(holder: object) -> bool:
    return of(holder) is not None


def in_transaction() -> bool:
    return bool(_OPEN.get()) or bool(_django_connections())


def going_out() -> Mapping[str, AttributeValue]:
    """Another service is about to be called, or sent a message: what its span says of the transactions that wait for
    it meanwhile."""
    holders = _OPEN.get()
    waiting: list[Transaction | None] = list(holders.values()) if holders else []
    waiting += [connection.__dict__.get(DJANGO_KEY) for connection in _django_connections()]
    if not waiting:
        return _NOTHING
    writes = 0
    for transaction in waiting:
        if transaction is not None:
            transaction.calls += 1
            writes += transaction.writes
    return {"tracestitch.db.in_transaction": True, "tracestitch.transaction.writes": writes}


def _django_connections() -> list[Any]:
    """Those in an `atomic()`. Only connections that exist in this thread are looked at: asking must not open one,
    nor read settings."""
    connections = getattr(sys.modules.get("django.db"), "connections", None)
    if connections is None:
        return []
    existing = (
        getattr(connections._connections, alias, None) for alias in vars(connections).get("settings", ())
    )
    return [connection for connection in existing if connection is not None and connection.in_atomic_block]
