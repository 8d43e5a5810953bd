"""Jaeger from its Go module, built into a folder of the repository that git ignores: `go install` refuses a module with
replace directives, so a module of our own takes its go.mod and go.sum and builds the command from there.
"""

from __future__ import annotations

import shutil
import subprocess
from pathlib import Path

MODULE, VERSION = "github.com/jaegertracing/jaeger", "v1.76.0"
FOLDER = Path(__file__).resolve().parents[2] / ".tools" / "peers" / "jaeger"
JAEGER = FOLDER / "jaeger"


def missing() -> str:
    """Why there is no Jaeger to compare with, in one line; empty when there is."""
    if JAEGER.exists():
        return ""
    return f"Jaeger {VERSION} is not built: run `python -m tests.bench.peers build` (five minutes and a Go of 1.24 or newer)"


def build() -> str:
    """What is missing, in one line; empty when Jaeger is there now."""
    go = shutil.which("go")
    if go is None:
        return (
            f"there is no Go here to build Jaeger {VERSION} with: install Go 1.24 or newer and put it on PATH"
        )
    if JAEGER.exists():
        return ""
    FOLDER.mkdir(parents=True, exist_ok=True)
    try:
        source = Path(
            _said(go, "mod", "download", "-json", f"{MODULE}@{VERSION}")
            .partition('"Dir": "')[2]
            .partition('"')[0]
        )
        for name in ("go.mod", "go.sum"):
            shutil.copyfile(source / name, FOLDER / name)
        _said(go, "mod", "edit", "-module", "local/jaeger", "-require", f"{MODULE}@{VERSION}")
        _said(go, "build", "-mod=mod", "-o", str(JAEGER), f"{MODULE}/cmd/jaeger")
    except (subprocess.CalledProcessError, OSError) as error:
        words = getattr(error, "stderr", None) or str(error)
        return f"Jaeger {VERSION} could not be built: {' '.join(words.split())[-300:]}"
    return ""


def _said(*command: str) -> str:
    return subprocess.run(command, cwd=FOLDER, capture_output=True, text=True, check=True).stdout
