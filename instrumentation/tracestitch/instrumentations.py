"""The one table of what is instrumented: the app's import of a module loads ours, and nothing else does."""

from dataclasses import dataclass
from importlib import import_module
from types import ModuleType

from tracestitch.patching import on_import


@dataclass(frozen=True, slots=True)
class Instrumentation:
    # The name that OTEL_PYTHON_DISABLED_INSTRUMENTATIONS knows.
    name: str
    waits_for: str
    module: str
    function: str


INSTRUMENTATIONS = (
    Instrumentation("django", "django.core.handlers.wsgi", "tracestitch.django", "patch_wsgi"),
    Instrumentation("django", "django.core.handlers.asgi", "tracestitch.django", "patch_asgi"),
    Instrumentation("django", "django.core.handlers.base", "tracestitch.django", "patch_base"),
    Instrumentation("django", "django.core.handlers.exception", "tracestitch.django", "patch_exception"),
    Instrumentation("django", "django.db.backends.signals", "tracestitch.django_database", "patch_signals"),
    Instrumentation(
        "relations", "django.db.models.sql.compiler", "tracestitch.django_relations", "patch_compiler"
    ),
    Instrumentation(
        "relations",
        "django.db.models.fields.related_descriptors",
        "tracestitch.django_relations",
        "patch_descriptors",
    ),
    Instrumentation(
        "transactions", "django.db.transaction", "tracestitch.django_transactions", "patch_atomic"
    ),
    Instrumentation(
        "transactions", "django.db.backends.base.base", "tracestitch.django_transactions", "patch_connections"
    ),
    Instrumentation("stages", "django.core.handlers.base", "tracestitch.django_stages", "patch_layers"),
    Instrumentation("stages", "django.dispatch.dispatcher", "tracestitch.django_stages", "patch_signals"),
    Instrumentation("stages", "django.forms.forms", "tracestitch.django_stages", "patch_forms"),
    Instrumentation("stages", "rest_framework.serializers", "tracestitch.django_stages", "patch_serializers"),
    Instrumentation("caches", "django.core.cache", "tracestitch.django_cache", "patch_handler"),
    Instrumentation("stages", "django.template.backends.django", "tracestitch.renders", "patch_django"),
    Instrumentation("stages", "django.template.backends.jinja2", "tracestitch.renders", "patch_django"),
    Instrumentation("stages", "flask.templating", "tracestitch.renders", "patch_flask"),
    Instrumentation("stages", "flask.app", "tracestitch.flask_stages", "patch_hooks"),
    Instrumentation("relations", "django.db.models.base", "tracestitch.django_relations", "patch_models"),
    Instrumentation(
        "relations", "django.contrib.contenttypes.fields", "tracestitch.django_relations", "patch_generic"
    ),
    Instrumentation("django", "rest_framework.views", "tracestitch.django", "patch_rest_framework"),
    Instrumentation("commands", "django.core.management.base", "tracestitch.commands", "patch_django"),
    Instrumentation("commands", "flask.cli", "tracestitch.commands", "patch_flask"),
    Instrumentation("django", "django.utils.autoreload", "tracestitch.reloaders", "patch_django"),
    Instrumentation("flask", "werkzeug._reloader", "tracestitch.reloaders", "patch_werkzeug"),
    Instrumentation("flask", "flask.app", "tracestitch.flask", "patch_flask"),
    Instrumentation("flask", "flask_restful", "tracestitch.flask", "patch_flask_restful"),
    Instrumentation("flask", "werkzeug.debug", "tracestitch.source", "patch_werkzeug_debugger"),
    Instrumentation("sqlalchemy", "sqlalchemy.engine", "tracestitch.sqlalchemy", "patch_engine"),
    Instrumentation("sqlalchemy", "sqlalchemy.orm", "tracestitch.sqlalchemy", "patch_orm"),
    Instrumentation("requests", "requests.sessions", "tracestitch.requests", "patch_sessions"),
    Instrumentation("urllib3", "urllib3.connectionpool", "tracestitch.urllib3", "patch_connection_pool"),
    Instrumentation("httpx", "httpx", "tracestitch.httpx", "patch_clients"),
    Instrumentation("aiohttp", "aiohttp.client", "tracestitch.aiohttp", "patch_sessions"),
    Instrumentation("redis", "redis.client", "tracestitch.redis", "patch_clients"),
    Instrumentation("redis", "redis.asyncio.client", "tracestitch.redis", "patch_clients"),
    Instrumentation("sqlite3", "sqlite3", "tracestitch.sqlite3", "patch_connect"),
    Instrumentation("psycopg", "psycopg", "tracestitch.psycopg", "patch_psycopg"),
    Instrumentation("psycopg2", "psycopg2", "tracestitch.psycopg", "patch_psycopg2"),
    Instrumentation("pymysql", "pymysql.cursors", "tracestitch.mysql", "patch_pymysql"),
    Instrumentation("mysqlclient", "MySQLdb.cursors", "tracestitch.mysql", "patch_mysqlclient_cursors"),
    Instrumentation(
        "mysqlclient", "MySQLdb.connections", "tracestitch.mysql", "patch_mysqlclient_connections"
    ),
    Instrumentation("celery", "celery.app.base", "tracestitch.celery", "patch_app"),
    Instrumentation("uvicorn", "uvicorn.server", "tracestitch.uvicorn", "patch_server"),
    Instrumentation("uwsgi", "django.core.handlers.wsgi", "tracestitch.uwsgi", "send_after_requests"),
    Instrumentation("uwsgi", "flask.app", "tracestitch.uwsgi", "send_after_requests"),
    Instrumentation("threading", "threading", "tracestitch.threads", "patch_threads"),
    Instrumentation("threading", "concurrent.futures.thread", "tracestitch.threads", "patch_pools"),
)


def install(disabled: frozenset[str]) -> None:
    """Waits for the modules of the table, but for those whose name (or `*`) is disabled."""
    if "*" in disabled:
        return
    for row in INSTRUMENTATIONS:
        if row.name not in disabled:
            on_import(row.waits_for, _patcher(row))


class _patcher:  # noqa: N801 - stands where a function would
    def __init__(self, row: Instrumentation) -> None:
        self._row = row

    def __call__(self, module: ModuleType) -> None:
        getattr(import_module(self._row.module), self._row.function)(module)
