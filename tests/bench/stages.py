"""Where the time of a span goes, stage by stage, from the bytes of a request to a durable segment: processor time
in one process and one thread, so that the figures hold on a busy machine too.

It imports nothing of tests/, because it is run by the installation that is measured, with the requests on its
standard input.
"""

from __future__ import annotations

import pickle
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from tracestitch_collector.columns import FINDINGS
from tracestitch_collector.decode.decoder import Decoder
from tracestitch_collector.decode.tables import spans_table
from tracestitch_collector.log import LogWriter
from tracestitch_collector.outputs.prometheus import Aggregator
from tracestitch_collector.process.intake import Intake
from tracestitch_collector.receive.committer import Committer
from tracestitch_collector.receive.counters import Counters
from tracestitch_collector.receive.intake import Intake as Reception
from tracestitch_collector.receive.shapes import TRACES
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import Batch

GROUP = 8
"""Requests that reach the log together."""
SYNC_ROWS = 65_536


@dataclass(slots=True)
class Stages:
    seconds: dict[str, float] = field(default_factory=dict)

    @contextmanager
    def __call__(self, name: str) -> Iterator[None]:
        begin = time.process_time()
        yield
        self.seconds[name] = self.seconds.get(name, 0.0) + time.process_time() - begin


def receive(bodies: list[bytes], folder: Path, stage: Stages) -> None:
    writer = LogWriter(folder)
    committer = Committer(writer.append)
    reception = Reception(committer, Counters(lambda: 0), time.time_ns)
    for begin in range(0, len(bodies), GROUP):
        with stage("receiver: inspect"):
            prepared = [reception.prepare(TRACES, "http", body) for body in bodies[begin : begin + GROUP]]
        records = [each.record for each in prepared if each.record]
        with stage("receiver: log"):
            writer.append(records)
    committer.close()
    writer.close()


def process(data: Path, stage: Stages) -> int:
    intake = Intake(data / "log", {}, (), time.time_ns())
    store = EmbeddedStore(data, write=True)
    decoder, aggregator = Decoder(), Aggregator()
    rows = pending = 0
    while True:
        with stage("pipeline: read"):
            portion = intake.take(4 * 1024 * 1024)
        if portion is None:
            break
        (requests,) = portion.requests.values()
        with stage("pipeline: walk"):
            done, _ = decoder._decode(decoder._spans, requests)
        with stage("pipeline: tables"):
            table = spans_table(decoder._spans, done)
        empty = decoder.logs(()).table
        batch = Batch(
            spans=table,
            logs=empty,
            findings=FINDINGS.empty_table(),
            start=portion.start,
            end=portion.end,
            digests=portion.digests,
        )
        with stage("pipeline: hot file"):
            store.write(batch)
        with stage("pipeline: metrics"):
            aggregator.observe(table, empty, batch.findings)
        rows += len(table)
        pending += len(table)
        if pending >= SYNC_ROWS:
            pending = 0
            with stage("pipeline: segment"):
                store.sync()
    store.close()
    return rows


def main() -> None:
    bodies: list[bytes] = pickle.load(sys.stdin.buffer)
    stage = Stages()
    with tempfile.TemporaryDirectory() as folder:
        data = Path(folder)
        receive(bodies, data / "log" / "receiver", stage)
        rows = process(data, stage)
    for name, seconds in stage.seconds.items():
        print(f"{name:20} {seconds / rows * 1e6:6.2f} µs per span")
    print(f"{'in all':20} {sum(stage.seconds.values()) / rows * 1e6:6.2f} µs per span, {rows:,} spans")


if __name__ == "__main__":
    main()
