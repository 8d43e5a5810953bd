"""What the log keeps for a second store (`--also`), so that it may lag or be away without holding up the first one:
everything it has not covered, up to a share of the log. What had to be given up is written down, told, and can be
copied from the first store later.
"""

from __future__ import annotations

import json
import os
import threading
from collections.abc import Callable, Iterable
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from tracestitch_collector.log import LogReader, segment_starts
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.store.store import Offsets

SHARE = 0.5
"""Of --max-log-size: so much may wait for the second store; the rest is for what the first one needs."""
HEADLINE = "The second store lacks telemetry"
ROUNDING_NS = 1_000_000_000


@dataclass(frozen=True, slots=True, kw_only=True)
class Gap:
    """Received in [start_ns, end_ns), and given up for the second store."""

    start_ns: int
    end_ns: int


class SecondStore:
    """Asked by the sync of the first store before it trims the logs, by one thread at a time."""

    def __init__(
        self,
        *,
        first: str,
        name: str,
        data: Path,
        covered: Callable[[], Offsets],
        clock: Callable[[], int],
        limit_bytes: float,
        tally: Tally,
    ) -> None:
        self._first = first
        self._name = name
        self._logs = data / "log"
        self._file = gaps_file(data, name)
        self._as_of = data / "outputs" / f"{name}-as-of.json"
        self._covered = covered
        self._clock = clock
        self._limit_bytes = limit_bytes
        self._tally = tally
        self._lock = threading.Lock()
        self._note_what_was_trimmed_before()
        self._tell()

    def trimmable(self, covered: Offsets) -> Offsets:
        """Up to where each log may be cut when the first store has so much of it."""
        second = self._covered()
        with self._lock:
            found = {
                name: self._position(name, covered.get(name, 0), second.get(name, 0)) for name in covered
            }
            self._note_how_far(covered, second)
            self._tell()
        waiting = sum(max(0, position - second.get(name, 0)) for name, position in covered.items())
        self._tally.queue(self._name, waiting)
        return found

    def _position(self, log: str, first: int, second: int) -> int:
        starts = segment_starts(self._logs / log)
        if not starts:
            return min(first, second)
        second = max(second, starts[0])
        if second >= first or first - second <= self._limit_bytes:
            return min(first, second)
        beginning = min(
            (start for start in starts if second < start <= first and first - start <= self._limit_bytes),
            default=second,
        )
        if beginning > second:
            self._give_up(log, second, beginning)
        return beginning

    def _give_up(self, log: str, start: int, end: int) -> None:
        start_ns, end_ns = (self._received_ns(log, position) for position in (start, end))
        if start_ns and end_ns:
            self._add(Gap(start_ns=start_ns, end_ns=max(end_ns, start_ns + 1)))

    def _received_ns(self, log: str, position: int) -> int:
        records = LogReader(self._logs / log, position).read(1)
        return records[0].received_ns if records else 0

    def _note_how_far(self, first: Offsets, second: Offsets) -> None:
        """Before which moment the second store has everything, for when it is left out for a while."""
        behind = [name for name, position in first.items() if second.get(name, 0) < position]
        times = [self._received_ns(name, second.get(name, 0)) for name in behind]
        _write(self._as_of, min((each for each in times if each), default=self._clock()))

    def _note_what_was_trimmed_before(self) -> None:
        """While nobody asked for a second store, the first one alone said what may go."""
        as_of_ns = _read(self._as_of)
        for log, position in self._covered().items():
            starts = segment_starts(self._logs / log)
            if starts and position < starts[0] and isinstance(as_of_ns, int):
                end_ns = self._received_ns(log, starts[0])
                if end_ns > as_of_ns:
                    self._add(Gap(start_ns=as_of_ns, end_ns=end_ns))

    def _add(self, gap: Gap) -> None:
        """Durable before the log is cut: else nobody would know."""
        write_gaps(self._file, joined([*read_gaps(self._file), gap]))

    def _tell(self) -> None:
        gaps = read_gaps(self._file)
        if not gaps:
            self._tally.alarm(HEADLINE, "")
            return
        self._tally.alarm(
            HEADLINE,
            f"{self._name} was too far behind for the log, and lacks what was received "
            + " and ".join(f"from {moment(gap.start_ns)} to {_end(gap.end_ns)}" for gap in gaps[:3])
            + (f" and {len(gaps) - 3} times more" if len(gaps) > 3 else "")
            + f". {self._first} has it: {self._remedy(gaps)}",
        )

    def _remedy(self, gaps: list[Gap]) -> str:
        span = f"--since {moment(gaps[0].start_ns)} --until {_end(gaps[-1].end_ns)}"
        if self._name != "logstash":
            return f"tracestitch copy --from {self._first} --to {self._name} {span}"
        # Nothing can be copied to Logstash, but to where its pipeline writes, under the same ids.
        copy = f"tracestitch copy --from {self._first} --to elasticsearch {span}, then " * (
            self._first == "embedded"
        )
        return f"{copy}remove {self._file} and start the server again"


def gaps_file(data: Path, store: str) -> Path:
    return data / "outputs" / f"{store}-gaps.json"


def joined(gaps: Iterable[Gap]) -> list[Gap]:
    """By time, those that touch as one."""
    found: list[Gap] = []
    for gap in sorted(gaps, key=lambda each: each.start_ns):
        if found and gap.start_ns <= found[-1].end_ns + ROUNDING_NS:
            last = found.pop()
            gap = Gap(start_ns=last.start_ns, end_ns=max(last.end_ns, gap.end_ns))
        found.append(gap)
    return found


def without(gaps: Iterable[Gap], start_ns: int, end_ns: int) -> list[Gap]:
    """What is left of the gaps once this range was copied."""
    found = []
    for gap in gaps:
        parts = ((gap.start_ns, min(gap.end_ns, start_ns)), (max(gap.start_ns, end_ns), gap.end_ns))
        found += [Gap(start_ns=begin, end_ns=end) for begin, end in parts if begin < end]
    return found


def read_gaps(file: Path) -> list[Gap]:
    try:
        return [Gap(start_ns=int(start), end_ns=int(end)) for start, end in _read(file) or ()]
    except (ValueError, TypeError):
        return []


def write_gaps(file: Path, gaps: Iterable[Gap]) -> None:
    _write(file, [[gap.start_ns, gap.end_ns] for gap in gaps])


def _read(file: Path) -> Any:
    try:
        return json.loads(file.read_text())
    except (OSError, ValueError):
        return None


def _write(file: Path, content: object) -> None:
    file.parent.mkdir(parents=True, exist_ok=True)
    draft = file.with_suffix(".new")
    with draft.open("w") as opened:
        json.dump(content, opened)
        opened.flush()
        os.fsync(opened.fileno())
    draft.replace(file)


def moment(time_ns: int) -> str:
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")


def _end(time_ns: int) -> str:
    """The second in which it ends is part of it."""
    return moment(time_ns + ROUNDING_NS - 1)
