"""Elasticsearch keeps the contract of `Store`, on a real server."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.contract.store_contract import OpenStore, StoreContract
from tests.support.elasticsearch import elasticsearch_url, fresh_settings, make_visible
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore
from tracestitch_collector.store.store import Batch, Store

__all__ = ["elasticsearch_url"]


@pytest.mark.server
class TestElasticsearchStore(StoreContract):
    @pytest.fixture
    def settings(self, elasticsearch_url: str, tmp_path: Path) -> ElasticsearchSettings:
        return fresh_settings(elasticsearch_url, tmp_path)

    @pytest.fixture
    def open_store(self, settings: ElasticsearchSettings) -> OpenStore:
        def open_store(*, write: bool) -> Store:
            return ElasticsearchStore.open(settings, write=write)

        return open_store

    @pytest.fixture(autouse=True)
    def _visible(self, settings: ElasticsearchSettings) -> None:
        self.used = settings

    def write(self, store: Store, *batches: Batch) -> None:
        """Does not wait for the second that a batch may take to be seen; another test does."""
        for item in batches:
            assert store.write(item) == ()
        make_visible(self.used)
