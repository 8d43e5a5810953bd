"""Whether a command would carry the agent: its interpreter is really started, with the agent prepared as `tracestitch
run` does it, and asked.
"""

import json
import os
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from tracestitch.command import prepare
from tracestitch.doctor import conditions, probe, program
from tracestitch.doctor.condition import Finding, met, printable
from tracestitch.doctor.program import LAUNCHERS, Program
from tracestitch.doctor.versions import Pin
from tracestitch.other_agents import other_agents

OLDEST_PYTHON = (3, 11)
_PATIENCE_S = 30.0
_HOME = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))


@dataclass(frozen=True, slots=True, kw_only=True)
class Interpreter:
    """What the app's interpreter told of itself."""

    python: str
    version: tuple[int, ...]
    active: bool
    no_site: bool
    hides_path: bool
    why: str
    # The environment's own agent, where it cannot be loaded and another was started.
    unusable: str
    sitecustomize: str
    packages: Mapping[str, str]
    pins: tuple[Pin, ...]
    modules: frozenset[str]
    logging: Mapping[str, Any]
    # Why the project's settings could not be asked for logging.
    logging_error: str
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Launch:
    findings: tuple[Finding, ...]
    steps: tuple[str, ...]
    program: Program
    interpreter: Interpreter | None = None


class CannotStart(Exception):
    """The interpreter did not run the probe."""


def examine(
    command: Sequence[str],
    environ: Mapping[str, str],
    folder: str,
    own_python: str,
    *,
    is_running: bool = False,
) -> Launch:
    """Of a process that is running, `environ` is its own, and nothing can be handed over any more."""
    found = program.find(without_run(command), environ, folder, own_python)
    finding = _no_python(found)
    if finding is not None:
        return Launch(findings=(finding,), steps=(), program=found)
    try:
        told = ask(found, prepared(found, environ, folder), folder)
    except CannotStart as error:
        finding = met(conditions.INTERPRETER_FAILS, str(error), python=" ".join(found.interpreter))
        return Launch(findings=(finding,), steps=(), program=found)
    findings = [*_of_interpreter(told, found), *_of_launchers(found, told, environ)]
    if told.active and not _starts_by_itself(found, environ, folder):
        if is_running:
            shown = printable(" ".join(command), 300)
            text = "The process was started without the agent; with it, it would be observed."
            finding = met(conditions.STARTED_WITHOUT_AGENT, text, command=shown)
            return Launch(findings=(*findings, finding), steps=(), program=found, interpreter=told)
        if "TRACESTITCH_ENABLED" in environ:
            text = f"TRACESTITCH_ENABLED is set, and {told.python} does not follow it by itself; `tracestitch run` works."
            findings.append(met(conditions.PTH_MISSING, text, python=told.python))
    steps = (_works(told, found),) if told.active else ()
    return Launch(findings=tuple(findings), steps=steps, program=found, interpreter=told)


def without_run(command: Sequence[str]) -> list[str]:
    """The command itself, where somebody wrote `tracestitch run` before it here too."""
    words = list(command)
    if [os.path.basename(word) for word in words[:2]] != ["tracestitch", "run"]:
        return words
    words = words[2:]
    while words and words[0].startswith("-"):
        taken = 1 if words[0] == "--" or "=" in words[0] else 2
        words = words[taken:]
    return words


def prepared(found: Program, environ: Mapping[str, str], folder: str) -> dict[str, str]:
    """As `tracestitch run` hands it over, and then as the command itself changes it."""
    ready = dict(environ)
    prepare(ready, None, None, None, folder)
    return {**ready, **found.variables}


def ask(found: Program, environ: Mapping[str, str], folder: str, settings: str = "") -> Interpreter:
    """Raises CannotStart."""
    with open(probe.__file__, encoding="utf-8") as file:
        source = file.read()
    command = [*found.interpreter, *_start_flags(found.flags), "-c", source, _HOME, settings]
    try:
        done = subprocess.run(
            command,
            cwd=folder,
            env=dict(environ),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            errors="replace",
            timeout=_PATIENCE_S,
            check=False,
        )
    except (OSError, subprocess.TimeoutExpired) as error:
        raise CannotStart(f"{' '.join(found.interpreter)} does not start: {error}.") from error
    _, mark, answer = done.stdout.rpartition(probe.MARK)
    if not mark:
        last = printable(done.stderr.strip().rpartition("\n")[2] or f"exit status {done.returncode}")
        raise CannotStart(f"{' '.join(found.interpreter)} does not run a program: {last}.")
    return _interpreter(json.loads(answer), done.stderr)


def _start_flags(flags: Sequence[str]) -> list[str]:
    """Without -i, which would wait for somebody to type."""
    return [flag for flag in flags if flag != "-i"]


def _interpreter(told: Mapping[str, Any], said: str) -> Interpreter:
    return Interpreter(
        python=told["executable"],
        version=tuple(told["version"]),
        active=told["active"],
        no_site=told["no_site"],
        hides_path=told["isolated"] or told["ignores_environment"],
        why=told["why"],
        unusable=told.get("unusable", ""),
        sitecustomize=told["sitecustomize"],
        packages=told["packages"],
        pins=tuple(Pin(package=one, wants=other, version=version) for one, other, version in told["pins"]),
        modules=frozenset(told["modules"]),
        logging=told.get("logging", {}),
        logging_error=told.get("logging_error", ""),
        said=said,
    )


def _no_python(found: Program) -> Finding | None:
    what = printable(found.decided_by, 120)
    match found.kind:
        case "missing":
            return met(conditions.COMMAND_NOT_FOUND, f"There is no command {what!r}.", program=what)
        case "elsewhere":
            return met(
                conditions.OTHER_MACHINE, f"`{what}` starts the app where this environment does not reach."
            )
        case "fresh":
            text = f"`{what}` drops what the agent is handed on in (PYTHONPATH and TRACESTITCH_*)."
            return met(conditions.ENVIRONMENT_DROPPED, text, what=what)
        case "shell":
            return met(conditions.SHELL_SCRIPT, f"This is {what} script; what it starts was not looked into.")
        case "other":
            return met(conditions.NOT_PYTHON, f"{what} is no Python program.")
    if not found.interpreter:
        text = "No Python interpreter was found beside this uWSGI, so its environment was not looked into."
        return met(conditions.SHELL_SCRIPT, text)
    return None


def _of_interpreter(told: Interpreter, found: Program) -> Iterator[Finding]:
    version = ".".join(str(part) for part in told.version)
    if told.version < OLDEST_PYTHON:
        yield met(conditions.PYTHON_TOO_OLD, f"{told.python} is Python {version}; the agent needs 3.11.")
    elif not told.active and "PYTHONPATH" in found.variables and not told.no_site:
        text = "The command sets PYTHONPATH anew, and with it goes what the agent is handed on in."
        yield met(conditions.ENVIRONMENT_DROPPED, text, what="the assignment of PYTHONPATH")
    elif not told.active:
        yield _why_not_active(told)
    if told.unusable:
        text = f"{told.unusable} is no agent that can be loaded; the one beside the app was started instead."
        yield met(conditions.AGENT_UNUSABLE, printable(text, 400), python=told.python)
    if "Error in sitecustomize" in told.said:
        last = printable(told.said.strip().rpartition("\n")[2])
        text = f"The environment's sitecustomize fails at each start: {last}."
        yield met(conditions.SITECUSTOMIZE_FAILS, text, file=told.sitecustomize or "its sitecustomize.py")
    if found.kind == "uwsgi":
        yield from _uwsgi(found)
    if _reloads(found.rest):
        yield met(conditions.RELOADER, "The command watches its files and runs the app in a child process.")


def _why_not_active(told: Interpreter) -> Finding:
    if told.no_site:
        advice = "Take -S out of the command, or make `import tracestitch.auto` the program's first line."
        return met(
            conditions.PYTHON_FLAG,
            f"{told.python} runs with -S, which skips all it does at its start.",
            advice=advice,
        )
    installed = told.packages.get("tracestitch", "")
    if told.hides_path:
        has = "has no tracestitch.pth" if installed else "has no tracestitch"
        text = f"{told.python} runs with -I or -E, which hide PYTHONPATH, and its environment {has}."
        advice = f"Install it there: {told.python} -m pip install tracestitch (or take -I or -E out)."
        return met(conditions.PYTHON_FLAG, text, advice=advice)
    why = printable(told.why) or "it did not start"
    has = f", which has tracestitch {installed}," if installed else ""
    text = f"{told.python}{has} cannot load the agent: {why}."
    return met(conditions.AGENT_CANNOT_LOAD, text, python=told.python)


def _of_launchers(found: Program, told: Interpreter, environ: Mapping[str, str]) -> Iterator[Finding]:
    names = [LAUNCHERS[launcher][0] for launcher in found.launchers]
    if "opentelemetry-instrument" in found.launchers:
        text = "`tracestitch run opentelemetry-instrument …` leaves the agent out: OpenTelemetry's sitecustomize runs no other."
        script = found.rest[0] if found.rest else ""
        python = [] if script.startswith("/") else [os.path.basename(found.interpreter[-1])]
        rest = " ".join([*python, *found.rest[:3]])
        yield met(conditions.LAUNCHER_ORDER, text, launcher="opentelemetry-instrument", rest=rest)
    names += [
        name
        for name in other_agents({**environ, **found.variables}, told.modules)
        if name not in names and not (name == "OpenTelemetry SDK" and "OpenTelemetry" in names)
    ]
    for name in names:
        yield met(conditions.OTHER_AGENT, f"{name} observes this command too.", agent=name)


def _uwsgi(found: Program) -> Iterator[Finding]:
    words = set(found.rest)
    try:
        said = subprocess.run(
            [found.rest[0], "--version"], capture_output=True, text=True, timeout=_PATIENCE_S, check=False
        ).stdout
    except (OSError, subprocess.TimeoutExpired):
        return
    version = [int(part) for part in said.split(".")[:3] if part.strip().isdecimal()]
    in_a_file = any(word.endswith((".ini", ".yaml", ".yml", ".xml", ".json")) for word in words)
    if (
        version
        and version < [2, 0, 27]
        and not in_a_file
        and not words & {"--enable-threads", "--threads", "-T"}
    ):
        text = f"uWSGI {said.strip()} runs no Python thread between two requests unless it is told."
        yield met(conditions.UWSGI_WITHOUT_THREADS, text)


def _reloads(words: Sequence[str]) -> bool:
    django = ("runserver" in words or "runserver_plus" in words) and "--noreload" not in words
    flask = "run" in words and "--debug" in words and "--no-reload" not in words
    return django or flask or "--reload" in words


def _works(told: Interpreter, found: Program) -> str:
    version = ".".join(str(part) for part in told.version)
    what = found.rest[0] if found.kind == "python" and found.rest else "the app"
    has = "tracestitch" in told.packages and not told.unusable
    beside = "beside it" if told.unusable else "beside it; nothing is installed in its environment"
    where = "in its environment" if has else beside
    shown = os.path.basename(what) if os.path.isabs(what) else what
    return f"{printable(shown, 60)} runs on {told.python} ({version}), and the agent starts in it, {where}."


def _starts_by_itself(found: Program, environ: Mapping[str, str], folder: str) -> bool:
    """Whether the agent comes with the environment as it is, without `tracestitch run`."""
    try:
        return ask(found, {**environ, **found.variables}, folder).active
    except CannotStart:
        return False
