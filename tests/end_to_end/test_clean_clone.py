"""A clean clone in an empty home: the README's first command does all the set-up and ends well."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.support.module_table import ROOT

pytestmark = pytest.mark.processes

OWN = ("PYTHONPATH", "VIRTUAL_ENV", "MAKEFLAGS", "MAKELEVEL", "MFLAGS")
"""What this test run put into the environment and a newcomer has not."""


def test_make_demo_in_a_clean_clone_verifies_one_round(tmp_path: Path) -> None:
    clone, home = tmp_path / "clone", tmp_path / "home"
    home.mkdir()
    subprocess.run(["git", "clone", "-q", str(ROOT), str(clone)], check=True)
    environment = {name: value for name, value in os.environ.items() if name not in OWN}
    made = subprocess.run(
        ["make", "demo", "ONCE=1", "PORTS=0", f"PYTHON={sys.base_prefix}/bin/python3"],
        cwd=clone,
        env={**environment, "HOME": str(home)},
        capture_output=True,
        text=True,
        timeout=900,
    )
    assert made.returncode == 0, made.stdout[-4000:] + made.stderr[-4000:]
    assert "✓ no finding that is not seeded" in made.stdout
    assert "✗" not in made.stdout
    status = subprocess.run(
        ["git", "status", "--porcelain"], cwd=clone, capture_output=True, text=True, check=True
    )
    assert status.stdout == "", "the demo leaves nothing in the work tree that git would see"
