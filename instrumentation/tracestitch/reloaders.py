"""The parent of a reloader kills its child where it is itself asked to stop, so the child's last requests would be
lost: the child is asked first, and killed a moment later if it is still there.
"""

import subprocess
import sys
import threading
from collections.abc import Callable
from types import ModuleType
from typing import Any

from tracestitch.patching import replace
from tracestitch.safety import guard

# Twice the time that a process takes to send what it has.
_PATIENCE_S = 1.0
_STOPPING = guard("stopping the child of a reloader")


def patch_django(module: ModuleType) -> None:
    replace(module, "restart_with_reloader", _asking_first)


def patch_werkzeug(module: ModuleType) -> None:
    replace(module.ReloaderLoop, "restart_with_reloader", _asking_first)


def _asking_first(original: Callable[..., Any]) -> Callable[..., Any]:
    """All that the thread does in here is to wait for its child: what it kills in here is this child."""

    def restart_with_reloader(*args: Any, **kwargs: Any) -> Any:
        kill = None
        with _STOPPING:
            kill = subprocess.Popen.kill
            subprocess.Popen.kill = _kill_asking_first(kill)  # type: ignore[method-assign,assignment]  # for as long as this waits
        try:
            return original(*args, **kwargs)
        finally:
            if kill is not None:
                with _STOPPING:
                    subprocess.Popen.kill = kill  # type: ignore[method-assign]

    return restart_with_reloader


def _kill_asking_first(original: Callable[..., None]) -> Callable[["subprocess.Popen[Any]"], None]:
    waiting = threading.get_ident()

    def kill_child(self: "subprocess.Popen[Any]") -> None:
        with _STOPPING:
            if threading.get_ident() == waiting:
                _ask(self)
        original(self)

    return kill_child


def _ask(child: "subprocess.Popen[Any]") -> None:
    if not isinstance(sys.exc_info()[1], KeyboardInterrupt):  # Ctrl-C has reached the child already
        child.terminate()
    try:
        child.wait(_PATIENCE_S)
    except subprocess.TimeoutExpired:
        pass
