"""How the agent starts with an interpreter: called by the launcher's sitecustomize, by `tracestitch.pth` and by
`tracestitch.start`. Imports nothing of the agent until it is sure that this process is to be observed.
"""

import os
import sys
from collections.abc import Mapping, Sequence
from importlib.machinery import ModuleSpec
from types import FrameType, ModuleType
from typing import Any

_TRUE = frozenset({"1", "true", "yes", "on"})
_OWN_PROGRAMS = ("tracestitch", "tracestitch_collector", "tracestitch_dashboard")


def start() -> None:
    """Starts the agent unless it is switched off; without TRACESTITCH_ENABLED it counts as switched on."""
    if not is_own_program(sys.orig_argv) and not switched_off(os.environ):
        from tracestitch.agent import start as start_the_agent

        start_the_agent()


def start_if_enabled() -> None:
    """For `tracestitch.start` (PEP 829), which every interpreter of the environment reads."""
    if is_enabled(os.environ):
        _start_quietly()


def start_after_site() -> None:
    """For `tracestitch.pth`, which has looked at TRACESTITCH_ENABLED itself: waits until all other .pth files and
    the user's sitecustomize have run, so that the path is whole."""
    if "sitecustomize" not in sys.modules and _is_called_by_site(sys._getframe()):
        sys.meta_path.insert(0, _AfterSitecustomize())
    else:
        _start_quietly()


def is_enabled(environ: Mapping[str, str]) -> bool:
    return environ.get("TRACESTITCH_ENABLED", "").strip().lower() in _TRUE


def switched_off(environ: Mapping[str, str]) -> bool:
    from tracestitch.settings import disabled_by

    return disabled_by(environ)


def is_own_program(arguments: Sequence[str]) -> bool:
    """Tracestitch does not observe itself where it finds itself in an environment that is made for an app."""
    words = list(arguments[1:])
    while words and words[0].startswith("-") and words[0] not in ("-m", "-c", "-"):
        taken = 2 if words[0] in ("-X", "-W") else 1
        words = words[taken:]
    if words[:1] == ["-m"]:
        return words[1:2] != [] and words[1].partition(".")[0] in _OWN_PROGRAMS
    return words != [] and os.path.basename(words[0]) == "tracestitch"


def _start_quietly() -> None:
    """A .pth line that raises prints a traceback of site's into the app's output."""
    try:
        start()
    except Exception:  # noqa: S110 - then this interpreter is not observed
        pass


def _is_called_by_site(frame: FrameType | None) -> bool:
    """Whether the interpreter is still starting: an app may call site.addsitedir at any later time."""
    while frame is not None:
        if frame.f_code.co_name == "main" and frame.f_globals.get("__name__") == "site":
            return True
        frame = frame.f_back
    return False


class _AfterSitecustomize:
    """A finder that waits for site's own `import sitecustomize`, its last step but one."""

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> ModuleSpec | None:
        if name != "sitecustomize":
            return None
        sys.meta_path.remove(self)
        for finder in list(sys.meta_path):
            find = getattr(finder, "find_spec", None)
            spec: ModuleSpec | None = find(name, path, target) if find is not None else None
            if spec is not None:
                if spec.loader is not None:
                    stand_in: Any = _Loader(spec.loader)
                    spec.loader = stand_in
                return spec
        _start_quietly()
        return None


class _Loader:
    """The loader of the user's sitecustomize, and then the agent."""

    def __init__(self, loader: Any) -> None:
        self._loader = loader

    def create_module(self, spec: ModuleSpec) -> ModuleType | None:
        created: ModuleType | None = self._loader.create_module(spec)
        return created

    def exec_module(self, module: ModuleType) -> None:
        if module.__spec__ is not None:
            module.__spec__.loader = self._loader
        module.__loader__ = self._loader
        try:
            self._loader.exec_module(module)
        finally:
            _start_quietly()
