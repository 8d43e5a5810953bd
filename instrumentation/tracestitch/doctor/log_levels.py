"""Log records that the source emits below its logger's level, so that nobody ever sees them: not the agent either."""

import os
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tracestitch.doctor import conditions
from tracestitch.doctor.condition import Finding, met

# Not the `log` of something else, such as a server's worker.
_CALL = re.compile(
    r"^[^#\n]*?(?<![\w.])(?:(?:current_)?app\.)?(?P<logger>\w*log(?:ger|ging)?)\.(?P<level>debug|info)\(",
    re.M | re.I,
)
_LOGGING = re.compile(r"^\s*(?:import|from) logging\b|\bapp\.logger\b", re.M)
_SETTINGS = re.compile(r"DJANGO_SETTINGS_MODULE['\"]\s*[,\]]\s*=?\s*['\"](?P<module>[\w.]+)['\"]")
_APART = frozenset(
    {
        "node_modules",
        "site-packages",
        "__pycache__",
        "venv",
        "env",
        "migrations",
        "tests",
        "test",
        "static",
        "media",
    }
)
_MOST_FILES, _LARGEST_BYTES = 2_000, 500_000
_NAMES = {10: "DEBUG", 20: "INFO", 30: "WARNING", 40: "ERROR", 50: "CRITICAL"}
_INFO = 20


@dataclass(frozen=True, slots=True, kw_only=True)
class Call:
    """One place in the source that logs at INFO."""

    file: str
    line: int
    module: str


def settings_module(rest: Sequence[str], environ: Mapping[str, str], folder: str) -> str:
    """The Django settings of a command: said in the environment, or in manage.py or the WSGI or ASGI module."""
    said = environ.get("DJANGO_SETTINGS_MODULE", "")
    candidates = [word for word in rest[:8] if word.endswith(".py")]
    for word in rest:
        module = word.partition(":")[0]
        if not word.startswith("-") and re.fullmatch(r"[A-Za-z_][\w.]*", module):
            candidates.append(module.replace(".", os.sep) + ".py")
    for candidate in candidates[:12]:
        found = _SETTINGS.search(_read(os.path.join(folder, candidate)))
        if found is not None:
            return said or found["module"]
    return said


def look(calls: Iterator[Call], levels: Mapping[str, int], where: str) -> Iterator[Finding]:
    """At most one: the first call whose record does not come to exist. `levels` holds the root's under ""."""
    for call in calls:
        name, level = effective(call.module, levels)
        if level > _INFO:
            shown = name or "root"
            text = (
                f"{call.file}:{call.line} logs at INFO, and the {shown} logger is at {_NAMES.get(level, level)}: "
                "that record does not come to exist."
            )
            yield met(conditions.LOGS_BELOW_LEVEL, text, logger=shown, where=where)
            return


def effective(module: str, levels: Mapping[str, int]) -> tuple[str, int]:
    """The logger that decides for `logging.getLogger(module)`, and its level."""
    name = module
    while name:
        if levels.get(name):
            return name, levels[name]
        name = name.rpartition(".")[0]
    return "", levels.get("", 30)


def calls_in(folder: str) -> Iterator[Call]:
    """Places of the project's own source that log at INFO; tests and what is installed are left out."""
    read = 0
    for path, folders, files in os.walk(folder):
        folders[:] = sorted(
            name
            for name in folders
            if not name.startswith(".")
            and name.lower() not in _APART
            and not os.path.exists(os.path.join(path, name, "pyvenv.cfg"))
        )
        for name in sorted(files):
            if not name.endswith(".py") or name.startswith("test_"):
                continue
            read += 1
            if read > _MOST_FILES:
                return
            whole = os.path.join(path, name)
            text = _read(whole)
            relative = os.path.relpath(whole, folder)
            for found in _CALL.finditer(text) if _LOGGING.search(text) else ():
                if found["level"].lower() == "info":
                    module = relative.removesuffix(".py").replace(os.sep, ".").removesuffix(".__init__")
                    line = text.count("\n", 0, found.start("logger")) + 1
                    yield Call(file=relative, line=line, module=module)


def _read(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_LARGEST_BYTES)
    except OSError:
        return ""
