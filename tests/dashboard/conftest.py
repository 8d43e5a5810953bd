"""A client of the dashboard over the example shop, without a browser."""

from __future__ import annotations

from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support import example_shop
from tests.support.memory_store import MemoryStore
from tracestitch_collector.settings import Settings
from tracestitch_dashboard.app import create_app


@pytest.fixture
def store() -> MemoryStore:
    return example_shop.store()


@pytest.fixture
def settings(tmp_path: Path) -> Settings:
    return Settings(data=tmp_path)


@pytest.fixture
def client(store: MemoryStore, settings: Settings) -> TestClient:
    app = create_app(store, settings, lambda: example_shop.NOW_NS)
    return TestClient(app, base_url="http://localhost", follow_redirects=False)
