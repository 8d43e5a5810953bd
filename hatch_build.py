"""Compiles the hot modules of the collector into the wheel with mypyc. Where there is no C compiler (or mypy, or
TRACESTITCH_PURE=1 is set) the wheel is pure Python and does the same, several times slower. Never in an editable
install: what was compiled would hide later edits.
"""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from pathlib import Path
from typing import Any

try:
    from hatchling.builders.hooks.plugin.interface import BuildHookInterface
except ImportError:  # run by hand, to compile
    BuildHookInterface = object  # type: ignore[assignment,misc]  # only its name is needed then

SOURCE = "collector"
HOT = (
    "tracestitch_collector/decode/attributes.py",
    "tracestitch_collector/decode/values.py",
    "tracestitch_collector/decode/wire.py",
    "tracestitch_collector/receive/wire.py",
)


class CustomBuildHook(BuildHookInterface):  # type: ignore[type-arg]  # generic over a configuration we have none of
    def dependencies(self) -> list[str]:
        return ["mypy>=1.14", "setuptools>=65"] if _may_compile() else []

    def initialize(self, version: str, build_data: dict[str, Any]) -> None:
        if version == "editable" or not _may_compile():
            return
        self._folder = Path(tempfile.mkdtemp(prefix="tracestitch-build-"))
        shutil.copytree(Path(self.root, SOURCE), self._folder, dirs_exist_ok=True)
        done = subprocess.run([sys.executable, __file__], cwd=self._folder, capture_output=True, text=True)
        if done.returncode:
            last = (done.stderr.strip() or done.stdout.strip()).splitlines()[-1:]
            self.app.display_warning(f"the wheel is pure Python, its hot modules did not compile: {last}")
            return
        compiled = {str(path): str(path.relative_to(self._folder)) for path in self._folder.rglob("*.so")}
        build_data["force_include"].update(compiled)
        build_data.update(pure_python=False, infer_tag=True)

    def finalize(self, *_: object) -> None:
        shutil.rmtree(getattr(self, "_folder", ""), ignore_errors=True)


def _may_compile() -> bool:
    return os.environ.get("TRACESTITCH_PURE") != "1" and any(map(shutil.which, ("cc", "gcc", "clang")))


def compile_here() -> None:
    """Leaves the compiled modules beside their sources in the current folder."""
    from mypyc.build import mypycify
    from setuptools import setup  # type: ignore[import-untyped]  # it ships no types

    os.environ["MYPYPATH"] = "."
    # Libraries need not be installed where a wheel is built: what comes from them is Any then.
    checks = ["--ignore-missing-imports", "--follow-imports=silent", "--no-warn-unused-ignores"]
    modules = mypycify([*checks, *HOT], opt_level="2", debug_level="0")
    setup(name="tracestitch-hot", ext_modules=modules, script_args=["-q", "build_ext", "--inplace"])
    shutil.rmtree("build")


if __name__ == "__main__":
    compile_here()
