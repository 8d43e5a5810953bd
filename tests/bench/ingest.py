"""`make bench`: how much a real `tracestitch serve` takes in, how soon it can be found and what it costs.

A generator in a process of its own sends requests of 512 spans over connections it keeps: first at the rate the
issue asks for, then as fast as they are acknowledged. Figures are printed beside a baseline of the same run.
"""

from __future__ import annotations

import argparse
import http.client
import itertools
import json
import multiprocessing
import pickle
import statistics
import subprocess
import sys
import tempfile
import threading
import time
import urllib.request
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass, field, replace
from multiprocessing.connection import Connection
from pathlib import Path
from urllib.parse import urlsplit

from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.bench import bars, ingest_bars
from tests.bench.memory import family_cpu_s, family_rss
from tests.bench.other_requests import RECORDS_PER_REQUEST, JsonRequests, LogRequests
from tests.bench.spans import SPANS_PER_REQUEST, Requests
from tests.support.server import Server, serving
from tracestitch_collector.store.embedded.layout import Layout
from tracestitch_collector.store.embedded.manifest import load
from tracestitch_collector.store.embedded.store import EmbeddedStore

CONNECTIONS = 4
DRAIN_S = 120


@dataclass(slots=True)
class Sent:
    spans: int = 0
    refused: Counter[int] = field(default_factory=Counter)
    """Answers other than 200, by status."""
    seconds: float = 0.0
    slowest_ack_s: float = 0.0
    probes: list[tuple[str, float]] = field(default_factory=list)
    """A trace of a request, and when that was acknowledged, once a second."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """What is sent."""

    supply: type[Requests | JsonRequests | LogRequests]
    items: int
    """In one request."""
    path: str
    content_type: str
    signal: str


SPANS = Kind(
    supply=Requests,
    items=SPANS_PER_REQUEST,
    path="/v1/traces",
    content_type="application/x-protobuf",
    signal="traces",
)
KINDS = {
    "spans in JSON": replace(SPANS, supply=JsonRequests, content_type="application/json"),
    "log records": replace(
        SPANS, supply=LogRequests, items=RECORDS_PER_REQUEST, path="/v1/logs", signal="logs"
    ),
}


def generate(address: str, seconds: float, rate: float, kind: Kind, results: Connection) -> None:
    """Sends at the rate, or without limit when it is 0, over a few connections."""
    parts = [Sent() for _ in range(CONNECTIONS)]
    begin = time.time()
    # Never the same twice: a request that comes again within 15 minutes is stored once.
    supplies = [kind.supply(int(begin) * CONNECTIONS + number) for number in range(CONNECTIONS)]
    begin = time.time()
    threads = [
        threading.Thread(
            target=_send, args=(address, begin + seconds, rate / CONNECTIONS, kind, supply, part)
        )
        for supply, part in zip(supplies, parts, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    results.send(
        Sent(
            spans=sum(part.spans for part in parts),
            refused=sum((part.refused for part in parts), Counter()),
            seconds=time.time() - begin,
            slowest_ack_s=max(part.slowest_ack_s for part in parts),
            probes=sorted((probe for part in parts for probe in part.probes), key=lambda probe: probe[1]),
        )
    )


def _send(
    address: str,
    end: float,
    rate: float,
    kind: Kind,
    requests: Requests | JsonRequests | LogRequests,
    sent: Sent,
) -> None:
    connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)
    due = time.time()
    while (now := time.time()) < end:
        if rate:
            if now < due:
                time.sleep(min(due - now, 0.1))
                continue
            due += kind.items / rate
        body, trace_id = requests.body(time.time_ns())
        connection.request("POST", kind.path, body, {"Content-Type": kind.content_type})
        answer = connection.getresponse()
        answer.read()
        sent.slowest_ack_s = max(sent.slowest_ack_s, time.time() - now)
        if answer.status != 200:
            sent.refused[answer.status] += 1
            time.sleep(0.2)
            continue
        sent.spans += kind.items
        if not sent.probes or time.time() - sent.probes[-1][1] >= 1:
            sent.probes.append((trace_id, time.time()))
    connection.close()


def under_load(
    server: Server, seconds: float, rate: float, watch: Callable[[], None], kind: Kind = SPANS
) -> Sent:
    """What a generator sent, while `watch` is called ten times a second."""
    ours, theirs = multiprocessing.get_context("spawn").Pipe(duplex=False)
    process = multiprocessing.get_context("spawn").Process(
        target=generate, args=(server.otlp_http, seconds, rate, kind, theirs)
    )
    process.start()
    while not ours.poll(0.1):
        watch()
        if not process.is_alive() and not ours.poll(0):
            raise SystemExit("the generator died")
    sent: Sent = ours.recv()
    process.join()
    return sent


def stored_items(data: Path, signal: str = "traces") -> int:
    """What the pipeline says it has handed to the store."""
    try:
        counters = json.loads((data / "status" / "pipeline.json").read_text())["counters"]
    except (OSError, ValueError):
        return 0
    return int(counters.get(f'tracestitch_output_sent_total{{output="store",signal="{signal}"}}', 0))


def seconds_until_stored(data: Path, items: int, signal: str = "traces") -> float:
    begin = time.time()
    while (stored := stored_items(data, signal)) < items:
        if time.time() - begin > DRAIN_S:
            raise SystemExit(f"{stored} of {items} {signal} were stored within {DRAIN_S} s")
        time.sleep(0.05)
    return time.time() - begin


class Freshness:
    """Asks the store, as a reader would, how long an acknowledged trace takes to be found."""

    def __init__(self, data: Path, server: Server) -> None:
        self._store = EmbeddedStore(data, write=False)
        self._address = server.otlp_http
        self._requests = Requests(seed=99)
        self.seconds: list[float] = []
        self._last = 0.0

    def probe(self) -> None:
        if time.time() - self._last < 1:
            return
        body, trace_id = self._requests.body(time.time_ns())
        connection = http.client.HTTPConnection(urlsplit(self._address).netloc, timeout=60)
        connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
        status = connection.getresponse().status
        connection.close()
        acknowledged = time.time()
        while status == 200 and self._store.trace(trace_id) is None:
            time.sleep(0.02)
            if time.time() - acknowledged > DRAIN_S:
                raise SystemExit(f"trace {trace_id} was not found within {DRAIN_S} s")
        self._last = time.time()
        self.seconds.append(self._last - acknowledged)


DECODING = """
import pickle, sys, time
from tracestitch_collector.decode.decoder import Decoder, Request
bodies = pickle.load(sys.stdin.buffer)
requests = [Request(body=body, digest=bytes([n]) * 16, received_ns=0) for n, body in enumerate(bodies)]
decoder = Decoder()
decoder.spans(requests)
begin = time.process_time()
decoder.spans(requests)
print(time.process_time() - begin)
"""


class Visitor:
    """Somebody who looks at the dashboard meanwhile: one page after the other, one every so often."""

    PAGES = ("/", "/traces", "/services", "/findings", "/logs", "/status")

    def __init__(self, server: Server, every_s: float) -> None:
        self._server = server
        self._every_s = every_s
        self._stop = threading.Event()
        self._thread = threading.Thread(target=self._visit)
        self.seconds: list[float] = []
        self.failed = 0

    def __enter__(self) -> Visitor:
        if self._every_s:
            self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        if self._every_s:
            self._thread.join()

    def _visit(self) -> None:
        for page in itertools.cycle(self.PAGES):
            begin = time.time()
            try:
                with urllib.request.urlopen(self._server.dashboard + page, timeout=60) as answer:
                    answer.read()
                self.seconds.append(time.time() - begin)
            except OSError:
                self.failed += 1
            if self._stop.wait(self._every_s):
                return


def print_other_kind(name: str, kind: Kind, python: str, seconds: float) -> float:
    """How fast a server of its own takes something else than spans in protobuf: items stored per second."""
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), python=python) as server:
        before = family_cpu_s(server.process.pid)
        burst = under_load(server, seconds, 0, lambda: None, kind)
        if not burst.spans:
            raise SystemExit(f"no {name} were taken: {dict(burst.refused)}")
        drained = seconds_until_stored(Path(folder), burst.spans, kind.signal)
        used = sum(family_cpu_s(server.process.pid).values()) - sum(before.values())
    print(
        f"{name:13} {burst.spans / burst.seconds:,.0f} per second acknowledged, "
        f"{burst.spans / (burst.seconds + drained):,.0f} stored, {used / burst.spans * 1e6:.2f} s per million, "
        f"{dict(burst.refused) or 'none'} refused"
    )
    return burst.spans / (burst.seconds + drained)


def baseline_us_per_span(python: str) -> tuple[float, float]:
    """Processor time of Google's protobuf parser, and of that installation's decoder to columns, on the same
    requests."""
    requests = Requests(seed=7)
    bodies = [requests.body(time.time_ns())[0] for _ in range(16)]
    spans = len(bodies) * SPANS_PER_REQUEST
    begin = time.process_time()
    for body in bodies:
        ExportTraceServiceRequest.FromString(body)
    parsed = time.process_time() - begin
    decoded = subprocess.run(
        [python, "-c", DECODING], input=pickle.dumps(bodies), stdout=subprocess.PIPE, check=True
    )
    return parsed / spans * 1e6, float(decoded.stdout) / spans * 1e6


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--seconds", type=float, default=20, help="length of each of the two runs")
    parser.add_argument("--burst", type=float, default=0, help="length of the second, when it is to differ")
    parser.add_argument("--rate", type=float, default=20_000, help="spans per second of the first run")
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="of the installation to measure, so of a wheel that was compiled",
    )
    parser.add_argument(
        "--visit",
        type=float,
        default=2,
        help="seconds between pages looked at during the first run; 0 for none",
    )
    parser.add_argument("--write", action="store_true", help="fill in the rows of docs/performance.md")
    options = parser.parse_args()
    parsed_us, decoded_us = baseline_us_per_span(options.python)
    with tempfile.TemporaryDirectory() as folder, serving(Path(folder), python=options.python) as server:
        data = Path(folder)
        freshness = Freshness(data, server)
        memory: list[dict[str, int]] = []

        def watch() -> None:
            memory.append(family_rss(server.process.pid))

        def watch_and_probe() -> None:
            watch()
            freshness.probe()

        with Visitor(server, options.visit) as visitor:
            steady = under_load(server, options.seconds, options.rate, watch_and_probe)
        so_far = steady.spans + len(freshness.seconds) * SPANS_PER_REQUEST
        at_rate = max(sum(moment.values()) for moment in memory)
        behind = seconds_until_stored(data, so_far)
        before = family_cpu_s(server.process.pid)
        burst = under_load(server, options.burst or options.seconds, 0, watch)
        drained = seconds_until_stored(data, so_far + burst.spans)
        used = {name: cpu_s - before[name] for name, cpu_s in family_cpu_s(server.process.pid).items()}
        watch()
        print(f"baseline      google protobuf parse {parsed_us:.2f} µs per span")
        print(
            f"decoder       {decoded_us:.2f} µs per span to columns, {decoded_us / parsed_us:.1f} × the baseline"
        )
        print(
            f"steady        {steady.spans / steady.seconds:,.0f} spans/s acknowledged of {options.rate:,.0f} asked, "
            f"{dict(steady.refused) or 'none'} refused, slowest answer {steady.slowest_ack_s * 1000:.0f} ms, behind by {behind:.2f} s at the end"
        )
        print(
            f"searchable    {statistics.median(freshness.seconds):.2f} s after the answer (median), "
            f"{max(freshness.seconds):.2f} s at most"
        )

        if visitor.seconds:
            print(
                f"pages         {len(visitor.seconds)} looked at meanwhile, {statistics.median(visitor.seconds):.2f} s each (median), "
                f"{max(visitor.seconds):.2f} s at most, {visitor.failed} failed"
            )
        print(
            f"flat out      {burst.spans / burst.seconds:,.0f} spans/s acknowledged, "
            f"{burst.spans / (burst.seconds + drained):,.0f} spans/s stored, {dict(burst.refused) or 'none'} refused, "
            f"{burst.spans / (burst.seconds + drained) * parsed_us / 1e6:.2f} of the baseline's rate"
        )
        per_process = ", ".join(f"{name} {cpu_s / burst.spans * 1e6:.2f}" for name, cpu_s in used.items())
        print(
            f"processor     {sum(used.values()) / burst.spans * 1e6:.2f} s per million spans ({per_process})"
        )
        highest = max(memory, key=lambda moment: sum(moment.values()))
        shares = ", ".join(f"{program} {size / 1e6:.0f}" for program, size in highest.items())
        print(
            f"memory        {sum(highest.values()) / 1e6:.0f} MB at its highest ({shares}), {at_rate / 1e6:.0f} MB at the steady rate"
        )
        segments = load(Layout(data)).segments
        on_disk, in_segments = sum(each.bytes for each in segments), sum(each.rows for each in segments)
        print(f"disk          {on_disk / in_segments:.0f} bytes per span in {len(segments)} segments")
    others = {
        name: print_other_kind(name, kind, options.python, options.seconds) for name, kind in KINDS.items()
    }
    figures = ingest_bars.Figures(
        compiled=ingest_bars.is_compiled(options.python),
        per_second=burst.spans / (burst.seconds + drained),
        seconds=burst.seconds,
        rate=options.rate,
        visible_s=freshness.seconds,
        steady_bytes=at_rate,
        highest_bytes=sum(highest.values()),
        others_per_second=others,
        cpu_s={name: cpu_s / burst.spans * 1e6 for name, cpu_s in used.items()},
        bytes_each=on_disk / in_segments,
    )
    measured = ingest_bars.bars(figures)
    print(bars.report(measured))
    if options.write:
        ingest_bars.write(figures)
        bars.record(measured)


if __name__ == "__main__":
    main()
