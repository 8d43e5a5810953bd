"""What is compared: Jaeger in memory, Jaeger on badger and Tracestitch, each started on a folder of its own with free
ports, and all asked through Jaeger's query API.
"""

from __future__ import annotations

import contextlib
import http.client
import json
import os
import signal
import subprocess
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

from tests.bench.memory import family, family_cpu_s, family_rss
from tests.support.agent import free_port
from tests.support.server import start

PATIENCE_S = 60
MEMORY, BADGER, OURS = "Jaeger, memory", "Jaeger, badger", "Tracestitch"
NAMES = (MEMORY, BADGER, OURS)


@dataclass(slots=True, kw_only=True)
class Target:
    """One that runs. `kill` and `start_again` leave its folder as it is."""

    name: str
    folder: Path
    jaeger: Path
    python: str
    process: subprocess.Popen[bytes] = field(init=False)
    otlp: str = field(init=False)
    query: str = field(init=False)
    started_s: float = field(init=False, default=0.0)
    """From its start until it answered a question."""

    def start(self) -> None:
        begin = time.perf_counter()
        if self.name == OURS:
            server = start(self.folder, python=self.python)
            self.process, self.otlp, self.query = server.process, server.otlp_http, server.dashboard
        else:
            self._start_jaeger()
        asking = Asking(self.query)
        while asking.get("/api/services")[0] != 200:
            if time.perf_counter() - begin > PATIENCE_S or self.process.poll() is not None:
                raise SystemExit(f"{self.name} does not answer; its last words: {self.last_words()}")
            time.sleep(0.02)
        self.started_s = time.perf_counter() - begin

    def _start_jaeger(self) -> None:
        ports = [free_port() for _ in range(4)]
        self.otlp, self.query = (f"http://127.0.0.1:{port}" for port in ports[:2])
        config = self.folder / "jaeger.yaml"
        self.folder.mkdir(exist_ok=True)
        config.write_text(json.dumps(_configuration(self.folder, self.name == BADGER, ports)))  # JSON is YAML
        with (self.folder / "jaeger.log").open("ab") as log:
            self.process = subprocess.Popen(
                [str(self.jaeger), "--config", str(config)], stdout=log, stderr=log, cwd=self.folder
            )

    def last_words(self) -> str:
        log = self.folder / "jaeger.log"
        return log.read_text(errors="replace")[-500:] if log.exists() else "above"

    def stop(self) -> None:
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(timeout=30)
        except subprocess.TimeoutExpired:
            self.kill()

    def kill(self) -> None:
        """kill -9 of all its processes at once."""
        for pid in family(self.process.pid):
            with contextlib.suppress(ProcessLookupError):
                os.kill(pid, signal.SIGKILL)
        self.process.wait()

    def cpu_s(self) -> Mapping[str, float]:
        return family_cpu_s(self.process.pid)

    def rss(self) -> int:
        return sum(family_rss(self.process.pid).values())

    def disk_bytes(self) -> int:
        """What its files occupy: badger makes its files larger than what is in them."""
        sizes = []
        for path in self.folder.rglob("*"):
            with contextlib.suppress(OSError):
                if path.is_file() and path.suffix not in (".log", ".yaml"):
                    sizes.append(path.stat().st_blocks * 512)
        return sum(sizes)

    def rest(self, most_s: float) -> None:
        """Until it has nothing more to do."""
        end, calm = time.monotonic() + most_s, 0
        while calm < 2 and time.monotonic() < end:
            before = sum(self.cpu_s().values())
            time.sleep(1)
            calm = calm + 1 if sum(self.cpu_s().values()) - before < 0.1 else 0


@contextlib.contextmanager
def running(target: Target) -> Iterator[Target]:
    target.start()
    try:
        yield target
    finally:
        target.stop()


class Asking:
    """One connection to a query API."""

    def __init__(self, address: str) -> None:
        self._connection = http.client.HTTPConnection(urlsplit(address).netloc, timeout=60)

    def get(self, path: str) -> tuple[int, bytes]:
        """Status and body; status 0 while nothing listens."""
        try:
            self._connection.request("GET", path)
            answer = self._connection.getresponse()
            return answer.status, answer.read()
        except (OSError, http.client.HTTPException):
            self._connection.close()
            return 0, b""

    def traces(self, path: str) -> list[Any]:
        status, body = self.get(path)
        found: list[Any] = json.loads(body)["data"] or [] if status == 200 else []
        return found


def _configuration(folder: Path, badger: bool, ports: list[int]) -> Mapping[str, Any]:
    """As Jaeger ships it, with ports and folders of its own, and room for all spans."""
    otlp, http_port, grpc_port, _ = (f"127.0.0.1:{port}" for port in ports)
    directories = {"keys": str(folder / "keys"), "values": str(folder / "values")}
    backend = (
        {"badger": {"directories": directories, "ephemeral": False, "ttl": {"spans": "48h"}}}
        if badger
        else {"memory": {"max_traces": 100_000_000}}
    )
    return {
        "service": {
            "extensions": ["jaeger_storage", "jaeger_query"],
            "pipelines": {
                "traces": {
                    "receivers": ["otlp"],
                    "processors": ["batch"],
                    "exporters": ["jaeger_storage_exporter"],
                }
            },
            "telemetry": {"metrics": {"level": "none"}, "logs": {"level": "warn"}},
        },
        "extensions": {
            "jaeger_query": {
                "storage": {"traces": "some_storage"},
                "enable_tracing": False,  # of itself, to a collector that is not there
                "http": {"endpoint": http_port},
                "grpc": {"endpoint": grpc_port},
            },
            "jaeger_storage": {"backends": {"some_storage": backend}},
        },
        "receivers": {"otlp": {"protocols": {"http": {"endpoint": otlp}}}},
        "processors": {"batch": None},
        "exporters": {"jaeger_storage_exporter": {"trace_storage": "some_storage"}},
    }
