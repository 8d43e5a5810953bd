"""The ledger: what was sent and what was acknowledged, to be held against what is stored."""

from __future__ import annotations

import http.client
import os
import random
import threading
import time
from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.otlp import otlp_span, trace_request
from tests.support.server import eventually
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.model import Trace
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import Store

SPANS_PER_REQUEST = 20


@dataclass(slots=True)
class Ledger:
    """One request is one trace."""

    path: Path | None = None
    """Where each entry is written and synced before anything follows from it."""
    sent: dict[str, tuple[str, ...]] = field(default_factory=dict)
    """Span ids by trace id, in their order."""
    acknowledged: set[str] = field(default_factory=set)
    refused: int = 0
    """Answers that were errors. Requests that got none count neither way."""

    def acknowledge(self, trace_id: str) -> None:
        self._note("acknowledged", trace_id)
        self.acknowledged.add(trace_id)

    def refuse(self, trace_id: str) -> None:
        self._note("refused", trace_id)
        self.refused += 1

    def _note(self, what: str, trace_id: str, ids: Iterable[str] = ()) -> None:
        if self.path is None:
            return
        with self.path.open("a", buffering=1) as file:
            file.write(" ".join((what, trace_id, *ids)) + "\n")
            os.fdatasync(file.fileno())

    def request(self, source: random.Random) -> tuple[str, bytes]:
        """A request nobody sent before, noted as sent."""
        trace_id = f"{source.getrandbits(128):032x}"
        ids = [f"{source.getrandbits(64) | 1:016x}" for _ in range(SPANS_PER_REQUEST)]
        now_ns = time.time_ns()
        spans = [
            otlp_span(trace_id=trace_id, span_id=span_id, start_ns=now_ns, attributes={"number": number})
            for number, span_id in enumerate(ids)
        ]
        self._note("sent", trace_id, ids)
        self.sent[trace_id] = tuple(ids)
        return trace_id, trace_request(*spans).SerializeToString()

    def faults(self, data: Path, seconds: float = 60) -> list[str]:
        """Waits until every acknowledged trace is stored; says which are not, or not as they were sent."""
        store = EmbeddedStore(data, write=False)
        try:
            return self.faults_in(store, seconds)
        finally:
            store.close()

    def faults_in(self, store: Store, seconds: float = 60) -> list[str]:
        """A part of a request may be seen a moment before the rest."""
        found: list[str] = []

        def is_sound() -> bool:
            found[:] = self._faults_now(store)
            return not found

        with suppress(AssertionError):
            eventually(is_sound, seconds)
        return found

    def _faults_now(self, store: Store) -> list[str]:
        try:
            traces = store.traces(sorted(self.sent))
        except Unavailable as error:
            return [f"the store is away: {error}"]
        if any(trace.partial for trace in traces):
            return ["the store shows a part only"]
        found = {trace.trace_id: trace for trace in traces}
        lost = [f"{trace_id} was acknowledged and is lost" for trace_id in self.acknowledged - found.keys()]
        return lost + [
            f"{trace_id} has other spans than were sent: {told}"
            for trace_id, trace in found.items()
            if (told := _difference(trace, self.sent[trace_id]))
        ]


def _difference(trace: Trace, sent: tuple[str, ...]) -> str:
    expected = {(span_id, 1, ("number", number)) for number, span_id in enumerate(sent)}
    found = {(span.span_id, span.copies, *span.attributes.items()) for span in trace.spans}
    if found == expected and len(trace.spans) == SPANS_PER_REQUEST:
        return ""
    odd = sorted(map(str, found - expected))[:2]
    return f"{len(trace.spans)} spans; not as sent {odd}; missing {sorted(map(str, expected - found))[:2]}"


class Sender:
    """Sends request after request, each until it is acknowledged, as a patient SDK would."""

    def __init__(
        self, address: Callable[[], str], ledger: Ledger, pause_s: float = 0.01, seed: int = 7
    ) -> None:
        """The same seed makes the same ids: two tests that share a store need two."""
        self._address = address
        self._ledger = ledger
        self._pause_s = pause_s
        self._seed = seed
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._run, name="sender")

    def __enter__(self) -> Sender:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """The request under way is sent to its end: it may be in the log already."""
        self._stop.set()
        self._thread.join(timeout=60)

    def _run(self) -> None:
        source = random.Random(self._seed)
        while not self._stop.wait(self._pause_s):
            trace_id, body = self._ledger.request(source)
            end = time.monotonic() + 50
            while (status := self._answer(body)) != 200 and time.monotonic() < end:
                if status:
                    self._ledger.refuse(trace_id)
                time.sleep(0.05)
            if status == 200:
                self._ledger.acknowledge(trace_id)

    def _answer(self, body: bytes) -> int:
        """Its status, 0 where there is none."""
        connection = http.client.HTTPConnection(urlsplit(self._address()).netloc, timeout=5)
        try:
            connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
            return connection.getresponse().status
        except (OSError, http.client.HTTPException):
            return 0
        finally:
            connection.close()
