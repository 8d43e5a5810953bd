"""Which interpreter a command runs, found out as a shell and the kernel would: through `env`, launchers, scripts and
their first lines. Reads files, starts nothing."""

import os
import re
import shlex
import shutil
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

_PYTHON = re.compile(r"(?:python|pypy)[0-9.]*(?:\.exe)?")
_SHELLS = frozenset({"sh", "bash", "dash", "zsh", "ksh", "ash", "fish"})
# Commands that run another command in the same environment, with how many words of their own follow at least.
_IN_FRONT = {
    "nohup": 0,
    "nice": 0,
    "time": 0,
    "setsid": 0,
    "stdbuf": 0,
    "exec": 0,
    "command": 0,
    "timeout": 1,
}
_FRESH = frozenset({"sudo", "su", "doas", "runuser", "systemd-run", "cron", "at"})
_ELSEWHERE = frozenset(
    {"docker", "docker-compose", "podman", "kubectl", "ssh", "nerdctl", "flatpak", "vagrant"}
)
# These choose the environment themselves: the interpreter is asked for through them.
RUNNERS = {
    "uv": "run",
    "poetry": "run",
    "pipenv": "run",
    "pdm": "run",
    "hatch": "run",
    "rye": "run",
    "pixi": "run",
}
# Other agents' launchers, with the agent's name and how many words of their own come before the command.
LAUNCHERS = {
    "opentelemetry-instrument": ("OpenTelemetry", 0),
    "ddtrace-run": ("Datadog", 0),
    "newrelic-admin": ("New Relic", 1),
    "elasticapm-run": ("Elastic APM", 0),
    "sw-python": ("SkyWalking", 1),
    "logfire": ("Logfire", 1),
}
_WITH_VALUE = ("-X", "-W", "--check-hash-based-pycs")
_DEEPEST = 12
_LONGEST_SCRIPT = 200_000
_TRICK = re.compile(r"^'''exec' (?P<python>.+?) \"\$0\"", re.M)
_DROPS = re.compile(
    r"(?m)^(?!\s*#).*?(?P<what>\benv\s+-i\b|\bsudo\b|\bsu\s+-|\bPYTHONPATH=(?!\S*\$)\S*|\bunset\s+PYTHONPATH)"
)


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """What a command comes down to."""

    # "python", "uwsgi", "shell", "other", "missing", "elsewhere", "fresh"
    kind: str
    # The interpreter, with words in front of it that belong to a runner (`uv run python`).
    interpreter: tuple[str, ...] = ()
    flags: tuple[str, ...] = ()
    # The script, module (`-m name`) or console script, and what follows.
    rest: tuple[str, ...] = ()
    # The word or file that decided, for the text of a finding.
    decided_by: str = ""
    launchers: tuple[str, ...] = ()
    # Variables that `env` and the like set on the way.
    variables: Mapping[str, str] = field(default_factory=dict)


def find(command: Sequence[str], environ: Mapping[str, str], folder: str, own_python: str) -> Program:
    """`own_python` runs a script that is named without an interpreter."""
    return _Search(dict(environ), folder, own_python).find(list(command))


class _Search:
    def __init__(self, environ: dict[str, str], folder: str, own_python: str) -> None:
        self._environ = environ
        self._folder = folder
        self._own_python = own_python
        self._launchers: list[str] = []
        self._variables: dict[str, str] = {}

    def find(self, words: list[str], depth: int = 0) -> Program:
        while words and re.fullmatch(r"[A-Za-z_]\w*=.*", words[0]):
            name, _, value = words.pop(0).partition("=")
            self._variables[name] = value
        if not words or depth > _DEEPEST:
            return self._made("missing", decided_by=words[0] if words else "")
        name, rest = os.path.basename(words[0]), words[1:]
        if name in _ELSEWHERE or name in _FRESH:
            return self._made("elsewhere" if name in _ELSEWHERE else "fresh", decided_by=name)
        if name == "env":
            return self._through_env(rest, depth)
        if name in _IN_FRONT:
            rest = _after_options(rest)
            return self.find(rest[_IN_FRONT[name] :], depth + 1)
        if name in RUNNERS and rest[:1] == [RUNNERS[name]]:
            return self._through_runner(words[:2], rest[1:])
        if name in LAUNCHERS:
            self._launchers.append(name)
            return self.find(_after_options(rest)[LAUNCHERS[name][1] :], depth + 1)
        return self._of_file(words[0], rest)

    def _through_env(self, words: list[str], depth: int) -> Program:
        while words and words[0].startswith("-"):
            option = words.pop(0)
            if option in ("-i", "-", "--ignore-environment"):
                return self._made("fresh", decided_by=f"env {option}")
            if option in ("-S", "--split-string") and words:
                words = [*shlex.split(words[0]), *words[1:]]
            elif option in ("-u", "-C") and words:
                words.pop(0)
        return self.find(words, depth + 1)

    def _through_runner(self, runner: list[str], words: list[str]) -> Program:
        inner = _after_options(words)
        options = words[: len(words) - len(inner)]
        name = os.path.basename(inner[0]) if inner else ""
        flags, rest = python_flags(inner[1:]) if _PYTHON.fullmatch(name) else ((), inner)
        return self._made("python", interpreter=(*runner, *options, "python"), flags=flags, rest=rest)

    def _of_file(self, word: str, rest: list[str]) -> Program:
        if word.endswith(".py") and not os.access(os.path.join(self._folder, word), os.X_OK):
            return self._made("python", interpreter=(self._own_python,), rest=(word, *rest))
        path = self._which(word)
        if path is None:
            return self._made("missing", decided_by=word)
        name = os.path.basename(path)
        if _PYTHON.fullmatch(os.path.basename(word)):
            flags, words = python_flags(rest)
            return self._made("python", interpreter=(path,), flags=flags, rest=words)
        if name == "uwsgi" and _first_line(path) is None:
            return self._made("uwsgi", interpreter=_python_beside(path, rest), rest=(path, *rest))
        if name in _SHELLS:
            return self._of_shell(rest)
        return self._of_script(path, rest)

    def _of_shell(self, words: list[str]) -> Program:
        if words[:1] == ["-c"] and len(words) > 1 and not re.search(r"[;&|<>$`\n]", words[1]):
            return self.find(shlex.split(words[1]), 1)
        script = self._which(words[0]) if words and not words[0].startswith("-") else None
        dropped = _DROPS.search(_text(script) if script else " ".join(words[1:2]))
        return self._made(
            "fresh" if dropped else "shell", decided_by=dropped["what"] if dropped else "a shell"
        )

    def _of_script(self, path: str, rest: list[str]) -> Program:
        line = _first_line(path)
        if line is None:
            return self._made("other", decided_by=path)
        words = line.split()
        if words and os.path.basename(words[0]) == "env":
            words = [word for word in words[1:] if word != "-S" and "=" not in word]
        name = os.path.basename(words[0]) if words else ""
        if name in _SHELLS:
            trick = _TRICK.search(_text(path)[:1000])  # pip's and uv's way round long first lines
            if trick is not None:
                beside = os.path.join(os.path.dirname(path), "python")
                python = beside if "$(" in trick["python"] else trick["python"].strip("\"'")
                return self._made("python", interpreter=(python,), rest=(path, *rest))
            return self._of_shell([path, *rest])
        interpreter = self._which(words[0]) if words else None
        if not _PYTHON.fullmatch(name):
            return self._made("other", decided_by=path)
        if interpreter is None:
            return self._made("missing", decided_by=words[0])
        flags, _ = python_flags([*words[1:], path])
        return self._made("python", interpreter=(interpreter,), flags=flags, rest=(path, *rest))

    def _which(self, word: str) -> str | None:
        if os.sep in word:
            path = os.path.join(self._folder, word)
            return path if os.access(path, os.R_OK) and os.path.isfile(path) else None
        path_variable = self._variables.get("PATH", self._environ.get("PATH"))
        found = shutil.which(word, path=path_variable)
        if found is None and os.path.isfile(os.path.join(self._folder, word)):
            found = os.path.join(self._folder, word)
        return found

    def _made(
        self,
        kind: str,
        *,
        interpreter: tuple[str, ...] = (),
        flags: Sequence[str] = (),
        rest: Sequence[str] = (),
        decided_by: str = "",
    ) -> Program:
        return Program(
            kind=kind,
            interpreter=interpreter,
            flags=tuple(flags),
            rest=tuple(rest),
            decided_by=decided_by,
            launchers=tuple(self._launchers),
            variables=dict(self._variables),
        )


def python_flags(words: Sequence[str]) -> tuple[tuple[str, ...], tuple[str, ...]]:
    """The interpreter's own options, and what they end at: a script, `-m` or `-c`."""
    flags: list[str] = []
    place = 0
    while place < len(words):
        word = words[place]
        if not word.startswith("-") or word == "-" or word.startswith(("-m", "-c")):
            break
        if not word.startswith("--") and ("m" in word or "c" in word):  # such as -Im
            at = min(word.find(letter) for letter in "mc" if letter in word)
            flags.append(word[:at])
            return tuple(flags), (
                f"-{word[at]}",
                *([word[at + 1 :]] if word[at + 1 :] else ()),
                *words[place + 1 :],
            )
        taken = 2 if word in _WITH_VALUE else 1
        flags += words[place : place + taken]
        place += taken
    return tuple(flags), tuple(words[place:])


def _after_options(words: Sequence[str]) -> list[str]:
    place = 0
    while place < len(words) and words[place].startswith("-"):
        if words[place] == "--":
            return list(words[place + 1 :])
        place += 1
    return list(words[place:])


def _first_line(path: str) -> str | None:
    """After `#!`; None of a file that has no such line."""
    try:
        with open(path, "rb") as file:
            head = file.read(512)
    except OSError:
        return None
    return head[2:].split(b"\n", 1)[0].decode("utf-8", "replace").strip() if head[:2] == b"#!" else None


def _text(path: str) -> str:
    try:
        with open(path, encoding="utf-8", errors="replace") as file:
            return file.read(_LONGEST_SCRIPT)
    except OSError:
        return ""


def _python_beside(path: str, words: Sequence[str]) -> tuple[str, ...]:
    """uWSGI has its Python built in: that of the environment it is told, or of the one it is installed in."""
    homes = [os.path.dirname(os.path.dirname(path))]
    for place, word in enumerate(words):
        name, equals, value = word.partition("=")
        if name in ("-H", "--home", "--virtualenv", "--venv", "--pyhome"):
            homes.insert(0, value if equals else "".join(words[place + 1 : place + 2]))
    for home in homes:
        python = os.path.join(home, "bin", "python")
        if os.access(python, os.X_OK):
            return (python,)
    return ()
