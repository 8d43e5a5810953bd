"""The agent as users keep it apart from their app, and environments of apps that know nothing of it."""

import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.matrix.cell import Environment, NotInstallable
from tests.support.agent import REPOSITORY, environment


def build_wheel(folder: Path) -> Path:
    """The wheel of this tree, pure since that is quick."""
    command = [
        sys.executable,
        "-m",
        "build",
        "--wheel",
        "--no-isolation",
        "--outdir",
        str(folder),
        str(REPOSITORY),
    ]
    subprocess.run(command, check=True, capture_output=True, env={**os.environ, "TRACESTITCH_PURE": "1"})
    [wheel] = folder.glob("*.whl")
    return wheel


def install(wheel: Path, *options: str) -> None:
    uv = Path(sys.executable).with_name("uv")
    subprocess.run([uv, "pip", "install", "--quiet", *options, wheel], check=True, timeout=300)


def python_of(name: str, requirements: Sequence[str], python: str = "3.11") -> Path:
    """The interpreter of an app's environment without the agent."""
    app = Environment(name=name, python=python, requirements=tuple(requirements), with_agent=False)
    try:
        return app.build()
    except NotInstallable as why:
        pytest.skip(str(why))


def environ_of(python: Path, endpoint: str | None, **more: str) -> dict[str, str]:
    """What an app of that environment is started with."""
    environ = environment(endpoint, **more)
    environ["PATH"] = os.pathsep.join([str(python.parent), environ["PATH"]])
    return environ
