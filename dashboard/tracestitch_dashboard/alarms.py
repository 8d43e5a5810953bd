"""What everyone must know while it lasts, whatever page they look at: data is refused, a process is down."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path

from tracestitch_collector import status
from tracestitch_collector.status import ProcessStatus

SUPERVISOR = "supervisor"
WATCHED = ("receiver", "pipeline")  # and receiver-2 and so on
"""Processes that say something every second; silence means that they hang."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alarm:
    headline: str
    since_ns: int
    why: str


def read_alarms(folder: Path, now_ns: int) -> tuple[Alarm, ...]:
    """The oldest first. What a process said before it ended counts no more."""
    processes = {each.process: each for each in status.read_all(folder)}
    said = [
        Alarm(headline=headline, since_ns=each.alarm_since_ns.get(headline, each.updated_ns), why=why)
        for each in processes.values()
        if not each.is_stale(now_ns)
        for headline, why in each.report.alarms.items()
    ]
    supervisor = processes.get(SUPERVISOR)
    silent = [
        Alarm(
            headline=f"The {name} says nothing any more",
            since_ns=each.updated_ns,
            why="it hangs, or the disk takes nothing",
        )
        for name, each in processes.items()
        if name.partition("-")[0] in WATCHED
        and supervisor is not None
        and _is_silent(each, supervisor, now_ns)
    ]
    return tuple(sorted((*said, *silent), key=lambda alarm: (alarm.since_ns, alarm.headline)))


def _is_silent(process: ProcessStatus, supervisor: ProcessStatus, now_ns: int) -> bool:
    """While its supervisor lives; one that is down is told by that itself."""
    if supervisor.is_stale(now_ns) or not process.is_stale(now_ns):
        return False
    is_down = f"The {process.process} is down" in supervisor.report.alarms
    is_of_this_run = process.updated_ns >= supervisor.started_ns
    return is_of_this_run and not is_down and supervisor.report.facts.get(process.process) != "stopped"
