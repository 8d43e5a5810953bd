"""The agent as users keep it apart from their app, built once for all tests."""

import sys
from pathlib import Path

import pytest

from tests.support.apart import build_wheel, install


@pytest.fixture(scope="session")
def home(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """`pip install --target`, as it is mounted into a container."""
    folder = tmp_path_factory.mktemp("home") / "tracestitch"
    install(
        build_wheel(tmp_path_factory.mktemp("wheel")), "--target", str(folder), "--python", sys.executable
    )
    return folder
