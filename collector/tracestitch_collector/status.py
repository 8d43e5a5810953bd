"""What each process has to say about itself: one small JSON file per process, renamed into place once a second,
and read by whoever draws the status page.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path

PERIOD_S = 1.0
STALE_NS = 5_000_000_000
"""A process that has not written for so long is hanging or gone."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Report:
    """What a process says in one go."""

    counters: Mapping[str, float] = field(default_factory=dict)
    """Named as in /metrics: `tracestitch_receiver_dropped_total{signal="metrics",reason="not stored"}`."""
    facts: Mapping[str, str] = field(default_factory=dict)
    """Label to text, for people."""
    problems: tuple[str, ...] = ()
    """What is wrong now, in words, each with what to do."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    process: str
    pid: int
    started_ns: int
    updated_ns: int
    report: Report

    def is_stale(self, now_ns: int) -> bool:
        return now_ns - self.updated_ns > STALE_NS


class StatusFile:
    """The file of one process: `<folder>/<process>.json`, where folder is the data folder's `status`."""

    def __init__(self, folder: Path, process: str, *, clock_ns: Callable[[], int] = time.time_ns) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._path = folder / f"{process}.json"
        self._process = process
        self._clock_ns = clock_ns
        self._started_ns = clock_ns()

    def write(self, report: Report) -> None:
        """Replaces what was said before. A full disk keeps the old text: it must not stop the process."""
        document = {
            "process": self._process,
            "pid": os.getpid(),
            "started_ns": self._started_ns,
            "updated_ns": self._clock_ns(),
            "counters": dict(report.counters),
            "facts": dict(report.facts),
            "problems": list(report.problems),
        }
        draft = self._path.with_suffix(".tmp")
        try:
            draft.write_text(json.dumps(document))
            draft.replace(self._path)
        except OSError:
            return

    def keep_writing(self, source: Callable[[], Report], stop: threading.Event) -> None:
        """Writes what `source` says once a second until told to stop, and once more then. For a thread."""
        while not stop.wait(PERIOD_S):
            self.write(source())
        self.write(source())


def read_all(folder: Path) -> tuple[ProcessStatus, ...]:
    """What every process said last, by name. Files that cannot be read are left out."""
    found = (_read(path) for path in sorted(folder.glob("*.json")))
    return tuple(status for status in found if status)


def _read(path: Path) -> ProcessStatus | None:
    try:
        document = json.loads(path.read_text())
        return ProcessStatus(
            process=document["process"],
            pid=document["pid"],
            started_ns=document["started_ns"],
            updated_ns=document["updated_ns"],
            report=Report(
                counters=document["counters"],
                facts=document["facts"],
                problems=tuple(document["problems"]),
            ),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
