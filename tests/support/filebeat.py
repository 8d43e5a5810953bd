"""A real Filebeat, built from its Go module into `.tools/peers/`: `python -m tests.support.filebeat` builds it (five minutes,
once). Its tests are not part of `make test`.
"""

from __future__ import annotations

import contextlib
import json
import os
import re
import shutil
import subprocess
import sys
from collections.abc import Iterator, Mapping
from pathlib import Path

MODULE, VERSION = "github.com/elastic/beats/v7", "v7.17.28"
ROOT = Path(__file__).parents[2]
HOME = ROOT / ".tools" / "peers" / "filebeat"
PROGRAM = HOME / "filebeat"
CONFIGURATION = ROOT / "stack" / "filebeat" / "filebeat.yml"


def build() -> str:
    """What is missing, in one line; empty when Filebeat is there."""
    go = shutil.which("go")
    if PROGRAM.exists():
        return ""
    if go is None:
        return f"there is no Go here to build Filebeat {VERSION} with: install Go 1.24 or newer"
    HOME.mkdir(parents=True, exist_ok=True)
    try:
        source = Path(json.loads(_said(go, "mod", "download", "-json", f"{MODULE}@{VERSION}"))["Dir"])
        text = (source / "go.mod").read_text(encoding="utf-8")
        # Replacements by folders of its own repository are none here.
        text = re.sub(r"^\s*\S+(?: \S+)? => \.\.?/.*$", "", text, flags=re.MULTILINE)
        (HOME / "go.mod").write_text(text, encoding="utf-8")
        shutil.copyfile(source / "go.sum", HOME / "go.sum")
        _said(go, "mod", "edit", "-module", "local/filebeat", "-require", f"{MODULE}@{VERSION}")
        _said(go, "build", "-mod=mod", "-o", str(PROGRAM), f"{MODULE}/filebeat")
    except (subprocess.CalledProcessError, OSError) as error:
        words = getattr(error, "stderr", None) or str(error)
        return f"Filebeat {VERSION} could not be built: {' '.join(words.split())[-300:]}"
    return ""


def _said(*command: str) -> str:
    return subprocess.run(command, cwd=HOME, capture_output=True, text=True, check=True).stdout


@contextlib.contextmanager
def shipping(folder: Path, variables: Mapping[str, str]) -> Iterator[subprocess.Popen[bytes]]:
    """Filebeat with the configuration that users get, its state in the folder."""
    configuration = folder / "filebeat.yml"
    shutil.copyfile(CONFIGURATION, configuration)
    configuration.chmod(0o600)
    paths = [f"--path.{name}={folder / name}" for name in ("data", "logs", "home")]
    with (folder / "output").open("ab") as output:
        process = subprocess.Popen(
            [str(PROGRAM), "-e", "--strict.perms=false", "-c", str(configuration), *paths],
            env={**os.environ, **variables},
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        process.wait(timeout=30)


if __name__ == "__main__":
    sys.exit(build())
