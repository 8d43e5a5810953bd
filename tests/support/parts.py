"""Real parts that a machine may lack: where one is missing its tests skip and say so in one line, in CI they fail."""

from __future__ import annotations

import os
import shutil
from typing import NoReturn

import pytest


def missing(what: str) -> NoReturn:
    """Ends the test: `what` says which part is missing and how to have it."""
    if os.environ.get("CI") == "true":
        pytest.fail(what, pytrace=False)
    pytest.skip(what)


def program(*names: str, package: str) -> str:
    """The path of the first of these programs; ends the test where there is none of them."""
    found = next((path for name in names if (path := shutil.which(name))), None)
    if found is None:
        missing(f"no {' or '.join(names)} on PATH: install Debian's {package}")
    return found
