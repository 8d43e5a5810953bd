"""The agent as OpenTelemetry's distro and configurator, for those who start their app with
`opentelemetry-instrument`; `tracestitch run` goes without, since importing its machinery takes 70 ms.
"""

from typing import Any

from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # ships no types

from tracestitch.agent import start


class TracestitchDistro(BaseDistro):  # type: ignore[misc]  # ships no types
    def _configure(self, **kwargs: Any) -> None:
        """Everything is started by the configurator, which runs next."""

    def load_instrumentor(self, entry_point: Any, **kwargs: Any) -> None:
        """Instrumentors of other packages for what this agent observes itself would double every span."""
        if entry_point.name not in _REPLACED:
            super().load_instrumentor(entry_point, **kwargs)


class TracestitchConfigurator:
    """Loaded by `opentelemetry-instrument`, by name."""

    def configure(self, **_: Any) -> None:
        start()


_REPLACED = frozenset(
    {"django", "flask", "logging", "requests", "urllib3", "urllib", "httpx", "celery", "sqlalchemy"}
    | {
        "sqlite3",
        "dbapi",
        "psycopg",
        "psycopg2",
        "asyncpg",
        "mysql",
        "mysqlclient",
        "pymysql",
        "wsgi",
        "asgi",
    }
    | {"exceptions", "threading"}
)
