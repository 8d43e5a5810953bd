"""Where the user's own source turns debugging on: read once, in the background, and only where it is on."""

import ast
import os
import sys
from collections.abc import Iterable, Iterator
from types import ModuleType
from typing import Any

from tracestitch import frames
from tracestitch.ignores import Ignores

LARGEST_FILE = 1_000_000
MOST_FILES = 200
_DEBUGGER_MARK = "_tracestitch_evalex"

Place = dict[str, str | int | tuple[str, ...]]


def patch_werkzeug_debugger(module: ModuleType) -> None:
    """Note when an interactive debugger is put around an app: nothing else in the process tells later."""
    from tracestitch.patching import replace

    def noting(original: Any) -> Any:
        def initialise(self: Any, *args: Any, **kwargs: Any) -> None:
            original(self, *args, **kwargs)
            if getattr(self, "evalex", False):
                setattr(module.DebuggedApplication, _DEBUGGER_MARK, True)

        return initialise

    replace(module.DebuggedApplication, "__init__", noting)


def debugger_active() -> bool:
    debugger = getattr(sys.modules.get("werkzeug.debug"), "DebuggedApplication", None)
    return bool(getattr(debugger, _DEBUGGER_MARK, False))


def debug_setting(module: ModuleType) -> Place | None:
    """The last assignment to DEBUG in a settings module, else in those it takes everything from."""
    waiting: list[ModuleType] = [module]
    seen: set[str] = set()
    while waiting and len(seen) < MOST_FILES:
        current = waiting.pop(0)
        file = getattr(current, "__file__", None)
        if file is None or file in seen:
            continue
        seen.add(file)
        tree = _parsed(file)
        if tree is None:
            continue
        found = [(line, where) for line, where in _turned_on(tree, {"DEBUG"}) if where == "<module>"]
        if found:
            return _place(file, *found[-1])
        waiting += _starred(tree, current)
    return None


def debug_in_modules(modules: Iterable[ModuleType]) -> Place | None:
    """The first of: `app.run(debug=True)`, `app.debug = True`, `app.config["DEBUG"] = True`, `DEBUG = True`."""
    for number, module in enumerate(modules):
        file = getattr(module, "__file__", None)
        if number == MOST_FILES or file is None or not frames.is_user_file(file):
            continue
        tree = _parsed(file)
        for line, where in _turned_on(tree, {"DEBUG", "FLASK_DEBUG"}) if tree is not None else ():
            return _place(file, line, where)
    return None


def _place(file: str, line: int, function: str) -> Place:
    path = os.path.abspath(file)
    place: Place = {"file": path, "line": line, "function": function}
    ignored = Ignores().at(path, line)
    if ignored:
        place["tracestitch.ignore"] = ignored
    return place


def _parsed(file: str) -> ast.Module | None:
    try:
        if not file.endswith(".py") or os.path.getsize(file) > LARGEST_FILE:
            return None
        with open(file, "rb") as source:
            content = source.read()
        return ast.parse(content) if b"debug" in content.lower() or b"import *" in content else None
    except (OSError, SyntaxError, ValueError, RecursionError):
        return None


def _turned_on(tree: ast.Module, names: set[str]) -> list[tuple[int, str]]:
    """Lines that set debugging to anything but a plain False or None, constants that say so first."""
    found = [
        (not _is_true(value), line, where)
        for line, where, value in _settings_of_debug(tree, names)
        if not (isinstance(value, ast.Constant) and not value.value)
    ]
    certain = [(line, where) for doubtful, line, where in found if not doubtful]
    return certain or [(line, where) for _, line, where in found]


def _is_true(value: ast.expr) -> bool:
    return isinstance(value, ast.Constant) and bool(value.value)


def _settings_of_debug(
    tree: ast.AST, names: set[str], where: str = ""
) -> Iterator[tuple[int, str, ast.expr]]:
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.Assign):
            for target in node.targets:
                if _is_debug(target, names):
                    yield node.lineno, where or "<module>", node.value
        elif isinstance(node, ast.AnnAssign) and node.value is not None and _is_debug(node.target, names):
            yield node.lineno, where or "<module>", node.value
        elif isinstance(node, ast.Call):
            for keyword in node.keywords:
                if keyword.arg in ("debug", *names):
                    yield keyword.value.lineno, where or "<module>", keyword.value
        inner = where
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef | ast.ClassDef):
            inner = f"{where}.{node.name}".lstrip(".")
        yield from _settings_of_debug(node, names, inner)


def _is_debug(target: ast.expr, names: set[str]) -> bool:
    if isinstance(target, ast.Name):
        return target.id in names
    if isinstance(target, ast.Attribute):
        return target.attr == "debug"
    if isinstance(target, ast.Subscript):
        return isinstance(target.slice, ast.Constant) and target.slice.value in names
    return False


def _starred(tree: ast.Module, module: ModuleType) -> list[ModuleType]:
    """The loaded modules behind `from … import *`."""
    package = getattr(module, "__package__", "") or ""
    found = []
    for node in ast.walk(tree):
        if isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            parts = package.split(".")[: len(package.split(".")) - (node.level - 1)] if node.level else []
            name = ".".join([*parts, *([node.module] if node.module else [])])
            if name in sys.modules:
                found.append(sys.modules[name])
    return found
