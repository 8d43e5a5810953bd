"""How the agent is put together in a process; also OpenTelemetry's distro and configurator, for those who start
their app with `opentelemetry-instrument`.
"""

# Before the provider: the SDK uses an executor in forked children, whose lock is only made anew there when its
# module was imported before the SDK's own hook was registered. Else the child hangs (Celery's prefork pool).
import concurrent.futures.thread  # noqa: F401
import os
from collections.abc import Mapping
from typing import Any

from opentelemetry import trace
from opentelemetry.instrumentation.distro import BaseDistro  # type: ignore[attr-defined]  # ships no types
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import SpanLimits, TracerProvider
from opentelemetry.sdk.trace.sampling import ALWAYS_ON

from tracestitch import export, instrumentations, logs
from tracestitch.exporter import Exporter
from tracestitch.resource import ProcessResource
from tracestitch.safety import guard
from tracestitch.scrub import MAX_TEXT
from tracestitch.settings import disabled_by, from_environment
from tracestitch.tracing import SystemIdGenerator


class Agent:
    """What lives once in a process, and whether it does yet."""

    def __init__(self) -> None:
        self.resource: ProcessResource | None = None

    def start(self, environ: Mapping[str, str]) -> None:
        if self.resource is not None or disabled_by(environ):
            return
        settings = from_environment(environ, os.getcwd())
        self.resource = ProcessResource(settings)
        exporter = Exporter(settings, self.resource)
        os.register_at_fork(after_in_child=self.resource.after_fork)
        export.install(exporter, settings.exit_budget_s)
        trace.set_tracer_provider(_provider(exporter, environ))
        if "logging" not in settings.disabled:
            logs.install()
        instrumentations.install(settings.disabled)


_AGENT = Agent()


def start() -> None:
    """Puts the agent into this process; the launcher calls it, and never does it raise."""
    with guard("starting the agent"):
        _AGENT.start(os.environ)


def suggest_service_name(name: str) -> None:
    """What a framework calls the app, for those who did not name their service."""
    if _AGENT.resource is not None:
        _AGENT.resource.suggest_name(name)


def _provider(exporter: Exporter, environ: Mapping[str, str]) -> TracerProvider:
    limit = environ.get("OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT") or environ.get(
        "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT"
    )
    provider = TracerProvider(
        sampler=None if environ.get("OTEL_TRACES_SAMPLER") else ALWAYS_ON,
        resource=Resource({}),  # the exporter adds the resource once per request, not once per span
        shutdown_on_exit=False,
        id_generator=SystemIdGenerator(),
        span_limits=SpanLimits() if limit else SpanLimits(max_span_attribute_length=MAX_TEXT),
    )
    provider.add_span_processor(export.EnqueueProcessor(exporter))
    return provider


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
    | {"exceptions"}
)
