"""How long a database connection waits, read from what its driver was given to connect with; no attribute where no
limit was set, and none where a driver's own default holds."""

import re
from collections.abc import Mapping
from typing import Any

from opentelemetry.util.types import AttributeValue

# PostgreSQL takes it as one of the server's options: `-c statement_timeout=5s`; a plain number is milliseconds.
_STATEMENT = re.compile(r"statement_timeout\s*=\s*'?(\d+)\s*(ms|s|min)?")
_UNITS = {"ms": 0.001, "s": 1.0, "min": 60.0}
_CONNECT = ("connect_timeout", "timeout")
_READ = ("read_timeout",)
# Of all the parameters of a connection, those that are read here.
PARAMETERS = frozenset(
    {*_CONNECT, *_READ, "options", "command_timeout", "server_settings"},
)
_NAMES = {
    "connect": "tracestitch.timeout.connect_s",
    "read": "tracestitch.timeout.read_s",
    "statement": "tracestitch.timeout.statement_s",
    "lock": "tracestitch.timeout.lock_s",
}


def of_connection(system: str, parameters: Mapping[str, Any]) -> dict[str, AttributeValue]:
    """The attributes; `parameters` are named as sqlite3, libpq, asyncpg, PyMySQL and mysqlclient name them."""
    if system == "sqlite":
        found = {"lock": _first(parameters, ("timeout",))}
    else:
        found = {
            "connect": _first(parameters, _CONNECT),
            "read": _first(parameters, _READ),
            "statement": _statement_limit(parameters),
        }
    return {_NAMES[what]: limit for what, limit in found.items() if limit is not None}


def _first(parameters: Mapping[str, Any], names: tuple[str, ...]) -> float | None:
    for name in names:
        limit = _seconds(parameters.get(name))
        if limit is not None:
            return limit
    return None


def _seconds(value: object) -> float | None:
    """Zero is no limit to any of them."""
    try:
        return float(value) or None if isinstance(value, int | float | str) else None
    except ValueError:
        return None


def _statement_limit(parameters: Mapping[str, Any]) -> float | None:
    command_timeout = _seconds(parameters.get("command_timeout"))
    if command_timeout is not None:
        return command_timeout
    settings = parameters.get("server_settings")
    texts = [parameters.get("options")]
    if isinstance(settings, Mapping) and "statement_timeout" in settings:
        texts.append(f"statement_timeout={settings['statement_timeout']}")
    for text in texts:
        told = _STATEMENT.search(text) if isinstance(text, str) else None
        if told and int(told[1]):
            return int(told[1]) * _UNITS[told[2] or "ms"]
    return None
