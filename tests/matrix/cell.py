"""One cell of the matrix: a way to run a user's app, in an environment of its own, and what must be true of it."""

import hashlib
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tests.matrix.readings import Readings
from tests.support.agent import REPOSITORY
from tests.support.newer_python import interpreter

_TOOLS = REPOSITORY / ".tools" / "matrix"
_AGENT = ("opentelemetry-distro", "wrapt")
_VERSIONS = """\
import importlib.metadata as m, json, re, sys
names = [re.split(r"[^A-Za-z0-9._-]", name, maxsplit=1)[0] for name in sys.argv[1:]]
print(json.dumps({"Python": sys.version.split()[0], **{name: m.version(name) for name in names}}))
"""


class NotInstallable(Exception):
    """An environment that cannot be had on this machine; the text says why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Environment:
    """A virtual environment with what the app needs and this repository's agent, made once and kept."""

    name: str
    python: str = "3.11"
    requirements: tuple[str, ...] = ()
    # False: the agent is not in this environment, but comes from beside it.
    with_agent: bool = True

    def build(self) -> Path:
        """Its interpreter."""
        if self == DEVELOPMENT:
            return Path(sys.executable)
        identity = json.dumps([self.python, self.requirements, self.with_agent])
        folder = _TOOLS / f"{self.name}-{hashlib.sha256(identity.encode()).hexdigest()[:8]}"
        if not (folder / "ready").is_file():
            shutil.rmtree(folder, ignore_errors=True)
            self._make(folder)
            (folder / "ready").touch()
        return folder / "bin" / "python"

    def _make(self, folder: Path) -> None:
        base = interpreter(self.python)
        if base is None:
            raise NotInstallable(f"there is no Python {self.python} on this machine")
        uv = str(Path(sys.executable).with_name("uv"))
        _install(uv, "venv", "--quiet", "--python", base, str(folder))
        python = folder / "bin" / "python"
        wanted = (*self.requirements, *(_AGENT if self.with_agent else ()))
        _install(uv, "pip", "install", "--quiet", "--compile-bytecode", "--python", str(python), *wanted)
        if self.with_agent:
            [packages] = (folder / "lib").glob("python*/site-packages")
            (packages / "tracestitch_agent.pth").write_text(f"{REPOSITORY / 'instrumentation'}\n")

    def versions(self) -> str:
        """Of Python and of each requirement, as the table shows them."""
        names = _PINNED if self == DEVELOPMENT else self.requirements
        command = [str(self.build()), "-c", _VERSIONS, *names]
        done = subprocess.run(command, capture_output=True, text=True, timeout=60, check=True)
        return ", ".join(f"{name} {version}" for name, version in json.loads(done.stdout).items())


def _install(*command: str) -> None:
    environ = {name: value for name, value in os.environ.items() if not name.startswith("PYTHON")}
    done = subprocess.run(command, capture_output=True, text=True, timeout=900, check=False, env=environ)
    if done.returncode:
        raise NotInstallable(" ".join(done.stderr.split())[-300:])


# This interpreter, with what requirements/dev.txt pins; of that, what the table shows.
_PINNED = ("django", "flask", "sqlalchemy", "gunicorn", "uvicorn", "celery", "redis")
DEVELOPMENT = Environment(name="development")


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where a cell runs: the environment's interpreter, a folder of its own, a name that tells its telemetry apart."""

    python: Path
    folder: Path
    service: str
    readings: Readings

    def environ(self, **more: str) -> dict[str, str]:
        """What the app is started with: its environment's programs first on PATH, and where the collector is."""
        path = os.pathsep.join([str(self.python.parent), os.environ.get("PATH", "")])
        foreign = ("OTEL_", "TRACESTITCH_", "DJANGO_", "FLASK_", "PYTHON")
        kept = {name: value for name, value in os.environ.items() if not name.startswith(foreign)}
        return {
            **kept,
            "PATH": path,
            "OTEL_EXPORTER_OTLP_ENDPOINT": self.readings.endpoint,
            "OTEL_SERVICE_NAME": self.service,
            **more,
        }

    def observed(self, *command: str) -> list[str]:
        """The command as a user starts it with the agent."""
        return [str(self.python), "-m", "tracestitch", "run", *command]


@dataclass(frozen=True, slots=True, kw_only=True)
class Cell:
    group: str
    name: str
    environment: Environment
    run: Callable[[Place], None]
    """Raises AssertionError where the cell is red."""
    quick: bool = False
    """Also part of `make test`; its environment is DEVELOPMENT."""
    why_red: str = ""
    """A plain sentence where the cell cannot be green; it is then expected to fail."""

    @property
    def id(self) -> str:
        return f"{self.group}: {self.name}"
