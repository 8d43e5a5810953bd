"""Counts the statements of each request where the frameworks themselves send them, and says it in a header: in the app
without the agent and in the app with it. It is a sitecustomize of the app's own, which the agent must run."""

import sys
from collections.abc import Callable, Sequence
from contextvars import ContextVar
from importlib.abc import Loader, MetaPathFinder
from importlib.machinery import ModuleSpec
from importlib.util import find_spec
from types import ModuleType
from typing import Any

HEADER = "x-statements"
_COUNT: ContextVar[list[int] | None] = ContextVar("statements", default=None)


def _counted(owner: Any, name: str) -> None:
    original = getattr(owner, name)

    def counted(self: Any, *args: Any, **kwargs: Any) -> Any:
        count = _COUNT.get()
        if count is not None:
            count[0] += 1
        return original(self, *args, **kwargs)

    setattr(owner, name, counted)


def _told(owner: Any, name: str) -> None:
    original = getattr(owner, name)

    def told(self: Any, environ: Any, start_response: Any) -> Any:
        count = [0]
        token = _COUNT.set(count)

        def start(status: str, headers: list[tuple[str, str]], *rest: Any) -> Any:
            return start_response(status, [*headers, (HEADER, str(count[0]))], *rest)

        try:
            return original(self, environ, start)
        finally:
            _COUNT.reset(token)

    setattr(owner, name, told)


def _django_cursors(module: Any) -> None:
    for name in ("_execute", "_executemany"):
        _counted(module.CursorWrapper, name)


def _sqlalchemy_dialects(module: Any) -> None:
    for name in ("do_execute", "do_executemany", "do_execute_no_params"):
        _counted(module.DefaultDialect, name)


def _django_handler(module: Any) -> None:
    _told(module.WSGIHandler, "__call__")


def _flask_app(module: Any) -> None:
    _told(module.Flask, "wsgi_app")


PATCHES: dict[str, Callable[[Any], None]] = {
    "django.core.handlers.wsgi": _django_handler,
    "django.db.backends.utils": _django_cursors,
    "flask.app": _flask_app,
    "sqlalchemy.engine.default": _sqlalchemy_dialects,
}


class Patching(Loader):
    def __init__(self, loader: Loader) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        return self._loader.create_module(spec)

    def exec_module(self, module: ModuleType) -> None:
        self._loader.exec_module(module)
        PATCHES[module.__name__](module)

    def __getattr__(self, name: str) -> Any:
        return getattr(self._loader, name)


class Finder(MetaPathFinder):
    def __init__(self) -> None:
        self._looking: set[str] = set()

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
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
