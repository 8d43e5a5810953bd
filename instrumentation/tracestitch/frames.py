"""Evidence in the code: which line of the user's own code led here, and the frames of an exception.

User code is what is neither the standard library nor an installed package nor this agent, and besides the
app's own packages wherever they are installed. The user's templates are code, too.
"""

import json
import linecache
import os
import sys
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import partial
from types import CodeType, FrameType, TracebackType
from typing import Any

from opentelemetry.util.types import AttributeValue

from tracestitch import templates
from tracestitch.scrub import scrub_text
from tracestitch.settings import app_packages

_OWN_FOLDER = os.path.dirname(os.path.abspath(__file__)) + os.sep
# What came with the agent where it lies in a folder of its own beside the app.
_BROUGHT_ALONG = tuple(
    os.path.join(os.path.dirname(os.path.dirname(_OWN_FOLDER)), name)
    for name in ("opentelemetry" + os.sep, "wrapt" + os.sep, "deprecated" + os.sep, "typing_extensions.py")
)
# Beyond this file lies the server that called the app: a line out there did not cause anything in here.
BOUNDARY_FILE = _OWN_FOLDER + "server.py"
# A framework hands each request on here. What a library does of its own accord below one of these was not asked
# for by the user's middleware above it.
_FRAMEWORK_BOUNDARIES = tuple(
    os.sep + name.replace("/", os.sep)
    for name in (
        "django/core/handlers/exception.py",
        "django/core/handlers/base.py",
        "flask/app.py",
        "celery/app/trace.py",
    )
)
_STANDARD_LIBRARY = os.path.dirname(os.path.abspath(os.__file__)) + os.sep
_SCRIPTS = os.path.dirname(sys.executable or sys.prefix) + os.sep
_INSTALLED = (f"{os.sep}site-packages{os.sep}", f"{os.sep}dist-packages{os.sep}")
# `python -m gunicorn shop.wsgi`: the main package is the runner, not the app.
_RUNNERS = frozenset(
    {"IPython", "celery", "coverage", "daphne", "debugpy", "django", "eventlet", "flask", "gevent", "granian"}
    | {"gunicorn", "hypercorn", "pytest", "tracestitch", "uvicorn", "waitress", "werkzeug"}
)
_OFTEN_VENDORED = (
    *("asgiref", "celery", "click", "django", "flask", "httpx", "jinja2", "kombu", "requests"),
    *("rest_framework", "sqlalchemy", "sqlparse", "urllib3", "werkzeug"),
)
_DJANGO_TEMPLATES = os.sep + os.path.join("django", "template", "base.py")
_LIBRARY, _USER, _BOUNDARY, _TEMPLATE = 0, 1, 2, 3
_MAX_CACHED = 20_000
_MAX_SITES = 5_000
_MAX_FRAMES = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class CodeLocation:
    file: str
    line: int
    function: str


class CodeMap:
    """Tells user code from library code; answers are cached by file name, so a walk costs a lookup a frame."""

    def __init__(self, app_packages: Iterable[str], root: str) -> None:
        self._packages = {name for name in app_packages if name}
        self._root = root
        self._main_seen = False
        self.kinds: dict[str, int] = {}
        # By the address of a piece of code and the instruction in it; holds the code, so that none takes its place.
        self.sites: dict[tuple[int, int], tuple[CodeType, CodeLocation]] = {}
        self._paths: dict[str, str] = {}
        self._locations: dict[tuple[str, int, str], CodeLocation] = {}
        self._attributes: dict[CodeLocation, dict[str, AttributeValue]] = {}

    def add_package(self, dotted_name: str) -> None:
        package = dotted_name.partition(".")[0]
        if package and package != "__main__" and package not in self._packages:
            self._packages.add(package)
            self.kinds.clear()

    def kind(self, file: str) -> int:
        known = self.kinds.get(file)
        if known is None:
            if len(self.kinds) > _MAX_CACHED:
                self.kinds.clear()
            known = self.kinds[file] = self._classify(file)
        return known

    def path(self, file: str) -> str:
        known = self._paths.get(file)
        if known is None:
            is_file = not file.startswith("<")
            known = os.path.normpath(os.path.join(self._root, file)) if is_file else file
            self._paths[file] = known
        return known

    def location(self, file: str, line: int, function: str) -> CodeLocation:
        key = (file, line, function)
        known = self._locations.get(key)
        if known is None:
            if len(self._locations) > _MAX_CACHED:
                self._locations.clear()
                self._attributes.clear()
            known = CodeLocation(file=self.path(file), line=line, function=function)
            self._locations[key] = known
        return known

    def attributes(self, location: CodeLocation) -> dict[str, AttributeValue]:
        known = self._attributes.get(location)
        if known is None:
            known = self._attributes[location] = {
                "code.file.path": location.file,
                "code.line.number": location.line,
                "code.function.name": location.function,
            }
        return known

    def _classify(self, file: str) -> int:
        if file.startswith("<"):
            return _LIBRARY
        path = self.path(file)
        if path.startswith(_OWN_FOLDER):
            return _BOUNDARY if path == BOUNDARY_FILE else _LIBRARY
        self._see_main()
        for folder in _INSTALLED:
            _, found, inside = path.rpartition(folder)
            if found and self._is_apps(inside):
                return _USER
            if found:
                return self._of_library(path)
        if path.startswith((_STANDARD_LIBRARY, _SCRIPTS, *_BROUGHT_ALONG)):
            return _LIBRARY
        return self._of_library(path) if _is_vendored(path) else _USER

    def _of_library(self, path: str) -> int:
        if path.endswith(_FRAMEWORK_BOUNDARIES):
            return _BOUNDARY
        return _TEMPLATE if path.endswith(_DJANGO_TEMPLATES) else _LIBRARY

    def _is_apps(self, inside: str) -> bool:
        top = inside.partition(os.sep)[0].removesuffix(".py")
        if top in self._packages or top in named_by_the_process(os.environ, sys.argv):
            return True
        dotted = inside.removesuffix(".py").replace(os.sep, ".")
        return any("." in name and (dotted + ".").startswith(name + ".") for name in self._packages)

    def _see_main(self) -> None:
        """`python -m shop.storefront` names the app; known only once the main module exists."""
        if self._main_seen:
            return
        spec = getattr(sys.modules.get("__main__"), "__spec__", None)
        if spec is None:
            return
        self._main_seen = True
        package = str(spec.name).partition(".")[0]
        if package not in _RUNNERS and package not in sys.stdlib_module_names:
            self._packages.add(package)


def _is_vendored(path: str) -> bool:
    """Whether this is a well-known library that the app keeps among its own files."""
    for name in _OFTEN_VENDORED:
        file = getattr(sys.modules.get(name), "__file__", None)
        if file and path.startswith(os.path.dirname(file) + os.sep):
            return True
    return False


def named_by_the_process(environ: Mapping[str, str], arguments: Sequence[str]) -> set[str]:
    """Packages named as the app: `celery -A shop.tasks`, `gunicorn shop.wsgi:app`, and Django's settings, which
    a program may set after its start."""
    words = [word.partition("=")[2] or word for word in arguments[1:12]]
    tops = {
        word.partition(":")[0].partition(".")[0]
        for word in [*words, environ.get("DJANGO_SETTINGS_MODULE", "")]
    }
    return {top for top in tops if top.isidentifier()} - _RUNNERS


def _from_environment() -> CodeMap:
    root = os.environ.get("TRACESTITCH_APP_ROOT") or os.getcwd()
    return CodeMap(app_packages(os.environ), root)


_CODE = _from_environment()


def add_app_package(dotted_name: str) -> None:
    """The package of this module is the app's own, wherever it is installed."""
    _CODE.add_package(dotted_name)


def is_user_file(file: str) -> bool:
    return _CODE.kind(file) == _USER


def is_user_code(code: CodeType) -> bool:
    return _CODE.kind(code.co_filename) == _USER


def user_frame(skip: int = 0) -> CodeLocation | None:
    """The innermost frame of user code or line of a user's template; None when the call came through neither."""
    kinds, kind = _CODE.kinds, _CODE.kind
    frame: FrameType | None = sys._getframe(1 + skip)
    while frame is not None:
        file = frame.f_code.co_filename
        found = kinds.get(file)
        if found is None:
            found = kind(file)
        if found == _TEMPLATE:
            rendered = templates.django_line(frame)
            if rendered is not None and is_user_file(rendered[0]):
                return _CODE.location(*rendered)
        elif found:
            return frame_location(frame) if found == _USER else None
        frame = frame.f_back
    return None


def nearest(skip: int = 0) -> tuple[int, FrameType] | None:
    """The innermost frame of user code, and how many calls lie between; None where a template comes first, or none."""
    kinds, kind, depth = _CODE.kinds, _CODE.kind, 0
    frame: FrameType | None = sys._getframe(1 + skip)
    while frame is not None:
        file = frame.f_code.co_filename
        found = kinds.get(file)
        if found is None:
            found = kind(file)
        if found:
            return (depth, frame) if found == _USER and file.endswith(".py") else None
        frame = frame.f_back
        depth += 1
    return None


def frame_location(frame: FrameType) -> CodeLocation:
    code = frame.f_code
    sites, site = _CODE.sites, (id(code), frame.f_lasti)
    known = sites.get(site)
    if known is not None:
        return known[1]
    if not code.co_filename.endswith(".py"):
        rendered = templates.jinja_line(frame)
        if rendered is not None:
            return _CODE.location(*rendered)
    location = _CODE.location(code.co_filename, frame.f_lineno, _qualified(frame, code))
    if len(sites) >= _MAX_SITES:
        sites.clear()
    sites[site] = (code, location)
    return location


def file_location(file: str, line: int, function: str) -> CodeLocation:
    return _CODE.location(file, line, function)


def location_attributes(location: CodeLocation) -> dict[str, AttributeValue]:
    """The `code.*` attributes; `tracestitch.ignore` is added by the exporter, which reads sources in the
    background. The answer is shared: copy it before changing it."""
    return _CODE.attributes(location)


def function_location(function: Callable[..., Any]) -> CodeLocation | None:
    """Where a view or task is defined: the line of its `def`, not of its first decorator."""
    found = underlying_function(function)
    if found is None:
        return None
    code: CodeType = found.__code__
    name = f"{found.__module__}.{found.__qualname__}"
    return _CODE.location(code.co_filename, _definition_line(code), name)


def underlying_function(function: Any, depth: int = 4) -> Any | None:
    """The user's function beneath decorators; of a function without any user code, the function itself."""
    function = _unwrapped(function)
    code = getattr(function, "__code__", None)
    if code is None:
        return None  # a builtin, a class, an object with __call__
    if is_user_code(code) or depth == 0:
        return function
    for cell in function.__closure__ or ():
        try:
            inner = cell.cell_contents
        except ValueError:
            continue
        if callable(inner) and not isinstance(inner, type):
            found = underlying_function(inner, depth - 1)
            if found is not None and is_user_code(found.__code__):
                return found
    return function


def _unwrapped(function: Any) -> Any:
    """Beneath functools.wraps, functools.partial and bound methods; bounded, since a wrapper may name itself."""
    for _ in range(20):
        if isinstance(function, partial):
            function = function.func
        elif hasattr(function, "__wrapped__"):
            function = function.__wrapped__
        elif hasattr(function, "__func__"):
            function = function.__func__
        else:
            break
    return function


def exception_frames(error: BaseException) -> str:
    """The frames of an exception as a JSON list of `{file, line, function, in_app}`, innermost last."""
    frames = _traceback_frames(error.__traceback__)
    if len(frames) > _MAX_FRAMES:
        frames = frames[:10] + frames[10 - _MAX_FRAMES :]
    return json.dumps(frames, separators=(",", ":"))


def exception_location(error: BaseException) -> CodeLocation | None:
    """The innermost line of user code that the exception passed through."""
    found = None
    trace = error.__traceback__
    while trace is not None:
        if is_user_code(trace.tb_frame.f_code):
            found = trace
        trace = trace.tb_next
    if found is None:
        return None
    code = found.tb_frame.f_code
    return _CODE.location(code.co_filename, found.tb_lineno, _qualified(found.tb_frame, code))


def _traceback_frames(trace: TracebackType | None) -> list[dict[str, str | int | bool]]:
    frames: list[dict[str, str | int | bool]] = []
    while trace is not None:
        code = trace.tb_frame.f_code
        if not code.co_filename.startswith(_OWN_FOLDER):
            frames.append(
                {
                    "file": scrub_text(_CODE.path(code.co_filename)),
                    "line": trace.tb_lineno,
                    "function": scrub_text(_qualified(trace.tb_frame, code)),
                    "in_app": is_user_code(code),
                }
            )
        trace = trace.tb_next
    return frames


def _qualified(frame: FrameType, code: CodeType) -> str:
    module = frame.f_globals.get("__name__")
    return f"{module}.{code.co_qualname}" if isinstance(module, str) else code.co_qualname


def _definition_line(code: CodeType) -> int:
    lines = linecache.getlines(code.co_filename)
    for number in range(code.co_firstlineno, min(code.co_firstlineno + 40, len(lines)) + 1):
        if lines[number - 1].lstrip().startswith(("def ", "async def ")):
            return number
    return code.co_firstlineno


def type_name(kind: type) -> str:
    """`shop.errors.OutOfStock`, and `ValueError` for a builtin."""
    return kind.__qualname__ if kind.__module__ == "builtins" else f"{kind.__module__}.{kind.__qualname__}"
