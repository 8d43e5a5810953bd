"""Several receivers side by side: `tracestitch serve --receivers 3` shares the work, loses nothing when one of them
is killed, and counts as one.
"""

from __future__ import annotations

import hashlib
import http.client
import os
import re
import signal
import threading
import time
import urllib.request
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.otlp import otlp_span, trace_request
from tests.support.server import Server, eventually, serving
from tracestitch_collector.log import Kind, LogWriter, PendingRecord
from tracestitch_collector.process.intake import Intake
from tracestitch_collector.receive.counters import Counters
from tracestitch_collector.receive.side import settings_key
from tracestitch_collector.status import read_all, read_one
from tracestitch_collector.store.embedded.store import EmbeddedStore

NAMES = ("receiver", "receiver-2", "receiver-3")
KILLS = 9
ACCEPTED = 'tracestitch_receiver_accepted_total{signal="traces",transport="http"}'


def trace_id_of(name: str) -> str:
    return hashlib.blake2b(name.encode(), digest_size=16).hexdigest()


class Senders:
    """Threads that send one span after the other, over a connection for each, and know what was acknowledged."""

    def __init__(self, address: str) -> None:
        self.acknowledged: list[str] = []
        self._address = urlsplit(address).netloc
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(4)]
        for thread in self._threads:
            thread.start()

    def _run(self, sender: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            name = f"{sender}-{number}"
            body = trace_request(otlp_span(name=name, trace_id=trace_id_of(name))).SerializeToString()
            try:
                if self._send(body) == 200:
                    self.acknowledged.append(name)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)  # that receiver was just killed: the span's fate is unknown

    def _send(self, body: bytes) -> int:
        connection = http.client.HTTPConnection(self._address, timeout=30)
        try:
            connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
            return connection.getresponse().status
        finally:
            connection.close()

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(60)


def pid_of(data: Path, name: str) -> int | None:
    """Of a receiver that runs, as the supervisor says."""
    status = read_one(data / "status", "supervisor")
    found = re.match(r"running, pid ([0-9]+)", status.report.facts.get(name, "")) if status else None
    return int(found[1]) if found else None


def fresh_pid(data: Path, name: str, killed: set[int]) -> int | None:
    pid = pid_of(data, name)
    return None if pid in killed else pid


def accepted(data: Path) -> dict[str, float]:
    return {
        each.process: each.report.counters.get(ACCEPTED, 0)
        for each in read_all(data / "status")
        if each.process in NAMES
    }


def scraped(server: Server) -> float:
    with urllib.request.urlopen(server.otlp_http + "/metrics", timeout=30) as answer:
        lines = answer.read().decode().splitlines()
    return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(ACCEPTED))


@pytest.mark.server
def test_three_receivers_share_the_work_and_count_as_one(tmp_path: Path) -> None:
    with serving(tmp_path, "--receivers", "3") as server:
        senders = Senders(server.otlp_http)
        eventually(lambda: len([name for name, count in accepted(tmp_path).items() if count]) == 3)
        senders.stop()
        sent = len(senders.acknowledged)
        eventually(lambda: sum(accepted(tmp_path).values()) == sent)
        assert {scraped(server) for _ in range(6)} == {sent}
        assert {path.name for path in (tmp_path / "log").iterdir()} >= set(NAMES)


@pytest.mark.server
def test_killing_receivers_one_after_the_other_loses_nothing_acknowledged(tmp_path: Path) -> None:
    with serving(tmp_path, "--receivers", "3") as server:
        senders = Senders(server.otlp_http)
        killed = set[int]()
        for number in range(KILLS):
            victim = eventually(lambda: fresh_pid(tmp_path, NAMES[number % 3], killed))  # noqa: B023
            enough = len(senders.acknowledged) + 20
            eventually(lambda: len(senders.acknowledged) > enough)  # noqa: B023
            os.kill(victim, signal.SIGKILL)
            killed.add(victim)
        senders.stop()
        store = EmbeddedStore(tmp_path, write=False)

        def missing() -> list[str]:
            return [name for name in senders.acknowledged if store.trace(trace_id_of(name)) is None]

        eventually(lambda: not missing())
        for name in senders.acknowledged:
            trace = store.trace(trace_id_of(name))
            assert trace is not None
            assert [span.name for span in trace.spans] == [name]
        store.close()


def test_a_log_with_much_in_it_does_not_keep_the_others_waiting(tmp_path: Path) -> None:
    for name, count in (("receiver", 40), ("receiver-2", 2)):
        writer = LogWriter(tmp_path / name)
        bodies = [f"{name} {number}".ljust(1_000).encode() for number in range(count)]
        writer.append(
            [
                PendingRecord(kind=Kind.TRACES, body=body, received_ns=1, digest=hashlib.md5(body).digest())
                for body in bodies
            ]
        )
        writer.close()
    intake = Intake(tmp_path, {}, (), 1)
    portion = intake.take(10_000)
    assert portion is not None
    first = [request.body.split()[0] for request in portion.requests[Kind.TRACES]]
    assert first.count(b"receiver-2") == 2
    assert first.count(b"receiver") >= 5
    assert portion.end["receiver"] > 0


def test_all_receivers_give_agents_the_same_key(tmp_path: Path) -> None:
    keys = list[str]()
    barrier = threading.Barrier(8)

    def ask() -> None:
        barrier.wait()
        keys.append(settings_key(tmp_path / "agent.key"))

    threads = [threading.Thread(target=ask) for _ in range(8)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert set(keys) == {(tmp_path / "agent.key").read_text()}
    assert [path.name for path in tmp_path.iterdir()] == ["agent.key"]
    assert (tmp_path / "agent.key").stat().st_mode & 0o777 == 0o600


def test_what_another_receiver_refused_for_a_reason_of_its_own_is_counted_too() -> None:
    ours, theirs = Counters(lambda: 1), Counters(lambda: 2)
    theirs.refused.labels("logs", "grpc", "malformed").inc(3)
    ours.accepted.labels("logs", "grpc").inc(1)
    theirs.accepted.labels("logs", "grpc").inc(4)
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for family in ours.with_siblings([theirs.snapshot()]).collect()
        for sample in family.samples
    }
    assert found["tracestitch_receiver_refused_total", "logs", "grpc", "malformed"] == 3
    assert found["tracestitch_receiver_accepted_total", "logs", "grpc"] == 5
    assert found["tracestitch_receiver_log_bytes",] == 3
