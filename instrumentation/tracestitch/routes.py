"""What inventories of all frameworks say alike: one entry of a URL map, and the name of a codebase."""

from collections.abc import Sequence
from typing import Any

from tracestitch.views import view_location

MOST_ROUTES = 500
# Half of all Flask apps are called so: it does not tell one codebase from another.
_COMMON_NAMES = frozenset(
    {"__main__", "app", "application", "api", "main", "run", "server", "wsgi", "src", "tasks"}
)


def route(rule: str, methods: Sequence[str], view: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"rule": rule, "methods": list(methods), "view": _name(view)}
    location = view_location(view, methods[0] if methods else "GET") if view is not None else None
    if location is not None:
        entry.update(file=location.file, line=location.line)
    return entry


def telling_name(name: str) -> str:
    """The name of a codebase, or nothing where it is as good as none."""
    return "" if name in _COMMON_NAMES else name


def _name(view: Any) -> str:
    named = getattr(view, "view_class", None) or getattr(view, "cls", None) or view
    module, name = getattr(named, "__module__", None), getattr(named, "__qualname__", None)
    return f"{module}.{name}" if module and name else type(view).__qualname__
