"""A real `tracestitch serve` on free loopback ports, for tests that want the whole thing."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, TypeVar

Answer = TypeVar("Answer")

START_SECONDS = 60
"""Generous: a test machine may be busy."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Server:
    """A running server: its process, where it listens, where its data lies."""

    process: subprocess.Popen[bytes]
    data: Path
    otlp_http: str
    otlp_grpc: str
    dashboard: str
    lines: str = ""

    def get(self, path: str) -> Any:
        """The JSON twin at the dashboard."""
        with urllib.request.urlopen(self.dashboard + path, timeout=30) as answer:
            return json.load(answer)

    def stop(self) -> int:
        """Ends it as a user would; the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(signal.SIGTERM)
        return self.process.wait(timeout=30)


def eventually(question: Callable[[], Answer | None], seconds: float = 60) -> Answer:
    """The first true answer; the deadline is only there so that a broken test ends."""
    end = time.monotonic() + seconds
    while True:
        try:
            answer = question()
        except (urllib.error.URLError, OSError):
            answer = None
        if answer:
            return answer
        if time.monotonic() > end:
            raise AssertionError(f"no answer within {seconds} s")
        time.sleep(0.1)


@contextmanager
def serving(
    data: Path, *arguments: str, environment: dict[str, str] | None = None, python: str = sys.executable
) -> Iterator[Server]:
    """`tracestitch serve` on the data folder until the block ends; of another installation with its Python."""
    server = start(data, arguments, environment, python)
    try:
        yield server
    finally:
        server.stop()


def start(
    data: Path,
    arguments: Sequence[str] = (),
    environment: dict[str, str] | None = None,
    python: str = sys.executable,
    errors: IO[bytes] | None = None,
) -> Server:
    """Starts it and waits until it says where it listens; what its processes complain of goes to `errors`."""
    addresses = data / "run" / "addresses.json"
    addresses.unlink(missing_ok=True)
    ports = ("--otlp-http-port", "0", "--otlp-grpc-port", "0", "--dashboard-port", "0")
    process = subprocess.Popen(
        [python, "-m", "tracestitch", "serve", "--data", str(data), *ports, *arguments],
        env={**os.environ, **(environment or {})},
        stderr=errors,
    )

    def ready() -> dict[str, str] | None:
        if process.poll() is not None:
            raise AssertionError(f"tracestitch serve ended with {process.returncode} before it was ready")
        return json.loads(addresses.read_text()) if addresses.exists() else None

    try:
        found = eventually(ready, START_SECONDS)
    except AssertionError:
        process.kill()
        process.wait()
        raise
    return Server(
        process=process,
        data=data,
        otlp_http=found["otlp_http"],
        otlp_grpc=found["otlp_grpc"],
        dashboard=found.get("dashboard", ""),
        lines=found.get("lines", ""),
    )
