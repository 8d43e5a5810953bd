"""A bounded waiting line between the app's threads and the exporter's, without a lock."""

from collections import deque
from typing import Generic, TypeVar

T = TypeVar("T")


class BoundedQueue(Generic[T]):
    """Drops its oldest items, and counts them, when it holds too many or too much."""

    def __init__(self, max_items: int, max_bytes: int) -> None:
        self._items: deque[tuple[int, T]] = deque()
        self._max_items, self._max_bytes = max_items, max_bytes
        # Without a lock two threads may lose an update of this sum; it is right again whenever the queue is empty.
        self._bytes = 0
        self.dropped = 0

    def __len__(self) -> int:
        return len(self._items)

    def put(self, item: T, size: int) -> int:
        """How many are waiting now."""
        items = self._items
        items.append((size, item))
        self._bytes += size
        if len(items) > self._max_items or self._bytes > self._max_bytes:
            self._drop()
        return len(items)

    def _drop(self) -> None:
        while len(self._items) > self._max_items or self._bytes > self._max_bytes:
            try:
                self._bytes -= self._items.popleft()[0]
            except IndexError:
                self._bytes = 0
                return
            self.dropped += 1

    def take(self, count: int) -> list[T]:
        taken: list[T] = []
        size = 0
        try:
            while len(taken) < count:
                item_size, item = self._items.popleft()
                size += item_size
                taken.append(item)
        except IndexError:
            pass
        self._bytes = self._bytes - size if self._items else 0
        return taken
