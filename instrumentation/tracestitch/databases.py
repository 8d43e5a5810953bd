"""Which database a statement goes to, told alike for every library: its system, name and address."""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.util.types import AttributeValue

# What libraries call a system, and what OpenTelemetry does.
_SYSTEMS = {
    "oracle": "oracle.db",
    "mssql": "microsoft.sql_server",
    "microsoft": "microsoft.sql_server",
    "sqlite3": "sqlite",
    "postgis": "postgresql",
    "spatialite": "sqlite",
}
# So that two services name one address, whether they write the usual port or not.
_PORTS = {"postgresql": 5432, "mysql": 3306, "mariadb": 3306}
_IN_MEMORY = ":memory:"
MOST_SEEN = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Database:
    system: str
    namespace: str
    host: str
    port: int | None

    def attributes(self) -> dict[str, AttributeValue]:
        attributes: dict[str, AttributeValue] = {"db.system.name": self.system}
        if self.namespace:
            attributes["db.namespace"] = self.namespace
        if self.host:
            attributes["server.address"] = self.host
        if self.port:
            attributes["server.port"] = self.port
        return attributes

    def address(self) -> str:
        return f"{self.host}:{self.port}" if self.host and self.port else self.host


def of_url(dialect: str, url: Any, driver_parameters: Mapping[str, Any] | None = None) -> Database:
    """The database of an SQLAlchemy URL; `driver_parameters` know what the URL leaves out."""
    parameters = driver_parameters or {}
    name = next((parameters[key] for key in ("dbname", "database", "db") if parameters.get(key)), "")
    host = url.host or parameters.get("unix_socket") or parameters.get("host") or ""
    return database(dialect, url.database or str(name), str(host), url.port or parameters.get("port"))


def database(name: str, namespace: str, host: str, port: object) -> Database:
    system = _SYSTEMS.get(name, name)
    if not port and host and not host.startswith("/"):
        port = _PORTS.get(system)
    return Database(
        system=system,
        namespace=sqlite_file(namespace) if system == "sqlite" else namespace,
        host=host,
        port=int(port) if isinstance(port, int | str) and str(port).isdigit() else None,
    )


def of_django(connection: Any) -> Database:
    """The database of one of Django's connections."""
    settings = connection.settings_dict
    namespace, host = str(settings.get("NAME") or ""), str(settings.get("HOST") or "")
    port = settings.get("PORT")
    if connection.vendor == "postgresql" and not (namespace and host):
        # libpq knows what the environment, a service file and its defaults came to.
        asked = getattr(connection.connection, "info", None)
        namespace, host = namespace or getattr(asked, "dbname", ""), host or getattr(asked, "host", "")
        port = port or getattr(asked, "port", None)
    return database(connection.vendor, namespace, host, port)


def sqlite_file(name: str) -> str:
    """The absolute path, so that two services can be seen to share one file."""
    plain = name.removeprefix("file:").partition("?")[0]
    if not plain or plain == _IN_MEMORY or "mode=memory" in name:
        return _IN_MEMORY
    return os.path.realpath(plain)


def described(alias: str, database: Database) -> dict[str, str]:
    """As the inventory tells it."""
    return {
        "alias": alias,
        "system": database.system,
        "namespace": database.namespace,
        "address": database.address(),
    }


class SeenDatabases:
    """The databases that this process has sent a statement to."""

    def __init__(self) -> None:
        self._seen: dict[Database, None] = {}

    def add(self, database: Database) -> None:
        if len(self._seen) < MOST_SEEN:
            self._seen[database] = None

    def all(self) -> list[Database]:
        return list(self._seen)


# A process has one list of them, which its hooks fill and its inventory reads.
SEEN = SeenDatabases()
