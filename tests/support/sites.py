"""The agent's own code with a switch at each place where it can fail: every call, attribute and item it reads.

A finder loads `tracestitch.*` from source whose expressions `x` became `(__site__(7) or x)`; the switch raises where
the test has armed it. What belongs to the app (the original behind a hook, its body, its `send`) has no switch.
"""

import ast
import builtins
import importlib.abc
import importlib.machinery
import importlib.util
import re
import sys
import threading
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import CodeType, ModuleType
from typing import Any

SWITCH = "__site__"
# The interpreter's clock takes nothing and cannot fail.
_CLOCK = "perf_counter_ns"
# Names by which the hooks call what is the app's: its failures are for the app to see.
_SWITCHES = re.compile(rf"{SWITCH}\(\d+\) or ")
_OF_THE_APP = frozenset({"original", "execute", "start_response", "send", "receive", "function", "previous"})
_STEPS_OF_THE_APP = {
    ("server", "__next__"): ("next", "iter"),
    ("server", "close"): ("getattr", "close"),
    ("sqlite3", "cursor"): ("cursor",),
    ("sqlite3", "by_a_cursor"): ("getattr", "cursor"),
    ("patching", "exec_module"): ("exec_module",),
    ("patching", "create_module"): ("create_module",),
    ("sqlalchemy", "end"): ("ending",),
    ("django_transactions", "end"): ("ending",),
    ("commits", "ending"): ("end",),
    ("flask_stages", "hook"): ("ready",),
    ("django_stages", "layer"): ("handler",),
}


@dataclass(frozen=True, slots=True, kw_only=True)
class Site:
    number: int
    module: str
    function: str
    line: int
    text: str

    def __str__(self) -> str:
        return f"{self.module}.py:{self.line} in {self.function}: {self.text}"


class Switchboard:
    """Which site raises what, and which were passed."""

    def __init__(self) -> None:
        self.armed = -1
        self.error: type[Exception] = RuntimeError
        self.once = False
        self.fired = 0
        self.passed: dict[int, str] = {}

    def __call__(self, number: int) -> None:
        if number == self.armed:
            self.fired += 1
            if self.once:
                self.armed = -1
            raise self.error("raised by the test")

    def record(self, number: int) -> None:
        thread = threading.current_thread()
        of_app = thread is threading.main_thread() or not isinstance(thread, threading._DummyThread)
        self.passed.setdefault(number, "app" if of_app else "agent")


class _Rewriter(ast.NodeTransformer):
    """Puts switches into functions; what runs at import is for the test of imports."""

    def __init__(self, module: str, sites: list[Site]) -> None:
        self._module, self._sites = module, sites
        self._functions: list[str] = []

    def visit_FunctionDef(self, node: ast.FunctionDef) -> ast.AST:
        return self._function(node)

    def visit_AsyncFunctionDef(self, node: ast.AsyncFunctionDef) -> ast.AST:
        return self._function(node)

    def _function(self, node: Any) -> ast.AST:
        self._functions.append(node.name)
        node.body = [self.visit(statement) for statement in node.body]
        self._functions.pop()
        return node  # type: ignore[no-any-return]  # what came in

    def visit_AnnAssign(self, node: ast.AnnAssign) -> ast.AST:
        if node.value is not None:
            node.value = self.visit(node.value)
        return node

    def visit_Raise(self, node: ast.Raise) -> ast.AST:
        return node

    def visit_Call(self, node: ast.Call) -> ast.AST:
        # The name of a method is read and called in one step.
        if isinstance(node.func, ast.Attribute):
            node.func.value = self.visit(node.func.value)
        node.args = [self.visit(argument) for argument in node.args]
        node.keywords = [self.visit(keyword) for keyword in node.keywords]
        return node if self._is_the_apps(node) else self._switched(node)

    def visit_Subscript(self, node: ast.Subscript) -> ast.AST:
        self.generic_visit(node)
        return self._switched(node) if isinstance(node.ctx, ast.Load) else node

    def visit_Attribute(self, node: ast.Attribute) -> ast.AST:
        self.generic_visit(node)
        plain = isinstance(node.value, ast.Name) and node.value.id in ("self", "trace", "context", "sys")
        return node if plain or not isinstance(node.ctx, ast.Load) else self._switched(node)

    def _is_the_apps(self, node: ast.Call) -> bool:
        name = node.func.id if isinstance(node.func, ast.Name) else getattr(node.func, "attr", "")
        function = self._functions[-1] if self._functions else ""
        plain = isinstance(node.func, ast.Name) and (name in _OF_THE_APP or name == _CLOCK)
        return plain or name in _STEPS_OF_THE_APP.get((self._module, function), ())

    def _switched(self, node: ast.expr) -> ast.expr:
        if not self._functions:
            return node
        number = len(self._sites)
        text = _SWITCHES.sub("", ast.unparse(node))
        site = Site(
            number=number,
            module=self._module,
            function=".".join(self._functions),
            line=node.lineno,
            text=text[:80],
        )
        self._sites.append(site)
        switch = ast.Call(ast.Name(SWITCH, ast.Load()), [ast.Constant(number)], [])
        return ast.copy_location(ast.BoolOp(ast.Or(), [switch, node]), node)


class SwitchedCode(importlib.abc.MetaPathFinder):
    """The finder; `broken` names a module whose import fails."""

    def __init__(self) -> None:
        self.sites: list[Site] = []
        self.codes: dict[str, CodeType] = {}
        self.broken: str = ""
        self.error: type[Exception] = ImportError
        found = importlib.util.find_spec("tracestitch")
        assert found is not None
        assert found.submodule_search_locations
        self.folder = Path(next(iter(found.submodule_search_locations)))
        for path in sorted(self.folder.glob("*.py")):
            name = "tracestitch" if path.stem == "__init__" else f"tracestitch.{path.stem}"
            if path.stem not in ("command", "__main__", "distro", "auto"):
                self.codes[name] = self._compiled(path)

    def _compiled(self, path: Path) -> CodeType:
        tree = _Rewriter(path.stem, self.sites).visit(ast.parse(path.read_text()))
        return compile(ast.fix_missing_locations(tree), str(path), "exec")

    def find_spec(
        self, name: str, path: Sequence[str] | None = None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if name not in self.codes:
            return None
        if name == self.broken:
            raise self.error(f"the test broke the import of {name}")
        spec = importlib.machinery.PathFinder.find_spec(name, path or sys.path)
        assert spec is not None
        assert spec.origin is not None
        spec.loader = _Loader(name, spec.origin, self.codes[name])
        return spec

    def install(self, switchboard: Switchboard) -> None:
        builtins.__dict__[SWITCH] = switchboard
        for name in [name for name in sys.modules if name.partition(".")[0] == "tracestitch"]:
            del sys.modules[name]
        sys.meta_path.insert(0, self)


class _Loader(importlib.machinery.SourceFileLoader):
    def __init__(self, name: str, path: str, code: CodeType) -> None:
        super().__init__(name, path)
        self._code = code

    def get_code(self, fullname: str) -> CodeType | None:
        return self._code if fullname == self.name else None
