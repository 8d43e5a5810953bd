"""The receiver as a process that is killed, or whose disk is full, under load: what it acknowledged is there."""

from __future__ import annotations

import http.client
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest

from tests.support.otlp import otlp_span, trace_request
from tracestitch_collector.log import LogReader
from tracestitch_collector.settings import SETTINGS_VARIABLE, Settings
from tracestitch_collector.sockets import bind, port_of
from tracestitch_collector.status import read_all

pytestmark = pytest.mark.processes
SENDERS = 4
PATIENCE_S = 60


def start(data: Path, port: int, limit: Callable[[], None] | None = None) -> subprocess.Popen[bytes]:
    settings = Settings(data=data, otlp_http_port=port, otlp_grpc_port=0)
    return subprocess.Popen(
        [sys.executable, "-m", "tracestitch_collector.receiver"],
        env={**os.environ, SETTINGS_VARIABLE: settings.to_json()},
        preexec_fn=limit,
    )


def free_port() -> int:
    with bind("127.0.0.1", 0) as found:
        return port_of(found)


class Senders:
    """Threads that send one numbered span after the other, and remember what was acknowledged."""

    def __init__(self, port: int) -> None:
        self.acknowledged: list[str] = []
        self.refused = 0
        self._port = port
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._run, args=(number,)) for number in range(SENDERS)]
        for thread in self._threads:
            thread.start()

    def _run(self, sender: int) -> None:
        number = 0
        while not self._stop.is_set():
            number += 1
            name = f"{sender}-{number}"
            try:
                status = self._send(name)
            except (OSError, http.client.HTTPException):
                time.sleep(0.02)  # the receiver is gone; the span's fate is unknown
                continue
            if status == 200:
                self.acknowledged.append(name)
            else:
                self.refused += 1
                time.sleep(0.01)

    def _send(self, name: str) -> int:
        connection = http.client.HTTPConnection("127.0.0.1", self._port, timeout=30)
        try:
            body = trace_request(otlp_span(name=name, attributes={"pad": "x" * 500})).SerializeToString()
            connection.request("POST", "/v1/traces", body, {"content-type": "application/x-protobuf"})
            return connection.getresponse().status
        finally:
            connection.close()

    def wait_for(self, question: Callable[[], bool]) -> None:
        deadline = time.monotonic() + PATIENCE_S
        while not question():
            assert time.monotonic() < deadline, (
                f"{len(self.acknowledged)} acknowledged, {self.refused} refused"
            )
            time.sleep(0.02)

    def stop(self) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join(timeout=PATIENCE_S)


def logged(data: Path) -> list[str]:
    reader = LogReader(data / "log" / "receiver", 0)
    names = []
    while records := reader.read(1 << 24):
        for record in records:
            request = ExportTraceServiceRequest.FromString(record.body)
            names.append(request.resource_spans[0].scope_spans[0].spans[0].name)
    assert reader.damaged == 0
    return names


def test_killing_it_under_load_again_and_again_loses_nothing_acknowledged(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path, port)
    senders = Senders(port)
    try:
        for _ in range(5):
            before = len(senders.acknowledged)
            senders.wait_for(lambda before=before: len(senders.acknowledged) > before + 50)  # type: ignore[misc]  # mypy cannot infer it
            process.kill()
            process.wait()
            process = start(tmp_path, port)
        before = len(senders.acknowledged)
        senders.wait_for(lambda: len(senders.acknowledged) > before)
    finally:
        senders.stop()
        process.terminate()
        assert process.wait(timeout=PATIENCE_S) == 0

    found = logged(tmp_path)
    assert set(senders.acknowledged) <= set(found)
    assert len(found) == len(set(found))


def test_a_full_disk_is_answered_with_503_and_costs_nothing_that_was_acknowledged(tmp_path: Path) -> None:
    def small_disk() -> None:
        resource.setrlimit(resource.RLIMIT_FSIZE, (60_000, 60_000))
        signal.signal(signal.SIGXFSZ, signal.SIG_IGN)

    port = free_port()
    process = start(tmp_path, port, small_disk)
    senders = Senders(port)
    try:
        senders.wait_for(lambda: senders.refused > 0)
        before = len(senders.acknowledged)
        senders.wait_for(lambda: len(senders.acknowledged) > before)
    finally:
        senders.stop()
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=PATIENCE_S) == 0

    assert sorted(logged(tmp_path)) == sorted(senders.acknowledged)
    (status,) = read_all(tmp_path / "status")
    refused = 'tracestitch_receiver_refused_total{signal="traces",transport="http",reason="log unavailable"}'
    assert status.report.counters[refused] == senders.refused


def test_terminating_it_under_load_finishes_what_has_begun(tmp_path: Path) -> None:
    port = free_port()
    process = start(tmp_path, port)
    senders = Senders(port)
    try:
        senders.wait_for(lambda: len(senders.acknowledged) > 50)
        process.terminate()
        assert process.wait(timeout=PATIENCE_S) == 0
    finally:
        senders.stop()
    found = logged(tmp_path)
    assert set(senders.acknowledged) <= set(found)
    assert len(found) - len(senders.acknowledged) <= SENDERS  # written, and cut off before the answer
