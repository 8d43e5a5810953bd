"""Database drivers that are used without an ORM: one client span for each statement that user code, or a library that
is not observed itself, hands to a cursor. What Django's ORM and SQLAlchemy execute is told by their own hooks, so
a statement whose cursor they call is let through."""

import inspect
import sys
from collections.abc import Callable, Mapping, Sized
from dataclasses import dataclass
from functools import lru_cache
from types import FrameType
from typing import Any

from opentelemetry import trace
from opentelemetry.util.types import AttributeValue

from tracestitch import briefs, calls, databases, tracebacks, tracing
from tracestitch.briefs import Brief
from tracestitch.databases import Database
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.spans import Span
from tracestitch.statements import Statements

MOST_DATABASES = 100
# By the module that calls the cursor. aiosqlite asks in a thread, where nobody's line can be told.
_OBSERVED_ELSEWHERE = ("django.db.backends.", "sqlalchemy.", "aiosqlite.")
_KNOWN = "_tracestitch_statements"
_STATEMENT = guard("database driver")


@dataclass(frozen=True, slots=True, kw_only=True)
class Driver:
    # A call that comes from this module is part of one that is told already; empty where there is none.
    own_module: str
    # Of a connection: its database, and its limits as attributes.
    describe: Callable[[Any], tuple[Database, Mapping[str, AttributeValue]]]
    # Of a connection: whether a transaction was open before the statement; None where it cannot be told for nothing.
    in_transaction: Callable[[Any], bool | None]


class DatabasesByValue:
    """What is known of statements, by database: connections come and go."""

    def __init__(self) -> None:
        self._known: dict[tuple[Database, tuple[tuple[str, AttributeValue], ...]], Statements] = {}

    def statements(self, database: Database, limits: Mapping[str, AttributeValue]) -> Statements:
        key = (database, tuple(limits.items()))
        known = self._known.get(key)
        if known is None:
            if len(self._known) >= MOST_DATABASES:
                self._known.clear()
            databases.SEEN.add(database)
            known = self._known[key] = Statements({**database.attributes(), **limits})
        return known


# A process has one; every driver's hook asks it.
_BY_VALUE = DatabasesByValue()


def observe(owner: Any, driver: Driver, *names: str) -> None:
    """Replaces these methods of a cursor class; they take the statement first."""
    for name in names:
        if hasattr(owner, name):
            replace(owner, name, _maker(driver, many=name == "executemany"))


def _maker(driver: Driver, *, many: bool) -> Callable[[Any], Callable[..., Any]]:
    def make(original: Any) -> Callable[..., Any]:
        if inspect.iscoroutinefunction(original):
            return _observed_async(original, driver, many)
        return _observed(original, driver, many)

    return make


def _observed(original: Any, driver: Driver, many: bool) -> Callable[..., Any]:
    def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        span = None
        try:
            span = _started(driver, self, query, sys._getframe(1), args if many else ())
        except Exception as error:
            _STATEMENT.caught(error)
        try:
            result = original(self, query, *args, **kwargs)
        except BaseException as error:
            with _STATEMENT:
                if span is not None:
                    briefs.fail(span, error)
                tracebacks.hide_own_frames(error)
            raise
        try:
            if span is not None:
                _ended(span, self)
        except Exception as error:
            _STATEMENT.caught(error)
        return result

    return execute


def _observed_async(original: Any, driver: Driver, many: bool) -> Callable[..., Any]:
    async def execute(self: Any, query: Any, *args: Any, **kwargs: Any) -> Any:
        span = None
        try:
            span = _started(driver, self, query, sys._getframe(1), args if many else ())
        except Exception as error:
            _STATEMENT.caught(error)
        try:
            result = await original(self, query, *args, **kwargs)
        except BaseException as error:
            with _STATEMENT:
                if span is not None:
                    briefs.fail(span, error)
                tracebacks.hide_own_frames(error)
            raise
        try:
            if span is not None:
                _ended(span, self)
        except Exception as error:
            _STATEMENT.caught(error)
        return result

    return execute


@lru_cache(maxsize=100)
def observed_class(kind: type, driver: Driver, names: tuple[str, ...]) -> type:
    """A subclass for what is written in C and cannot be changed; it goes by the same name."""
    methods = {
        name: _maker(driver, many=name == "executemany")(getattr(kind, name))
        for name in names
        if hasattr(kind, name)
    }
    for name, method in methods.items():
        method.__name__, method.__qualname__ = name, f"{kind.__qualname__}.{name}"
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), {**methods, **named, "__slots__": ()})


def told_elsewhere(caller: FrameType | None) -> bool:
    """Whether the ORM that calls here tells its statements itself."""
    module = caller.f_globals.get("__name__") if caller is not None else None
    return isinstance(module, str) and module.startswith(_OBSERVED_ELSEWHERE)


def _started(
    driver: Driver, cursor: Any, query: Any, caller: FrameType | None, args: tuple[Any, ...]
) -> Brief | trace.Span | None:
    if not calls.in_trace() or told_elsewhere(caller) or calls.suppressed():
        return None
    if caller is not None and caller.f_globals.get("__name__") == driver.own_module:
        return None
    connection = cursor.connection
    if connection is None or getattr(connection, "closed", False):
        return None  # the driver is about to say so
    known = _of_connection(connection, driver)
    shape = known.here(_text(query, cursor), _in_transaction(driver, connection), None, calls.given_at)
    current = tracing.current_span()
    parent = current if type(current) is Span else None
    if args and isinstance(args[0], Sized):
        return briefs.begin_many(parent, shape, len(args[0]))
    return briefs.begin(parent, shape)


def _of_connection(connection: Any, driver: Driver) -> Statements:
    known = vars(connection).get(_KNOWN)
    if not isinstance(known, Statements):
        known = _BY_VALUE.statements(*driver.describe(connection))
        vars(connection)[_KNOWN] = known
    return known


def _in_transaction(driver: Driver, connection: Any) -> bool | None:
    try:
        return driver.in_transaction(connection)
    except Exception:
        return None  # a connection that was closed; sqlite3 has no other way to tell


def _text(query: Any, cursor: Any) -> str:
    if isinstance(query, str):
        return query
    if isinstance(query, bytes | bytearray):
        return bytes(query).decode("utf-8", "replace")
    composed = getattr(query, "as_string", None)
    return str(composed(cursor)) if composed is not None else ""


def _ended(started: Brief | trace.Span, cursor: Any) -> None:
    # Drivers that fetch while they execute know the number of rows; the others say -1.
    known = getattr(cursor, "description", None) is not None and cursor.rowcount >= 0
    briefs.end(started, cursor.rowcount if known else None)
