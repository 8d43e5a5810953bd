"""Counts the statements of each request where the frameworks themselves send them, and says it in a header: in the app
without the agent and in the app with it. It is a sitecustomize of the app's own, which the agent must run."""

import sys
from contextvars import ContextVar
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec

HEADER = "x-statements"
SAVEPOINTS = ("SAVEPOINT", "RELEASE SAVEPOINT", "ROLLBACK TO SAVEPOINT")
_COUNT: ContextVar[list[int] | None] = ContextVar("statements", default=None)


def _counted(owner, name):
    original = getattr(owner, name)

    def counted(self, *args, **kwargs):
        count = _COUNT.get()
        # Savepoints are told as numbers of their transaction.
        if count is not None and not any(str(text).startswith(SAVEPOINTS) for text in args[:2]):
            count[0] += 1
        return original(self, *args, **kwargs)

    setattr(owner, name, counted)


def _told(owner, name):
    original = getattr(owner, name)

    def told(self, environ, start_response):
        count = [0]
        token = _COUNT.set(count)

        def start(status, headers, *rest):
            return start_response(status, [*headers, (HEADER, str(count[0]))], *rest)

        try:
            return original(self, environ, start)
        finally:
            _COUNT.reset(token)

    setattr(owner, name, told)


def _django_cursors(module):
    for name in ("_execute", "_executemany"):
        _counted(module.CursorWrapper, name)


def _sqlalchemy_dialects(module):
    for name in ("do_execute", "do_executemany", "do_execute_no_params"):
        _counted(module.DefaultDialect, name)


PATCHES = {
    "django.core.handlers.wsgi": lambda module: _told(module.WSGIHandler, "__call__"),
    "django.db.backends.utils": _django_cursors,
    "flask.app": lambda module: _told(module.Flask, "wsgi_app"),
    "sqlalchemy.engine.default": _sqlalchemy_dialects,
}


class Patching(Loader):
    def __init__(self, loader):
        self._loader = loader

    def create_module(self, spec):
        return self._loader.create_module(spec)

    def exec_module(self, module):
        self._loader.exec_module(module)
        PATCHES[module.__name__](module)

    def __getattr__(self, name):
        return getattr(self._loader, name)


class Finder(MetaPathFinder):
    def __init__(self):
        self._looking: set[str] = set()

    def find_spec(self, name, path=None, target=None) -> ModuleSpec | None:
        if name not in PATCHES or name in self._looking:
            return None
        self._looking.add(name)
        try:
            spec = find_spec(name)
        finally:
            self._looking.discard(name)
        if spec is not None and spec.loader is not None:
            spec.loader = Patching(spec.loader)
        return spec


sys.meta_path.insert(0, Finder())
