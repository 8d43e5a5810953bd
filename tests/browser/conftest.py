"""A browser and the example shop's dashboard, for each file of tests: a browser that stays open would keep its event
loop running under tests that want one of their own."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support import example_shop
from tests.support.browser import chromium
from tests.support.dashboard import running
from tracestitch_collector.settings import Settings


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with chromium() as started:
        yield started


@pytest.fixture(scope="module")
def shop(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    """The address of a dashboard that shows the example shop."""
    folder: Path = tmp_path_factory.mktemp("shop")
    with running(example_shop.store(), Settings(data=folder), lambda: example_shop.NOW_NS) as address:
        yield address
