"""What one of the real apps is: where it comes from, how it is set up once and served, and how a visitor walks it."""

import os
import subprocess
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.agent import REPOSITORY, environment
from tests.support.newer_python import interpreter

TOOLS = REPOSITORY / ".tools" / "real-apps"
UV = REPOSITORY / ".venv" / "bin" / "uv"


@dataclass(frozen=True, slots=True, kw_only=True)
class RealApp:
    name: str
    title: str
    # What is installed from the package index; of an app that is not there, its requirements.
    packages: tuple[str, ...] = ()
    # "owner/name" of an app that is not on the package index: its clone lies in .tools/real-apps/sources/NAME.
    repository: str = ""
    # Its file of requirements, within the clone.
    requirements: str = ""
    python: str = "3.11"
    # {port} and {data} stand for the port and the folder of the app's data, {source} for its clone.
    command: tuple[str, ...]
    environ: Mapping[str, str] = field(default_factory=dict)
    files: Mapping[str, str] = field(default_factory=dict)
    # Run once, before the app is served: migrations, a user, data.
    setup: tuple[tuple[str, ...], ...] = ()
    sign_in: tuple[str, str, str] | None = None
    starts: tuple[str, ...] = ("/",)
    limit: int = 60

    @property
    def source(self) -> Path:
        return TOOLS / "sources" / self.name

    @property
    def venv(self) -> Path:
        return TOOLS / "environments" / self.name

    def filled(self, words: Sequence[str], data: Path, port: int = 0) -> list[str]:
        return [self._filled(word, data, port) for word in words]

    def environment(self, endpoint: str | None, data: Path, **more: str) -> dict[str, str]:
        own = {name: self._filled(value, data, 0) for name, value in self.environ.items()}
        folders = [own.pop("PYTHONPATH", ""), more.pop("PYTHONPATH", "")]
        more["PYTHONPATH"] = os.pathsep.join(folder for folder in folders if folder)
        # The order of sets is part of what some apps answer.
        base = environment(endpoint, **own, **more, PYTHONHASHSEED="0")
        base["PATH"] = os.pathsep.join([str(self.venv / "bin"), base["PATH"]])
        return base

    def _filled(self, word: str, data: Path, port: int) -> str:
        for name, value in (("{data}", data), ("{port}", port), ("{source}", self.source)):
            word = word.replace(name, str(value))
        return word


def install(app: RealApp) -> None:
    """An environment of the app's own, made once: the agent is not in it."""
    if (app.venv / ".ready").exists():
        return
    wanted = list(app.packages)
    if app.requirements:
        lines = (app.source / app.requirements).read_text().splitlines()
        plain = TOOLS / f"{app.name}.txt"
        plain.write_text("\n".join(line for line in lines if not line.startswith("-i")))
        wanted += ["-r", str(plain)]
    base = interpreter(app.python)
    if base is None:
        pytest.skip(f"there is no Python {app.python} here")
    subprocess.run([UV, "venv", "-q", "--clear", "-p", base, app.venv], check=True)
    subprocess.run([UV, "pip", "install", "-q", "-p", app.venv / "bin" / "python", *wanted], check=True)
    (app.venv / ".ready").touch()


def prepare(app: RealApp, data: Path) -> None:
    """The app's data as they are before it is served: written by the app's own commands."""
    data.mkdir(parents=True)
    for name, text in app.files.items():
        (data / name).write_text(app.filled([text], data)[0])
    for step in app.setup:
        done = subprocess.run(
            app.filled(step, data),
            cwd=app.source if app.repository else data,
            env=app.environment(None, data),
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"{app.name}: {step} ended with {done.returncode}: {done.stderr[-2000:]}"
