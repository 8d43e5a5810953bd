"""What every part of the store's contract starts from: a store that writes, and another process's view of it."""

from __future__ import annotations

import time
from collections.abc import Iterator
from typing import Protocol

import pytest

from tracestitch_collector.store.store import (
    Batch,
    Store,
)


class OpenStore(Protocol):
    """Opens the one home of the test again, for writing or only for reading."""

    def __call__(self, *, write: bool) -> Store: ...


class StoreHome:
    """Subclasses give it an `open_store` fixture."""

    visible_after_seconds = 0.0
    """How long the store may take until a batch is seen; at most a second."""

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[Store]:
        store = open_store(write=True)
        yield store
        store.close()

    @pytest.fixture
    def reader(self, store: Store, open_store: OpenStore) -> Iterator[Store]:
        """Another process's view of the same home."""
        reader = open_store(write=False)
        yield reader
        reader.close()

    def write(self, store: Store, *batches: Batch) -> None:
        for item in batches:
            assert store.write(item) == ()
        time.sleep(self.visible_after_seconds)
