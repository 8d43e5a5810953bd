"""Reaching into a library when the app imports it, and never importing one that the app does not use."""

import sys
import threading
from collections.abc import Callable, Sequence
from importlib.machinery import ModuleSpec
from types import ModuleType
from typing import Any

from tracestitch.safety import guard

_MARK = "__tracestitch_original__"
_LOOKING = guard("looking out for imports")


def on_import(module_name: str, patch: Callable[[ModuleType], None]) -> None:
    """Runs `patch(module)` once the app imports the module, or now if it has."""

    instrumenting = guard(f"instrumenting {module_name}")

    def apply(module: ModuleType) -> None:
        with instrumenting:
            patch(module)

    _WATCH.wait_for(module_name, apply)


class _Watch:
    """Stands first among the finders and looks at nothing but the modules that are waited for."""

    def __init__(self) -> None:
        self._waiting: dict[str, list[Callable[[ModuleType], None]]] = {}
        self._looking = threading.local()

    def wait_for(self, name: str, apply: Callable[[ModuleType], None]) -> None:
        module = sys.modules.get(name)
        if module is not None:
            apply(module)
            return
        self._waiting.setdefault(name, []).append(apply)
        if self not in sys.meta_path:
            sys.meta_path.insert(0, self)

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name not in self._waiting:
            return None
        try:
            return self._observed_spec(name, path, target)
        except ImportError:
            return None  # the finder that raised it is asked again, and its answer is the app's
        except Exception as error:
            _LOOKING.caught(error)
        return None

    def _observed_spec(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        if getattr(self._looking, "name", None) == name:
            return None  # another agent's finder asks all finders again
        self._looking.name = name
        try:
            spec = self._found_by_the_others(name, path, target)
        finally:
            self._looking.name = None
        if spec is not None and hasattr(spec.loader, "exec_module"):
            stand_in: Any = _Loader(spec.loader, self)
            spec.loader = stand_in
        return spec

    def _found_by_the_others(
        self, name: str, path: Sequence[str] | None, target: ModuleType | None
    ) -> ModuleSpec | None:
        for finder in list(sys.meta_path):
            find = None if finder is self else getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find is not None else None
            if spec is not None:
                return spec
        return None

    def loaded(self, module: ModuleType) -> None:
        for apply in self._waiting.pop(module.__name__, ()):
            apply(module)


class _Loader:
    """The module's own loader, and then the patches; the module never sees any but its own."""

    def __init__(self, loader: Any, watch: _Watch) -> None:
        self._loader = loader
        self._watch = watch

    def __getattr__(self, name: str) -> Any:
        if name in ("_loader", "_watch"):  # a copy that is still empty
            raise AttributeError(name)
        return getattr(self._loader, name)

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        with _LOOKING:
            if module.__spec__ is not None:
                module.__spec__.loader = self._loader
            module.__loader__ = self._loader
        self._loader.exec_module(module)
        with _LOOKING:
            self._watch.loaded(module)


_WATCH = _Watch()


def replace(owner: Any, name: str, make: Callable[[Any], Callable[..., Any]]) -> None:
    """Puts `make(original)` in the place of `owner.name`; a second call on the same place changes nothing.

    A plain function takes the place of a plain function: it binds, pickles and prints as before.
    """
    original = getattr(owner, name)
    if hasattr(original, _MARK):
        return
    replacement = make(original)
    for attribute in ("__name__", "__qualname__", "__module__", "__doc__"):
        if hasattr(original, attribute):
            setattr(replacement, attribute, getattr(original, attribute))
    replacement.__dict__.update(getattr(original, "__dict__", {}))  # marks such as Django's alters_data
    replacement.__dict__["__wrapped__"] = original  # signatures and mocks are made of it
    setattr(replacement, _MARK, original)
    setattr(owner, name, replacement)
