"""A Python of a certain version with the agent and what its test apps need, for what this one cannot do."""

import os
import shutil
import subprocess
from collections.abc import Sequence
from importlib.metadata import version
from pathlib import Path

import pytest

from tests.support.agent import REPOSITORY


def newer_python(minor: str, packages: Sequence[str]) -> Path:
    """The interpreter of an environment that is made once and kept; where there is none, the test is skipped."""
    base = interpreter(minor)
    if base is None:
        pytest.skip(f"there is no Python {minor} here")
    pinned = [f"{name}=={version(name)}" for name in sorted({*packages, "opentelemetry-distro", "wrapt"})]
    folder = REPOSITORY / ".tools" / f"python{minor}"
    python, note = folder / "bin" / "python", folder / "installed.txt"
    if not note.is_file() or note.read_text() != "\n".join(pinned):
        shutil.rmtree(folder, ignore_errors=True)
        subprocess.run((base, "-m", "venv", folder), check=True, timeout=120)
        installed = subprocess.run(
            (python, "-m", "pip", "install", "--quiet", *pinned),
            capture_output=True,
            text=True,
            timeout=600,
            check=False,
        )
        if installed.returncode:
            pytest.skip(f"Python {minor} cannot be given its packages here: {installed.stderr[-300:]}")
        note.write_text("\n".join(pinned))
    return python


def interpreter(minor: str) -> str | None:
    """The first that runs: a version manager may have a name on PATH that only says what it lacks."""
    kept = Path.home() / ".pyenv" / "versions"
    candidates = [f"python{minor}", *map(str, sorted(kept.glob(f"{minor}.*/bin/python{minor}")))]
    for candidate in candidates:
        found = shutil.which(candidate)
        if (
            found
            and not subprocess.run((found, "-c", ""), capture_output=True, timeout=60, check=False).returncode
        ):
            return os.path.realpath(found) if "shims" not in found else found
    return None
