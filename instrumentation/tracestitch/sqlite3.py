"""sqlite3 as the standard library offers it: connections and cursors of classes that tell their statements. Django
and SQLAlchemy take `sqlite3.dbapi2`, which stays as it is."""

import sys
from collections.abc import Mapping
from types import ModuleType
from typing import Any

from opentelemetry.util.types import AttributeValue

from tracestitch import databases, timeouts
from tracestitch.databases import Database
from tracestitch.drivers import Driver, observed_class, told_elsewhere
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.tracebacks import UNSEEN

_METHODS = ("execute", "executemany", "executescript")
_DATABASE = "_tracestitch_database"
_FACTORY_POSITION, _TIMEOUT_POSITION = 5, 1
_DEFAULT_TIMEOUT_S = 5.0
_CONNECTING = guard("sqlite3")


def patch_connect(module: ModuleType) -> None:
    kinds = Kinds(module)

    def make(original: Any) -> Any:
        def connect(*args: Any, **kwargs: Any) -> Any:
            observed = False
            with _CONNECTING:
                if not told_elsewhere(sys._getframe(1)):
                    args, kwargs = kinds.with_factory(args, kwargs)
                    observed = True
            with UNSEEN:
                connection = original(*args, **kwargs)
            if observed:
                with _CONNECTING:
                    kinds.note(connection, args, kwargs)
            return connection

        return connect

    replace(module, "connect", make)


class Kinds:
    """The observed kinds of the connections and cursors that the app uses."""

    def __init__(self, module: ModuleType) -> None:
        self._connection: type[Any] = module.Connection
        self._cursor: type[Any] = module.Cursor
        self._known: dict[type[Any], type[Any]] = {}

    def with_factory(
        self, args: tuple[Any, ...], kwargs: dict[str, Any]
    ) -> tuple[tuple[Any, ...], dict[str, Any]]:
        at = _FACTORY_POSITION
        wanted = args[at] if len(args) > at else kwargs.get("factory", self._connection)
        if not isinstance(wanted, type) or not issubclass(wanted, self._connection):
            return args, kwargs
        kind = self._observed_connection(wanted)
        if len(args) > at:
            return (*args[:at], kind, *args[at + 1 :]), kwargs
        return args, {**kwargs, "factory": kind}

    def note(self, connection: Any, args: tuple[Any, ...], kwargs: Mapping[str, Any]) -> None:
        if type(connection) in self._known.values():
            name = args[0] if args else kwargs.get("database", "")
            at = _TIMEOUT_POSITION
            limit = args[at] if len(args) > at else kwargs.get("timeout", _DEFAULT_TIMEOUT_S)
            text = bytes(name).decode("utf-8", "replace") if isinstance(name, bytes) else str(name)
            vars(connection)[_DATABASE] = (
                databases.database("sqlite", text, "", None),
                timeouts.of_connection("sqlite", {"timeout": limit}),
            )

    def _observed_connection(self, kind: type[Any]) -> type[Any]:
        known = self._known.get(kind)
        if known is None:
            known = self._known[kind] = _connection_class(kind, self._connection, self._cursor)
        return known


def _connection_class(kind: Any, plain: Any, plain_cursor: type[Any]) -> type[Any]:
    def cursor(self: Any, factory: Any = plain_cursor) -> Any:
        with _CONNECTING:
            if isinstance(factory, type) and issubclass(factory, plain_cursor):
                factory = observed_class(factory, _DRIVER, _METHODS)
        with UNSEEN:
            return kind.cursor(self, factory)

    methods: dict[str, Any] = {"cursor": cursor}
    # In C they make a cursor without asking for one. What the app's own class does instead is left alone.
    for name in _METHODS:
        if getattr(kind, name) is getattr(plain, name):
            methods[name] = _by_a_cursor(name, plain_cursor)
    for name, method in methods.items():
        method.__name__, method.__qualname__ = name, f"{kind.__qualname__}.{name}"
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), {**methods, **named})


def _by_a_cursor(name: str, plain_cursor: type[Any]) -> Any:
    def by_a_cursor(self: Any, *args: Any) -> Any:
        execute = getattr(self.cursor(plain_cursor), name)
        with UNSEEN:
            return execute(*args)

    return by_a_cursor


def _described(connection: Any) -> tuple[Database, Mapping[str, AttributeValue]]:
    found: tuple[Database, Mapping[str, AttributeValue]] = vars(connection)[_DATABASE]
    return found


_DRIVER = Driver(
    own_module="",
    describe=_described,
    in_transaction=lambda connection: bool(connection.in_transaction),
)
