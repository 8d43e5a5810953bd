"""OpenTelemetry's instrumentations of other libraries (pymongo, botocore, grpc, kafka, …) that the user has installed:
each is loaded once the app imports its library. Those for what this agent observes itself are left alone."""

import os
import sys
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from tracestitch.patching import on_import
from tracestitch.safety import guard

# By the names of their entry points. mysql and asyncpg are here since SQLAlchemy's statements would be told twice.
REPLACED = frozenset(
    {"django", "flask", "logging", "requests", "urllib3", "httpx", "aiohttp-client", "redis", "celery"}
    | {"sqlalchemy", "sqlite3", "dbapi", "psycopg", "psycopg2", "asyncpg", "mysql", "mysqlclient", "pymysql"}
    | {"wsgi", "asgi", "exceptions", "threading"}
)
# Where the library is not called like the instrumentation.
_MODULES = {
    "aiohttp-server": "aiohttp.web",
    "grpc_aio_client": "grpc",
    "grpc_aio_server": "grpc",
    "grpc_client": "grpc",
    "grpc_server": "grpc",
    "tortoiseorm": "tortoise",
    "urllib": "urllib.request",
}
_GROUP = "[opentelemetry_instrumentor]"
_LOOKING = guard("looking for instrumentations")
_STOCK_LOADER = "opentelemetry.instrumentation.auto_instrumentation._load"


@dataclass(frozen=True, slots=True, kw_only=True)
class Foreign:
    name: str
    module: str
    class_name: str

    @property
    def waits_for(self) -> str:
        return _MODULES.get(self.name, self.name.replace("-", "_"))

    def load(self, _: ModuleType) -> None:
        instrumentor = getattr(import_module(self.module), self.class_name)()
        # A library of another version than the instrumentation was made for stays as it is.
        if instrumentor.is_instrumented_by_opentelemetry or instrumentor._check_dependency_conflicts():
            return
        instrumentor.instrument(skip_dep_check=True)


def install(path: Sequence[str], disabled: frozenset[str]) -> None:
    """OpenTelemetry's own launcher loads them all by itself."""
    if _STOCK_LOADER in sys.modules or "*" in disabled:
        return
    for found in installed(path):
        if found.name not in REPLACED and found.name not in disabled:
            on_import(found.waits_for, found.load)


def installed(path: Sequence[str]) -> Iterator[Foreign]:
    """By the names of folders: importlib.metadata would read every package of the environment."""
    seen: set[str] = set()
    for folder in path:
        with _LOOKING:
            names = os.listdir(folder or ".") if os.path.isdir(folder or ".") else []
            for name in names:
                lowered = name.lower().replace("-", "_")
                if lowered.startswith("opentelemetry_instrumentation_") and name.endswith(".dist-info"):
                    for found in _entry_points(os.path.join(folder, name, "entry_points.txt")):
                        if found.name not in seen:
                            seen.add(found.name)
                            yield found


def _entry_points(file: str) -> Iterator[Foreign]:
    if not os.path.isfile(file):
        return
    section = ""
    with open(file, encoding="utf-8") as lines:
        for line in map(str.strip, lines):
            if line.startswith("["):
                section = line
            elif section == _GROUP and "=" in line:
                name, _, value = line.partition("=")
                module, _, class_name = value.strip().partition(":")
                yield Foreign(name=name.strip(), module=module, class_name=class_name.partition(" ")[0])
