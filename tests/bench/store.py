"""How fast the embedded store answers: fills one without the network, then asks each question a page asks.

Run as `python -m tests.bench.store [--spans 1000000]`; prints milliseconds (best of three) and the reader's memory.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

from tests.bench.memory import family_rss
from tests.bench.spans import SPANS_PER_REQUEST, Requests
from tracestitch_collector.columns import FINDINGS
from tracestitch_collector.decode.decoder import Decoder, Request
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import AttributeFilter, Batch, Store, TraceQuery, Window

REQUESTS_PER_BATCH = 20
SYNC_SPANS = 65_536


def fill(data: Path, spans: int) -> float:
    """Writes so many spans; returns spans per second from bytes to durable segments."""
    store, decoder, requests = EmbeddedStore(data, write=True), Decoder(), Requests()
    written = unsynced = position = 0
    begin = time.perf_counter()
    while written < spans:
        bodies = [requests.body(time.time_ns())[0] for _ in range(REQUESTS_PER_BATCH)]
        batch = [
            Request(
                body=body,
                digest=hashlib.blake2b(body, digest_size=16).digest(),
                received_ns=time.time_ns(),
            )
            for body in bodies
        ]
        store.write(
            Batch(
                spans=decoder.spans(batch).table,
                logs=decoder.logs([]).table,
                findings=FINDINGS.empty_table(),
                start={"bench": position},
                end={"bench": position + 1},
                digests=tuple(request.digest for request in batch),
            )
        )
        position += 1
        written += REQUESTS_PER_BATCH * SPANS_PER_REQUEST
        unsynced += REQUESTS_PER_BATCH * SPANS_PER_REQUEST
        if unsynced >= SYNC_SPANS:
            store.sync()
            unsynced = 0
    store.sync()
    store.close()
    return written / (time.perf_counter() - begin)


def questions(store: Store, window: Window) -> dict[str, Callable[[], object]]:
    traces = store.search(TraceQuery(window=window)).traces
    path = (AttributeFilter(key="url.path", operator="=", value="/stock/77"),)
    return {
        "search, newest": lambda: store.search(TraceQuery(window=window)),
        "search, service and error": lambda: store.search(
            TraceQuery(window=window, service="service-1", error=True)
        ),
        "search, attribute": lambda: store.search(TraceQuery(window=window, attributes=path)),
        "search, text": lambda: store.search(TraceQuery(window=window, text="stock/123")),
        "search, slowest": lambda: store.search(TraceQuery(window=window, order="slowest")),
        "one trace": lambda: store.trace(traces[0].trace_id),
        "twenty traces": lambda: store.traces([trace.trace_id for trace in traces]),
        "services": lambda: store.services(window),
        "operations": lambda: store.operations(window),
        "dependencies": lambda: store.dependencies(window),
        "arrival": lambda: store.arrival(window.end_ns),
    }


def best_ms(question: Callable[[], object]) -> float:
    def once() -> float:
        begin = time.perf_counter()
        question()
        return (time.perf_counter() - begin) * 1000

    return min(once() for _ in range(3))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--spans", type=int, default=500_000)
    options = parser.parse_args()
    with tempfile.TemporaryDirectory() as folder:
        print(f"{fill(Path(folder), options.spans):,.0f} spans/s from bytes to segments, one process")
        store = EmbeddedStore(Path(folder), write=False)
        stats = store.stats()
        print(
            f"{stats.spans:,} spans, {stats.bytes / stats.spans:.0f} bytes each, {stats.facts['segments']} segments"
        )
        now_ns = time.time_ns()
        window = Window(start_ns=now_ns - 3600 * 10**9, end_ns=now_ns)
        for name, question in questions(store, window).items():
            print(f"{best_ms(question):8.1f} ms  {name}")
        store.close()
        memory = sum(family_rss(os.getpid()).values())
        print(f"{memory / 1e6:.0f} MB resident at the end, writer and reader in one process")


if __name__ == "__main__":
    main()
