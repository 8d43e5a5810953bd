"""One of the real apps as a running server, bare or with the agent, and what it takes of the machine."""

import contextlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from tests.real_apps.app import RealApp
from tests.support.agent import App, free_port, running

COUNTING = Path(__file__).parent / "counting"
TICKS_PER_S = os.sysconf("SC_CLK_TCK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Serving:
    app: App
    data: Path

    def cpu_s(self) -> float:
        """What all processes of the server have taken, those that ended too."""
        return sum(_cpu_s(pid) for pid in self._pids())

    def resident_mb(self) -> float:
        """Of all its processes."""
        return sum(_resident_kb(pid) for pid in self._pids()) / 1024

    def end(self) -> float:
        """Seconds from SIGTERM until the last process has gone."""
        pids = self._pids()
        began = time.monotonic()
        self.app.process.send_signal(signal.SIGTERM)
        self.app.process.wait(90)
        while any(_alive(pid) for pid in pids) and time.monotonic() - began < 90:
            time.sleep(0.01)
        return time.monotonic() - began

    def _pids(self) -> list[int]:
        """The process group that was started: workers and children of reloaders stay in it."""
        group = self.app.process.pid
        return [pid for pid in _all_pids() if _group(pid) == group]


@contextlib.contextmanager
def served(
    app: RealApp, prepared: Path, folder: Path, agent: Path, endpoint: str | None
) -> Iterator[Serving]:
    """The app on a copy of its prepared data; with the agent, which lives beside it, if there is an endpoint."""
    # The data lie at the same path each time, since some apps keep that path in their database.
    folder.mkdir(parents=True, exist_ok=True)
    data = folder / "data"
    if not data.exists():
        shutil.copytree(prepared, data)
    port = free_port()
    environ = app.environment(endpoint, data, PYTHONPATH=str(COUNTING), OTEL_SERVICE_NAME=app.name)
    command = app.filled(app.command, data, port)
    command[0] = str(app.venv / "bin" / command[0])
    if endpoint is not None:
        command = [sys.executable, str(agent / "tracestitch"), "run", *command]
    where = app.source if app.repository else data
    output = folder / f"{'with' if endpoint else 'bare'}.txt"
    with running(command, environ=environ, output=output, port=port, folder=where, patience_s=120) as process:
        yield Serving(app=process, data=data)


def _all_pids() -> list[int]:
    return [int(name) for name in os.listdir("/proc") if name.isdigit()]


def _stat(pid: int) -> list[str]:
    with contextlib.suppress(OSError):
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return []


def _group(pid: int) -> int:
    stat = _stat(pid)
    return int(stat[2]) if stat else 0


def _alive(pid: int) -> bool:
    stat = _stat(pid)
    return bool(stat) and stat[0] not in "ZX"


def _cpu_s(pid: int) -> float:
    stat = _stat(pid)
    # Its own time and that of children which it has waited for.
    return sum(int(field) for field in stat[11:15]) / TICKS_PER_S if stat else 0.0


def _resident_kb(pid: int) -> int:
    with contextlib.suppress(OSError):
        for line in Path(f"/proc/{pid}/status").read_text().splitlines():
            if line.startswith("VmRSS:"):
                return int(line.split()[1])
    return 0
