"""What each process has to say about itself: one small JSON file per process, renamed into place once a second,
and read by whoever draws the status page.
"""

from __future__ import annotations

import json
import os
import threading
import time
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path

PERIOD_S = 1.0
STORE_AWAY = "The store takes no data"
"""The headline of the pipeline's alarm while that is so."""
SAME_ALARM_NS = 60_000_000_000
"""An alarm that comes back within this time has lasted all along."""
BLOCK_BYTES = 4096
SPARE_BYTES = 1024
"""Files are filled up to whole blocks with so much to spare, so that there is room for a change on a full disk."""
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
    alarms: Mapping[str, str] = field(default_factory=dict)
    """Of these what everyone must know while it lasts: a headline that stays the same, to why."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ProcessStatus:
    process: str
    pid: int
    started_ns: int
    updated_ns: int
    report: Report
    alarm_since_ns: Mapping[str, int] = field(default_factory=dict)
    """Since when each alarm of the report lasts."""

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
        self._lasting_ns: dict[str, tuple[int, int]] = {}
        """When each alarm began and was last said."""

    def write(self, report: Report) -> None:
        """Replaces what was said before. Where the disk is full it goes into the room of the old text; where even
        that cannot be, the old text stays: it must not stop the process."""
        now_ns = self._clock_ns()
        self._note_alarms(report, now_ns)
        document = {
            "process": self._process,
            "pid": os.getpid(),
            "started_ns": self._started_ns,
            "updated_ns": now_ns,
            "counters": dict(report.counters),
            "facts": dict(report.facts),
            "problems": list(report.problems),
            "alarms": dict(report.alarms),
            "alarm_since_ns": {name: self._lasting_ns[name][0] for name in report.alarms},
        }
        text = json.dumps(document).encode()
        padded = text + b" " * (-(len(text) + SPARE_BYTES) % BLOCK_BYTES + SPARE_BYTES)
        draft = self._path.with_suffix(".tmp")
        try:
            draft.write_bytes(padded)
            draft.replace(self._path)
        except OSError:
            with suppress(OSError):
                draft.unlink(missing_ok=True)
            self._overwrite(text)

    def _note_alarms(self, report: Report, now_ns: int) -> None:
        for name in report.alarms:
            since_ns, last_ns = self._lasting_ns.get(name, (now_ns, now_ns))
            began_ns = since_ns if now_ns - last_ns <= SAME_ALARM_NS else now_ns
            self._lasting_ns[name] = (began_ns, now_ns)

    def _overwrite(self, text: bytes) -> None:
        """Without asking the file system for any room."""
        with suppress(OSError), self._path.open("r+b") as file:
            room = os.fstat(file.fileno()).st_size
            if len(text) <= room:
                file.write(text.ljust(room))

    def keep_writing(self, source: Callable[[], Report], stop: threading.Event) -> None:
        """Writes what `source` says once a second until told to stop, and once more then. For a thread."""
        while not stop.wait(PERIOD_S):
            self.write(source())
        self.write(source())


def read_all(folder: Path) -> tuple[ProcessStatus, ...]:
    """What every process said last, by name. Files that cannot be read are left out."""
    found = (_read(path) for path in sorted(folder.glob("*.json")))
    return tuple(status for status in found if status)


def read_one(folder: Path, process: str) -> ProcessStatus | None:
    return _read(folder / f"{process}.json")


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
                alarms=document.get("alarms", {}),
            ),
            alarm_since_ns=document.get("alarm_since_ns", {}),
        )
    except (OSError, ValueError, KeyError, TypeError):
        return None
