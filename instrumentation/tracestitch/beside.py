"""The agent in an app whose environment has no agent: it stays where it is installed, and the app's own imports,
packages and metadata answer as without it. Loaded before anything else of the agent, so it imports none of it.

Where the app has OpenTelemetry's API, the agent uses that one. Where it has none, or one that is too old, the agent
has its own to itself: those modules are in `sys.modules` only while the agent's own code is being imported.
"""

import sys
import threading
from collections.abc import Iterable, Sequence
from importlib import import_module
from importlib.machinery import ModuleSpec, PathFinder
from importlib.util import find_spec
from types import ModuleType
from typing import Any

# What the agent may bring along for itself: OpenTelemetry's API and what the versions of it need.
PRIVATE = frozenset(
    {"opentelemetry", "typing_extensions", "importlib_metadata", "zipp", "deprecated", "wrapt"}
)
_OWN = "tracestitch"


class Beside:
    """Finds the agent's modules in `home`, and for these alone what they need, from the same place."""

    def __init__(self, home: str) -> None:
        self._home = home
        self._lock = threading.Lock()
        self._depth = 0
        self._thread = 0
        self._kept: dict[str, ModuleType] = {}
        self._of_the_app: dict[str, ModuleType] = {}
        self.keeps_private = False

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        top = name.partition(".")[0]
        if top == _OWN:
            spec = PathFinder.find_spec(name, path or [self._home], target)
            if spec is not None and spec.loader is not None and self.keeps_private:
                stand_in: Any = _Loader(spec.loader, self)
                spec.loader = stand_in
            return spec
        if not self._depth or top not in PRIVATE or self._thread != threading.get_ident():
            return None
        spec = PathFinder.find_spec(name, path or [self._home], target)
        if spec is not None and name == "opentelemetry":
            # A list of its own: a namespace would take in what the app adds to sys.path later.
            spec = ModuleSpec(name, None, is_package=True)
            spec.submodule_search_locations = [f"{self._home}/opentelemetry"]
        return spec

    def find_distributions(self, context: Any) -> Iterable[Any]:
        """OpenTelemetry finds its propagators through entry points; nobody else sees these packages."""
        if not self._depth or "path" in vars(context) or self._thread != threading.get_ident():
            return ()
        from importlib.metadata import DistributionFinder, MetadataPathFinder

        return MetadataPathFinder.find_distributions(
            DistributionFinder.Context(name=context.name, path=[self._home])
        )

    def enter(self) -> None:
        with self._lock:
            self._depth += 1
            if self._depth == 1:
                self._thread = threading.get_ident()
                self._of_the_app = _taken_out()
                sys.modules.update(self._kept)

    def leave(self) -> None:
        with self._lock:
            self._depth -= 1
            if self._depth == 0:
                self._kept = _taken_out()
                sys.modules.update(self._of_the_app)


class _Loader:
    def __init__(self, loader: Any, beside: Beside) -> None:
        self._loader = loader
        self._beside = beside

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        self._beside.enter()
        try:
            self._loader.exec_module(module)
        finally:
            self._beside.leave()


def _taken_out() -> dict[str, ModuleType]:
    names = [name for name in list(sys.modules) if name.partition(".")[0] in PRIVATE]
    return {name: sys.modules.pop(name) for name in names}


def start(home: str) -> None:
    """Starts the agent that lies in `home`, unless it is switched off."""
    beside = Beside(home)
    beside.keeps_private = not _app_has_opentelemetry()
    before = set(sys.modules)
    sys.meta_path.insert(0, beside)
    try:
        _start()
    except Exception:
        if beside.keeps_private:
            raise
        # The app's OpenTelemetry is too old for the agent: as if it had not been looked at.
        for name in set(sys.modules) - before:
            if name.partition(".")[0] in {_OWN, *PRIVATE}:
                del sys.modules[name]
        beside.keeps_private = True
        _start()
    finally:
        if f"{_OWN}.agent" not in sys.modules:
            sys.meta_path.remove(beside)


def _start() -> None:
    import_module("tracestitch.interpreter").start()


def _app_has_opentelemetry() -> bool:
    """Of the namespace `opentelemetry` the API alone counts: opentelemetry-proto, for one, comes without."""
    spec = find_spec("opentelemetry")
    places = list(spec.submodule_search_locations or ()) if spec is not None else []
    return PathFinder.find_spec("opentelemetry.trace", places) is not None
