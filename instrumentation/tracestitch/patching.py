"""Reaching into a library when the app imports it, and never importing one that the app does not use."""

from collections.abc import Callable
from types import ModuleType
from typing import Any

import wrapt

from tracestitch.safety import guard

_MARK = "__tracestitch_original__"


def on_import(module_name: str, patch: Callable[[ModuleType], None]) -> None:
    """Runs `patch(module)` once the app imports the module, or now if it has."""

    def apply(module: ModuleType) -> None:
        with guard(f"instrumenting {module_name}"):
            patch(module)

    wrapt.register_post_import_hook(apply, module_name)


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
    setattr(replacement, _MARK, original)
    setattr(owner, name, replacement)
