"""Starting the demo's processes, each in a group of its own with its output in a file, and ending them all."""

from __future__ import annotations

import ctypes
import os
import signal
import socket
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType

STOP_WITHIN_S = 10
TAIL_LINES = 15
PR_SET_PDEATHSIG = 1


class DemoError(Exception):
    """A text for people: what did not work, and where to look."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Started:
    name: str
    layer: int
    process: subprocess.Popen[bytes]
    log: Path

    def tail(self) -> str:
        lines = self.log.read_text(encoding="utf-8", errors="replace").splitlines()
        return "\n".join(f"    {line}" for line in lines[-TAIL_LINES:])


class Processes:
    """A context manager: leaving it ends whatever was started, layer by layer, the highest first: what others
    still write to outlives them."""

    def __init__(self, logs: Path) -> None:
        self._logs = logs
        self._started: list[Started] = []
        logs.mkdir(parents=True, exist_ok=True)

    def __enter__(self) -> Processes:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.stop()

    def start(
        self, name: str, command: Sequence[str], environment: Mapping[str, str], *, layer: int = 0
    ) -> Started:
        log = self._logs / f"{name}.log"
        with log.open("wb") as output:
            process = subprocess.Popen(
                command,
                env={**os.environ, **environment},
                stdin=subprocess.DEVNULL,
                stdout=output,
                stderr=subprocess.STDOUT,
                start_new_session=True,
                preexec_fn=_end_with_parent,
            )
        started = Started(name=name, layer=layer, process=process, log=log)
        self._started.append(started)
        return started

    def check(self) -> None:
        """Raise when one of them has ended."""
        for started in self._started:
            code = started.process.poll()
            if code is not None:
                raise DemoError(
                    f"{started.name} ended with code {code}; the end of {started.log}:\n{started.tail()}"
                )

    def wait_for_port(self, name: str, port: int, within_s: float = 60) -> None:
        deadline = time.monotonic() + within_s
        while True:
            self.check()
            with socket.socket() as probe:
                probe.settimeout(1)
                if probe.connect_ex(("127.0.0.1", port)) == 0:
                    return
            if time.monotonic() > deadline:
                raise DemoError(f"{name} did not open port {port} within {within_s:.0f} s")
            time.sleep(0.1)

    def stop(self) -> None:
        for layer in sorted({started.layer for started in self._started}, reverse=True):
            _stop([started for started in self._started if started.layer == layer])
        self._started.clear()


def _end_with_parent() -> None:
    """So that nothing stays behind when the demo itself is killed; only Linux knows how."""
    if sys.platform == "linux":
        ctypes.CDLL(None).prctl(PR_SET_PDEATHSIG, signal.SIGTERM)


def _stop(together: Sequence[Started]) -> None:
    for started in together:
        # The process alone: supervisors and masters tell their own children.
        started.process.terminate()
    deadline = time.monotonic() + STOP_WITHIN_S
    for started in together:
        try:
            started.process.wait(max(0.1, deadline - time.monotonic()))
        except subprocess.TimeoutExpired:
            pass
        # Also after a clean end: nothing of its group may stay behind.
        _signal(started, signal.SIGKILL)
        started.process.wait()


def _signal(started: Started, number: signal.Signals) -> None:
    try:
        os.killpg(started.process.pid, number)
    except ProcessLookupError:
        pass
