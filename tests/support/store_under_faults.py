"""A pipeline and its embedded store in small: requests out of a log that forgets nothing, into a store whose writing
may fail or end anywhere, and what must then be found in it.
"""

from __future__ import annotations

import errno
import random
from collections import Counter
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path

from tests.support.failing_files import Crash, FailingFiles
from tests.support.telemetry import BASE_NS, SECOND, batch, finding, log, span
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.embedded.store import EmbeddedStore

RETENTION_NS = 7 * 86_400 * SECOND
ANY_ERROR = (errno.EIO, errno.ENOSPC)


class Clock:
    def __init__(self) -> None:
        self.now_ns = self.latest_ns = BASE_NS

    def __call__(self) -> int:
        return self.now_ns

    def go(self, ns: int) -> None:
        self.now_ns += ns
        self.latest_ns = max(self.latest_ns, self.now_ns)


@dataclass(frozen=True, slots=True)
class Request:
    """One span and one log record, named by the number."""

    number: int
    received_ns: int

    @property
    def trace_id(self) -> str:
        return f"{self.number + 1:032x}"


class StoreUnderFaults:
    def __init__(self, folder: Path, clock: Clock, files: FailingFiles | None = None) -> None:
        self.folder = folder
        self.clock = clock
        self.log: list[Request] = []
        self.position = 0
        self.files = files or FailingFiles()
        self.store: EmbeddedStore | None = None
        self.reader = EmbeddedStore(folder, write=False)
        self.open()

    def open(self) -> None:
        """A new process: it goes on where the store says."""
        try:
            self.store = EmbeddedStore(
                self.folder, write=True, clock=self.clock, retention_ns=RETENTION_NS, files=self.files
            )
            self.position = self.store.covered().get("receiver", 0)
        except (Crash, Unavailable):
            self.store = None

    def receive(self) -> None:
        self.log.append(Request(len(self.log), self.clock()))

    def receive_again(self, index: int) -> None:
        self.log.append(self.log[index])

    def write(self) -> None:
        """The next request of the log, if there is one; not at all when the disk fails."""
        if self.store is None or self.position == len(self.log):
            return
        request, position = self.log[self.position], self.position
        item = span(
            trace_id=request.trace_id,
            start_ns=BASE_NS + request.number,
            received_ns=request.received_ns,
            attributes={f"key.{request.number % 3}": request.number},
        )
        record = log(trace_id=request.trace_id, body=f"{request.number}", received_ns=request.received_ns)
        found = finding(fingerprint=f"{request.number % 4:016x}", last_seen_ns=request.received_ns)
        try:
            self.store.write(
                batch(
                    [item], [record], [found], request=str(request.number), start=position, end=position + 1
                )
            )
            self.position += 1
        except Unavailable:
            pass
        except Crash:
            self.end()

    def sync(self) -> bool:
        try:
            if self.store is not None:
                self.store.sync()
                return True
        except Unavailable:
            pass
        except Crash:
            self.end()
        return False

    def end(self) -> None:
        """As kill -9 does."""
        self.files.crash()
        if self.store is not None:
            self.store.close()
        self.store = None

    def restart(self, power_cut: random.Random | None = None) -> None:
        self.end()
        if power_cut is not None:
            self.files.power_cut(power_cut)
        self.files = FailingFiles()
        self.open()

    def recover(self) -> None:
        """The disk is sound again: everything that was ever logged becomes durable."""
        self.files.faults = []
        if self.store is None:
            self.restart()
        while self.position < len(self.log):
            self.write()
        assert self.sync()

    def close(self) -> None:
        self.end()
        self.reader.close()

    def check(self) -> None:
        """Each request that the store was given is there once, with what it held; nothing else is, but perhaps the
        one whose writing failed."""
        if self.store is None:
            return
        given = {request.number for request in self.log[: self.position]}
        under_way = {request.number for request in self.log[self.position : self.position + 1]}
        old = {
            request.number
            for request in self.log
            if request.received_ns + RETENTION_NS <= self.clock.latest_ns
        }
        found = self._found({request.trace_id for request in self.log})
        assert set(found.values()) <= {1}, f"more than once: {found}"
        assert given - old <= found.keys() <= given | under_way, f"{sorted(found)} of {sorted(given)}"

    def _found(self, trace_ids: Collection[str]) -> Counter[int]:
        found: Counter[int] = Counter()
        for trace in self.reader.traces(sorted(trace_ids)):
            number = int(trace.trace_id, 16) - 1
            for item in trace.spans:
                assert item.attributes == {f"key.{number % 3}": number}
                found[number] += item.copies
            assert [record.body for record in trace.logs] == [str(number)] * len(trace.spans)
        return found
