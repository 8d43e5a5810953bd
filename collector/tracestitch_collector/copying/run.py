"""Copies a range from one side to the other, slice by slice, and counts both at the end. What was copied is noted
after each step, so that a run that was cut short goes on there; doing a slice twice changes nothing.
"""

from __future__ import annotations

import json
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from pathlib import Path

from tracestitch_collector.copying.side import SIGNALS, Side, Signal
from tracestitch_collector.store.store import Rejected, Window

ROWS = 20_000
"""Of one slice: what is in memory at a time."""
SHORTEST_NS = 1_000_000
STEP_ROWS = 100_000
"""After so many the target makes durable what it has, and the place is noted."""
SETTLING_S = 30.0
PAUSE_S = 0.5

Put = Callable[[tuple[Rejected, ...]], None]


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """How far a copy of this range has come."""

    window: Window
    done_ns: int


@dataclass(slots=True, kw_only=True)
class Result:
    copied: dict[Signal, int] = field(default_factory=lambda: dict.fromkeys(SIGNALS, 0))
    rejected: int = 0
    findings: int = 0
    source: dict[Signal, int] = field(default_factory=dict)
    target: dict[Signal, int] = field(default_factory=dict)
    resumed_ns: int = 0

    @property
    def is_complete(self) -> bool:
        return not self.rejected and all(self.target[each] >= self.source[each] for each in SIGNALS)


def copy(
    source: Side,
    target: Side,
    window: Window,
    *,
    note: Path,
    rejected: Put,
    say: Callable[[str], None],
    pause: Callable[[float], None] = time.sleep,
) -> Result:
    """Raises `Unavailable`; whoever calls it again goes on."""
    result = Result()
    start_ns = _resumed(note, window)
    result.resumed_ns = start_ns if start_ns > window.start_ns else 0
    waiting = 0
    for part in slices(source, Window(start_ns=start_ns, end_ns=window.end_ns)):
        tables = {signal: source.rows(signal, part) for signal in SIGNALS}
        letters = target.put(tables["spans"], tables["logs"], (), part)
        rejected(letters)
        result.rejected += len(letters)
        for signal, table in tables.items():
            result.copied[signal] += len(table)
            waiting += len(table)
        if waiting >= STEP_ROWS:
            waiting = 0
            target.settle()
            _note(note, Place(window=window, done_ns=part.end_ns))
            say(f"{result.copied['spans']:,} spans and {result.copied['logs']:,} log records so far")
    _copy_findings(source, target, window, result)
    target.settle()
    _compare(source, target, window, result, pause)
    if result.is_complete:
        note.unlink(missing_ok=True)
    return result


def slices(side: Side, window: Window) -> Iterator[Window]:
    """Parts of the window, by time, that hold something and fit into memory."""
    rows = sum(side.count(signal, window) for signal in SIGNALS)
    length = window.end_ns - window.start_ns
    if not rows:
        return
    if rows <= ROWS or length <= SHORTEST_NS:
        yield window
        return
    middle = window.start_ns + length // 2
    yield from slices(side, Window(start_ns=window.start_ns, end_ns=middle))
    yield from slices(side, Window(start_ns=middle, end_ns=window.end_ns))


def _copy_findings(source: Side, target: Side, window: Window, result: Result) -> None:
    """The newest state of each; one that the target knows better stays."""
    known = {finding.fingerprint: finding.last_seen_ns for finding in target.findings()}
    due = [
        finding
        for finding in source.findings()
        if finding.last_seen_ns >= window.start_ns
        and known.get(finding.fingerprint, -1) < finding.last_seen_ns
    ]
    if due:
        nothing = Window(start_ns=0, end_ns=0)
        empty = {signal: source.rows(signal, nothing) for signal in SIGNALS}
        target.put(empty["spans"], empty["logs"], due, nothing)
    result.findings = len(due)


def _compare(
    source: Side, target: Side, window: Window, result: Result, pause: Callable[[float], None]
) -> None:
    """Elasticsearch shows what it took within a second or so."""
    result.source = {signal: source.count(signal, window) for signal in SIGNALS}
    for _ in range(int(SETTLING_S / PAUSE_S)):
        result.target = {signal: target.count(signal, window) for signal in SIGNALS}
        if all(result.target[each] >= result.source[each] for each in SIGNALS) or result.rejected:
            return
        pause(PAUSE_S)


def _resumed(note: Path, window: Window) -> int:
    """Where to begin: beyond what a run of such a range has done already."""
    try:
        found = json.loads(note.read_text())
        begun, done = int(found["since_ns"]), int(found["done_ns"])
    except (OSError, ValueError, KeyError, TypeError):
        return window.start_ns
    return done if begun <= window.start_ns <= done <= window.end_ns else window.start_ns


def _note(note: Path, place: Place) -> None:
    note.parent.mkdir(parents=True, exist_ok=True)
    draft = note.with_suffix(".new")
    draft.write_text(json.dumps({"since_ns": place.window.start_ns, "done_ns": place.done_ns}))
    draft.replace(note)
