"""Which function answers a route: beneath decorators, inside view classes, of Django, REST framework and Flask."""

import linecache
import re
import sys
from typing import Any

from tracestitch import frames
from tracestitch.frames import CodeLocation

_MAX_KNOWN = 5_000


class Views:
    """Looks once per view and method; holds the views, so that an address is not taken for another's."""

    def __init__(self) -> None:
        self._known: dict[tuple[int, str], tuple[Any, CodeLocation | None]] = {}

    def location(self, view: Any, method: str) -> CodeLocation | None:
        key = (id(view), method)
        known = self._known.get(key)
        if known is None:
            if len(self._known) > _MAX_KNOWN:
                self._known.clear()
            known = self._known[key] = (view, view_location(view, method))
        return known[1]


def view_location(view: Any, method: str) -> CodeLocation | None:
    kind = getattr(view, "view_class", None) or getattr(view, "cls", None)
    if isinstance(kind, type):
        return _in_class(kind, getattr(view, "actions", None) or {}, method.lower())
    if not hasattr(view, "__code__") and not hasattr(view, "func") and not hasattr(view, "__func__"):
        return _in_class(type(view), {}, "__call__")
    return frames.function_location(view)


def _in_class(kind: type, actions: dict[str, str], method: str) -> CodeLocation | None:
    names = [actions.get(method, method)]
    if method == "head":
        names.append(actions.get("get", "get"))
    for name in names:
        handler = getattr(kind, name, None)
        found = frames.function_location(handler) if handler is not None else None
        if found is not None and frames.is_user_file(found.file):
            return found
    return _of_class(kind)


def _of_class(kind: type) -> CodeLocation | None:
    """A class that inherits its handlers from a library: the line of its `class` statement."""
    for ancestor in kind.__mro__:
        file = getattr(sys.modules.get(ancestor.__module__), "__file__", None)
        if isinstance(file, str) and frames.is_user_file(file):
            name = f"{ancestor.__module__}.{ancestor.__qualname__}"
            return frames.file_location(file, _class_line(file, ancestor), name)
    return None


def _class_line(file: str, kind: type) -> int:
    known = vars(kind).get("__firstlineno__")  # from Python 3.13
    if isinstance(known, int):
        return known
    statement = re.compile(rf"\s*class\s+{re.escape(kind.__name__)}\b")
    for number, line in enumerate(linecache.getlines(file), start=1):
        if statement.match(line):
            return number
    return 1
