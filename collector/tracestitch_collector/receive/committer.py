"""Group commit: one thread writes to the log and syncs it, for all the requests that wait at that moment."""

from __future__ import annotations

import threading
from collections.abc import Callable, Sequence
from concurrent.futures import Future, InvalidStateError

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.log import PendingRecord

MAX_GROUP_BYTES = 16 * 1024 * 1024
MAX_WAITING_BYTES = 256 * 1024 * 1024


class Committer:
    """Takes records from any thread and makes them durable in groups."""

    def __init__(self, append: Callable[[Sequence[PendingRecord]], object]) -> None:
        self._append = append
        self._waiting: list[tuple[PendingRecord, Future[None]]] = []
        self._waiting_bytes = 0
        self._closed = False
        self._changed = threading.Condition()
        self._thread = threading.Thread(target=self._run, name="commit", daemon=True)
        self._thread.start()

    def submit(self, record: PendingRecord) -> Future[None]:
        """A future that is done once the record is durable, and fails with Unavailable when it cannot be."""
        future: Future[None] = Future()
        with self._changed:
            if self._closed:
                raise Unavailable("the server is stopping; try again in a moment")
            if self._waiting_bytes + len(record.body) > MAX_WAITING_BYTES:
                raise Unavailable("too much is waiting to be written; try again in a moment")
            self._waiting.append((record, future))
            self._waiting_bytes += len(record.body)
            self._changed.notify()
        return future

    def close(self) -> None:
        """Writes what waits, then ends."""
        with self._changed:
            self._closed = True
            self._changed.notify()
        self._thread.join()

    def _run(self) -> None:
        while group := self._next_group():
            error: Exception | None = None
            try:
                self._append([record for record, _ in group])
            except Exception as raised:  # this thread must outlive whatever happens to one group
                error = raised
            for _, future in group:
                _settle(future, error)

    def _next_group(self) -> list[tuple[PendingRecord, Future[None]]]:
        """What waits, up to MAX_GROUP_BYTES and at least one; empty when closed and done."""
        with self._changed:
            self._changed.wait_for(lambda: self._waiting or self._closed)
            size = count = 0
            for record, _ in self._waiting:
                if count and size + len(record.body) > MAX_GROUP_BYTES:
                    break
                size += len(record.body)
                count += 1
            group, self._waiting = self._waiting[:count], self._waiting[count:]
            self._waiting_bytes -= size
        return group


def _settle(future: Future[None], error: Exception | None) -> None:
    try:
        if error is None:
            future.set_result(None)
        else:
            future.set_exception(error)
    except InvalidStateError:  # whoever asked has gone
        return
