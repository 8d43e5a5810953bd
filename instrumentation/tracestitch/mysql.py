"""PyMySQL and mysqlclient: what a MySQL or MariaDB connection is connected to, and its cursors."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from opentelemetry.util.types import AttributeValue

from tracestitch import databases, timeouts
from tracestitch.databases import Database
from tracestitch.drivers import Driver, observe
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.tracebacks import UNSEEN

_PARAMETERS = "_tracestitch_parameters"
# As mysqlclient takes them by position.
_POSITIONS = ("host", "user", "password", "database", "port")
_KEPT = frozenset({"host", "database", "db", "port", "unix_socket", "connect_timeout", "read_timeout"})
_SERVER_STATUS_IN_TRANSACTION = 1
_CONNECTING = guard("mysqlclient")


def patch_pymysql(module: ModuleType) -> None:
    observe(module.Cursor, _PYMYSQL, "execute", "executemany")


def patch_mysqlclient_cursors(module: ModuleType) -> None:
    observe(module.BaseCursor, _MYSQLCLIENT, "execute", "executemany")


def patch_mysqlclient_connections(module: ModuleType) -> None:
    def make(original: Any) -> Any:
        def noting(self: Any, *args: Any, **kwargs: Any) -> None:
            with UNSEEN:
                original(self, *args, **kwargs)
            with _CONNECTING:
                given = {**dict(zip(_POSITIONS, args, strict=False)), **kwargs}
                kept = {name: value for name, value in given.items() if name in _KEPT}
                setattr(self, _PARAMETERS, kept)

        return noting

    replace(module.Connection, "__init__", make)


def _of_pymysql(connection: Any) -> tuple[Database, Mapping[str, AttributeValue]]:
    name = connection.db or b""
    parameters = {
        "connect_timeout": connection.connect_timeout,
        "read_timeout": getattr(connection, "_read_timeout", None),
    }
    database = _database(
        name.decode() if isinstance(name, bytes) else str(name),
        connection.unix_socket or "",
        connection.host or "",
        connection.port,
    )
    return database, timeouts.of_connection("mysql", parameters)


def _of_mysqlclient(connection: Any) -> tuple[Database, Mapping[str, AttributeValue]]:
    given: Mapping[str, Any] = getattr(connection, _PARAMETERS, {})
    database = _database(
        str(given.get("database") or given.get("db") or ""),
        str(given.get("unix_socket") or ""),
        str(given.get("host") or ""),
        given.get("port"),
    )
    return database, timeouts.of_connection("mysql", given)


def _database(name: str, socket: str, host: str, port: object) -> Database:
    return databases.database("mysql", name, socket or host, None if socket else port)


def _pymysql_in_transaction(connection: Any) -> bool | None:
    status = getattr(connection, "server_status", None)
    return bool(status & _SERVER_STATUS_IN_TRANSACTION) if isinstance(status, int) else None


_PYMYSQL = Driver(own_module="pymysql.cursors", describe=_of_pymysql, in_transaction=_pymysql_in_transaction)
_MYSQLCLIENT = Driver(own_module="MySQLdb.cursors", describe=_of_mysqlclient, in_transaction=lambda _: None)
