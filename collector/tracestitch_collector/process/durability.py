"""When what was written becomes durable, and that nobody waits for it: a sync runs in a thread of its own while
the next batches go on, one sync at a time.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.process.intake import Intake
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.store.store import Offsets, Sink

logger = logging.getLogger(__name__)

ROWS = 65_536
BYTES = 64 * 1024 * 1024
AGE_S = 30.0
"""A sync begins after so many rows or inflated bytes, or when something is so old."""
TOO_MANY = 2.5
"""So many times that must wait: memory and hot files are bounded even where the disk is slow or full."""
RETRY_S = 1.0


class Durability:
    def __init__(
        self,
        *,
        store: Sink,
        intake: Intake,
        tally: Tally,
        trimmable: Callable[[Offsets], Offsets] | None = None,
        checkpoint: Callable[[], Callable[[], None]] | None = None,
    ) -> None:
        """`trimmable` says how much of the logs may go once the store has so much. `checkpoint` is asked between
        batches; what it returns keeps the state of that moment."""
        self._store = store
        self._intake = intake
        self._tally = tally
        self._trimmable = trimmable or (lambda covered: covered)
        self._checkpoint = checkpoint or (lambda: lambda: None)
        self._thread = ThreadPoolExecutor(1, thread_name_prefix="sync")
        self._running: Future[None] | None = None
        self._rows = self._bytes = 0
        """Written since the last sync began; those of one that runs or failed are counted apart."""
        self._pending_rows = self._pending_bytes = 0
        self._next_s = 0.0
        self._began_s = time.monotonic()
        self._failing = False

    def note(self, rows: int, size: int) -> None:
        """So much was written."""
        self._rows += rows
        self._bytes += size

    def attend(self, now_ns: int, stop: threading.Event) -> None:
        """To be called between batches: sees to the sync that runs and begins one that is due. Waits only while
        too much is not durable, and then until told to stop."""
        self._collect(now_ns)
        if self._running is None and self._is_due():
            self._begin()
        while self._is_too_much() and not stop.is_set():
            if self._running is None:
                stop.wait(RETRY_S / 10)
                if time.monotonic() >= self._next_s:
                    self._begin()
            else:
                self._wait(stop)
            self._collect(now_ns)

    def finish(self, now_ns: int) -> None:
        """Makes the rest durable before the process ends."""
        if self._running is not None:
            self._running.exception()
            self._collect(now_ns)
        self._begin()
        assert self._running is not None
        self._running.exception()
        self._collect(now_ns)

    def _is_due(self) -> bool:
        now_s = time.monotonic()
        if now_s < self._next_s:
            return False
        rows, size = self._rows + self._pending_rows, self._bytes + self._pending_bytes
        return rows >= ROWS or size >= BYTES or now_s - self._began_s >= AGE_S

    def _is_too_much(self) -> bool:
        return (
            self._rows + self._pending_rows >= TOO_MANY * ROWS
            or self._bytes + self._pending_bytes >= TOO_MANY * BYTES
        )

    def _begin(self) -> None:
        self._began_s = time.monotonic()
        self._pending_rows += self._rows
        self._pending_bytes += self._bytes
        self._rows = self._bytes = 0
        self._running = self._thread.submit(self._make_durable, self._store.begin_sync(), self._checkpoint())

    def _make_durable(self, work: Callable[[], Offsets], keep: Callable[[], None]) -> None:
        self._intake.make_durable()
        keep()
        self._intake.trim(self._trimmable(work()))

    def _wait(self, stop: threading.Event) -> None:
        while self._running is not None and not self._running.done() and not stop.is_set():
            stop.wait(0.01)

    def _collect(self, now_ns: int) -> None:
        if self._running is None or not self._running.done():
            return
        ended, self._running = self._running, None
        try:
            ended.result()
        except (Unavailable, OSError) as error:
            self._next_s = time.monotonic() + RETRY_S
            self._tally.problem("sync", f"what was received cannot be made durable in the store: {error}")
            if not self._failing:  # once per change: an outage must not fill the terminal
                logger.warning("a sync failed; trying until it works: %s", error)
            self._failing = True
            return
        if self._failing:
            logger.warning("syncs work again")
        self._failing = False
        self._tally.problem("sync", "")
        self._pending_rows = self._pending_bytes = 0
        self._intake.forget(now_ns)
