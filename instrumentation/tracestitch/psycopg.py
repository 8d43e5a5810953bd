"""psycopg 3, synchronous or not, and psycopg2: what a PostgreSQL connection is connected to, and its cursors."""

import sys
from collections.abc import Mapping
from functools import lru_cache
from types import ModuleType
from typing import Any

from opentelemetry.util.types import AttributeValue

from tracestitch import databases, timeouts
from tracestitch.databases import Database
from tracestitch.drivers import Driver, observe, observed_class, told_elsewhere
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.tracebacks import UNSEEN

_METHODS = ("execute", "executemany")
_IDLE = 0
_CONNECTING = guard("psycopg2")


def patch_psycopg(module: ModuleType) -> None:
    for name in ("Cursor", "AsyncCursor", "ServerCursor", "AsyncServerCursor"):
        observe(getattr(module, name), _PSYCOPG, *_METHODS)


def patch_psycopg2(module: ModuleType) -> None:
    extensions = module.extensions

    def make(original: Any) -> Any:
        def connect(
            dsn: Any = None, connection_factory: Any = None, cursor_factory: Any = None, **kwargs: Any
        ) -> Any:
            with _CONNECTING:
                if not told_elsewhere(sys._getframe(1)):
                    connection_factory = _observed_connection(connection_factory, extensions)
            with UNSEEN:
                return original(dsn, connection_factory, cursor_factory, **kwargs)

        return connect

    replace(module, "connect", make)


def _observed_connection(wanted: Any, extensions: Any) -> Any:
    kind = wanted or extensions.connection
    if isinstance(kind, type) and issubclass(kind, extensions.connection):
        return _connection_class(kind, extensions.cursor)
    return wanted


@lru_cache(maxsize=100)
def _connection_class(kind: Any, plain_cursor: type[Any]) -> type:
    def cursor(self: Any, name: Any = None, cursor_factory: Any = None, *args: Any, **kwargs: Any) -> Any:
        with _CONNECTING:
            wanted = cursor_factory or self.cursor_factory or plain_cursor
            if isinstance(wanted, type) and issubclass(wanted, plain_cursor):
                cursor_factory = observed_class(wanted, _PSYCOPG2, _METHODS)
        with UNSEEN:
            return kind.cursor(self, name, cursor_factory, *args, **kwargs)

    cursor.__qualname__ = f"{kind.__qualname__}.cursor"
    named = {"__module__": kind.__module__, "__qualname__": kind.__qualname__, "__doc__": kind.__doc__}
    return type(kind.__name__, (kind,), {"cursor": cursor, **named})


def of_connection(connection: Any) -> tuple[Database, Mapping[str, AttributeValue]]:
    """Asked of libpq, which knows what the environment, service files and its defaults came to."""
    info = connection.info
    if hasattr(info, "get_parameters"):
        parameters: Mapping[str, Any] = info.get_parameters()
    else:
        parameters = info.dsn_parameters
    database = databases.database("postgresql", info.dbname or "", info.host or "", info.port)
    return database, timeouts.of_connection("postgresql", parameters)


def _in_transaction(connection: Any) -> bool:
    return bool(connection.info.transaction_status != _IDLE)


_PSYCOPG = Driver(own_module="", describe=of_connection, in_transaction=_in_transaction)
_PSYCOPG2 = Driver(own_module="", describe=of_connection, in_transaction=_in_transaction)
