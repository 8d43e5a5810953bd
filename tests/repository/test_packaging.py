"""What is published: the lock files and the wheel."""

from __future__ import annotations

import re
import tomllib

import pytest

from tests.support.module_table import ROOT

LOCKS = sorted((ROOT / "requirements").glob("*.txt"))


@pytest.mark.parametrize("lock", LOCKS, ids=lambda lock: lock.name)
def test_a_lock_pins_and_hashes_everything_and_records_no_address(lock: object) -> None:
    text = ROOT.joinpath("requirements", getattr(lock, "name", "")).read_text()
    entries = re.split(r"\n(?=[a-z0-9])", text, flags=re.IGNORECASE)
    pinned = [entry for entry in entries if re.match(r"[a-z0-9]", entry, re.IGNORECASE)]
    assert pinned
    for entry in pinned:
        assert re.match(r"\S+==\S+", entry), entry.splitlines()[0]
        assert "--hash=sha256:" in entry, entry.splitlines()[0]
    assert "://" not in text
    assert "index-url" not in text


def test_an_app_installs_only_what_the_agent_needs() -> None:
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    names = {re.split(r"[<>=\[]", requirement)[0] for requirement in project["dependencies"]}
    assert names == {"opentelemetry-api", "opentelemetry-distro", "wrapt"}
