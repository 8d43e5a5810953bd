"""`make bench-elasticsearch`: what a million span documents cost the collector, and what they cost Elasticsearch,
beside the OpenTelemetry Collector with Elastic's own exporter: same run, same real server, same spans.

Processor time, not wall-clock time, since the server, both collectors and the generator share the machine. The
first rounds only warm the server up. Elastic's exporter writes into the mapping that Elasticsearch's own plugin would
give its streams, once as an ordinary index and once as logsdb, which is what that plugin chooses.
"""

from __future__ import annotations

import argparse
import http.client
import statistics
import sys
import tempfile
import threading
import time
from collections.abc import Generator, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from elasticsearch import ApiError, Elasticsearch

from tests.bench.memory import family_cpu_s
from tests.bench.spans import SPANS_PER_REQUEST, Requests
from tests.support import elastic_exporter
from tests.support.elastic_mapping import template
from tests.support.elasticsearch import CURRENT, RealElasticsearch, start
from tests.support.server import serving
from tracestitch_collector.store.elasticsearch.client import connect
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings

CONNECTIONS = 2
DRAIN_S = 300
OURS = "traces-generic.otel-default"
MILLION = 1_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Cost:
    """Of one round, for each document."""

    collector_us: float
    server_us: float
    disk_bytes: float
    lost: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Bench:
    server: RealElasticsearch
    client: Elasticsearch
    requests: int
    costs: dict[str, list[Cost]] = field(default_factory=dict)

    def round(self, name: str, stream: str, endpoint: str, pid: int, supply: Requests) -> None:
        """Sends everything to a collector that is running, and waits until it is all in the stream."""
        bodies = [supply.body(time.time_ns())[0] for _ in range(self.requests)]
        collector, server = cpu_s(pid), cpu_s(self.server.process.pid)
        began, found = time.monotonic(), self._count(stream)
        acknowledged = send(endpoint + "/v1/traces", bodies) * SPANS_PER_REQUEST
        sent = time.monotonic() - began
        stored = self._drained(stream, found + acknowledged) - found
        took = time.monotonic() - began
        collector, server = cpu_s(pid) - collector, cpu_s(self.server.process.pid) - server
        cost = Cost(
            collector_us=collector / stored * MILLION,
            server_us=server / stored * MILLION,
            disk_bytes=self._bytes(stream) / stored,
            lost=acknowledged - stored,
        )
        print(
            f"{name:34} {stored:>8,} documents  collector {cost.collector_us:5.1f}  server {cost.server_us:5.1f} "
            f"CPU-s per million  {cost.disk_bytes:4.0f} B  acknowledged within {sent:4.1f} s, there within "
            f"{took:5.1f} s  lost {cost.lost:,}",
            flush=True,
        )
        self.costs.setdefault(name, []).append(cost)

    def _count(self, stream: str) -> int:
        try:
            self.client.indices.refresh(index=stream, ignore_unavailable=True)
            count: int = self.client.count(index=stream, ignore_unavailable=True)["count"]
        except ApiError:  # in the moment in which the stream is made
            return 0
        return count

    def _drained(self, stream: str, wanted: int) -> int:
        """How many there are once it is all of them, or no more come."""
        end, before, since = time.monotonic() + DRAIN_S, -1, time.monotonic()
        while time.monotonic() < end:
            count = self._count(stream)
            if count >= wanted:
                break
            if count != before:
                before, since = count, time.monotonic()
            if time.monotonic() - since > 30:
                break
            time.sleep(1)
        return self._count(stream)

    def _bytes(self, stream: str) -> int:
        """Of the index that the stream writes into now."""
        self.client.indices.flush(index=stream)
        newest = max(self.client.indices.stats(index=stream, metric="store")["indices"].items())
        size: int = newest[1]["total"]["store"]["size_in_bytes"]
        return size


def cpu_s(pid: int) -> float:
    return sum(family_cpu_s(pid).values())


def send(url: str, bodies: Sequence[bytes]) -> int:
    """How many were acknowledged; what is refused for now is sent again."""
    parts, counts = urlsplit(url), [0] * CONNECTIONS

    def run(number: int) -> None:
        connection = http.client.HTTPConnection(parts.hostname or "", parts.port, timeout=60)
        for body in bodies[number::CONNECTIONS]:
            while True:
                connection.request("POST", parts.path, body, {"Content-Type": "application/x-protobuf"})
                answer = connection.getresponse()
                answer.read()
                if answer.status not in (429, 503):
                    break
                time.sleep(0.2)
            counts[number] += answer.status == 200
        connection.close()

    threads = [threading.Thread(target=run, args=(number,)) for number in range(CONNECTIONS)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return sum(counts)


def ours(bench: Bench, folder: Path, python: str, rounds: int) -> Generator[None, None, None]:
    arguments = ("--store", "elasticsearch", "--elasticsearch-url", bench.server.url)
    with serving(folder, "collector", *arguments, python=python) as server:
        for number in range(rounds):
            if number:
                bench.client.indices.rollover(alias=OURS)
            bench.round("Tracestitch", OURS, server.otlp_http, server.process.pid, Requests(seed=number + 1))
            yield


@contextmanager
def elasticsearch() -> Iterator[RealElasticsearch]:
    server = start(CURRENT)
    try:
        yield server
    finally:
        server.stop()


def theirs(bench: Bench, folder: Path, name: str, mark: str, rounds: int) -> Generator[None, None, None]:
    folder.mkdir()
    with elastic_exporter.exporting(bench.server.url, folder) as collector:
        for number in range(rounds):
            namespace = f"{mark}{number}"
            supply = Requests(seed=number + 1, resource={"data_stream.namespace": namespace})
            stream = f"traces-generic.otel-{namespace}"
            bench.round(name, stream, collector.otlp_http, collector.process.pid, supply)
            yield


def print_table(costs: dict[str, list[Cost]], warm: int) -> None:
    print(
        f"\nMedians of the rounds after the first {warm}; CPU-seconds per million documents, bytes per document:"
    )
    base: Cost | None = None
    for name, found in sorted(costs.items()):
        kept = found[warm:] or found
        middle = Cost(
            collector_us=statistics.median(cost.collector_us for cost in kept),
            server_us=statistics.median(cost.server_us for cost in kept),
            disk_bytes=statistics.median(cost.disk_bytes for cost in kept),
            lost=sum(cost.lost for cost in found),
        )
        base = base or middle
        print(
            f"{name:34} collector {middle.collector_us:5.1f}  server {middle.server_us:5.1f} "
            f"({middle.server_us / base.server_us:4.2f}×)  disk {middle.disk_bytes:4.0f} B "
            f"({middle.disk_bytes / base.disk_bytes:4.2f}×)  lost {middle.lost:,}"
        )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", default=sys.executable, help="of the installation to measure")
    parser.add_argument("--spans", type=int, default=100_000, help="in each round")
    parser.add_argument("--rounds", type=int, default=5)
    parser.add_argument("--warm", type=int, default=2, help="rounds that are not counted")
    parser.add_argument("--without-exporter", action="store_true")
    options = parser.parse_args()
    if not options.without_exporter and (reason := elastic_exporter.build()):
        sys.exit(reason)
    with elasticsearch() as server, tempfile.TemporaryDirectory() as folder:
        client = connect(ElasticsearchSettings(url=server.url, data=Path(folder)))
        bench = Bench(server=server, client=client, requests=max(1, options.spans // SPANS_PER_REQUEST))
        runs = [ours(bench, Path(folder, "ours"), options.python, options.rounds)]
        if not options.without_exporter:
            for name, mark, logsdb in (
                ("Elastic's exporter", "plain", False),
                ("Elastic's exporter into logsdb", "logsdb", True),
            ):
                body = template("traces", f"traces-*.otel-{mark}*", logsdb=logsdb)
                client.indices.put_index_template(name=f"exporter-{mark}", **body)
                runs.append(theirs(bench, Path(folder, mark), name, mark, options.rounds))
        for _ in range(options.rounds):  # in turns, so that all meet the same machine
            for run in runs:
                next(run)
        for run in runs:
            run.close()
        client.close()
        print_table(bench.costs, options.warm)


if __name__ == "__main__":
    main()
