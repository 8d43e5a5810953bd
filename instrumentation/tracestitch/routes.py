"""One entry of a URL map, alike for every framework: rule, methods, and where its view is written."""

from collections.abc import Callable, Sequence
from typing import Any

from tracestitch import frames

MOST_ROUTES = 500


def route(rule: str, methods: Sequence[str], view: Any) -> dict[str, Any]:
    entry: dict[str, Any] = {"rule": rule, "methods": list(methods), "view": _name(view)}
    location = _location(view)
    if location is not None:
        entry.update(file=location.file, line=location.line)
    return entry


def _name(view: Any) -> str:
    module, name = getattr(view, "__module__", None), getattr(view, "__qualname__", None)
    return f"{module}.{name}" if module and name else type(view).__qualname__


def _location(view: Any) -> frames.CodeLocation | None:
    if not isinstance(view, type):
        return frames.function_location(view) if callable(view) else None
    # A class has no line of its own that is cheap to find; its first method in the file comes near.
    methods: list[Callable[..., Any]] = [item for item in vars(view).values() if hasattr(item, "__code__")]
    places = [place for place in map(frames.function_location, methods) if place is not None]
    return min(places, key=lambda place: place.line, default=None)
