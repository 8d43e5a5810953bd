"""The ledger: what was sent and what was acknowledged, to be held against what is stored."""

from __future__ import annotations

import http.client
import random
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.otlp import otlp_span, trace_request
from tests.support.server import eventually
from tracestitch_collector.model import Trace
from tracestitch_collector.store.embedded.store import EmbeddedStore

SPANS_PER_REQUEST = 20


@dataclass(slots=True)
class Ledger:
    """One request is one trace."""

    sent: dict[str, frozenset[str]] = field(default_factory=dict)
    """Span ids by trace id."""
    acknowledged: set[str] = field(default_factory=set)

    def request(self, source: random.Random) -> tuple[str, bytes]:
        """A request nobody sent before, noted as sent."""
        trace_id = f"{source.getrandbits(128):032x}"
        ids = [f"{source.getrandbits(64) | 1:016x}" for _ in range(SPANS_PER_REQUEST)]
        now_ns = time.time_ns()
        spans = [
            otlp_span(trace_id=trace_id, span_id=span_id, start_ns=now_ns, attributes={"number": number})
            for number, span_id in enumerate(ids)
        ]
        self.sent[trace_id] = frozenset(ids)
        return trace_id, trace_request(*spans).SerializeToString()

    def faults(self, data: Path, seconds: float = 60) -> list[str]:
        """Waits until every acknowledged trace is stored; says which are not, or not as they were sent."""
        store = EmbeddedStore(data, write=False)
        try:
            expected = len(self.acknowledged)
            eventually(lambda: len(_stored(store, self.acknowledged)) == expected, seconds)
        except AssertionError:
            pass
        found = {trace.trace_id: trace for trace in _stored(store, set(self.sent))}
        store.close()
        lost = [f"{trace_id} was acknowledged and is lost" for trace_id in self.acknowledged - found.keys()]
        return lost + [
            f"{trace_id} has other spans than were sent"
            for trace_id, trace in found.items()
            if [span.copies for span in trace.spans] != [1] * SPANS_PER_REQUEST
            or {span.span_id for span in trace.spans} != self.sent[trace_id]
        ]


def _stored(store: EmbeddedStore, trace_ids: set[str]) -> tuple[Trace, ...]:
    return store.traces(sorted(trace_ids))


class Sender:
    """Sends request after request, each until it is acknowledged, as a patient SDK would."""

    def __init__(self, address: Callable[[], str], ledger: Ledger, pause_s: float = 0.01) -> None:
        self._address = address
        self._ledger = ledger
        self._pause_s = pause_s
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
        source = random.Random(7)
        while not self._stop.wait(self._pause_s):
            trace_id, body = self._ledger.request(source)
            end = time.monotonic() + 50
            while not (acknowledged := self._is_acknowledged(body)) and time.monotonic() < end:
                time.sleep(0.05)
            if acknowledged:
                self._ledger.acknowledged.add(trace_id)

    def _is_acknowledged(self, body: bytes) -> bool:
        connection = http.client.HTTPConnection(urlsplit(self._address()).netloc, timeout=5)
        try:
            connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
            return connection.getresponse().status == 200
        except (OSError, http.client.HTTPException):
            return False
        finally:
            connection.close()
