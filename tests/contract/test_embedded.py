"""The embedded store keeps the contract."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.store_contract import OpenStore, StoreContract
from tests.support.telemetry import BASE_NS, SECOND
from tracestitch_collector.store.embedded.store import EmbeddedStore


class TestEmbeddedStore(StoreContract):
    @pytest.fixture
    def open_store(self, tmp_path: Path) -> OpenStore:
        def open_again(*, write: bool) -> EmbeddedStore:
            return EmbeddedStore(tmp_path, write=write, clock=lambda: BASE_NS + 60 * SECOND)

        return open_again
