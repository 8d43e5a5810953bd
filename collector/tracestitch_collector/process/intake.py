"""Requests out of the write-ahead logs, in portions that fit into memory, each request once."""

from __future__ import annotations

import itertools
import sys
from collections import deque
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from tracestitch_collector.decode.decoder import Request, Undecodable, inflated
from tracestitch_collector.log import Kind, LogReader, Record, trim
from tracestitch_collector.store.store import Offsets

READ_BYTES = 4 * 1024 * 1024
MAX_RECORDS = 4_096
"""Of one portion: many small requests, or many that came before, must not keep the others waiting."""
SEEN_NS = 15 * 60 * 1_000_000_000
"""So long a request that comes again is known to be the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Portion:
    """Records that go to the store in one batch."""

    requests: Mapping[Kind, tuple[Request, ...]]
    start: Offsets
    end: Offsets
    records: int
    """Of the log, those that were left out included."""
    size: int
    """Inflated bytes."""
    duplicates: int
    undecodable: tuple[tuple[Kind, Undecodable], ...]
    oldest_ns: int
    """When the oldest of them was received."""
    is_counted: bool = False
    """An earlier process counted it in the metrics already."""

    def single(self) -> list[Portion]:
        """The same as portions of one request each."""
        return [
            replace(self.emptied(), requests={kind: (request,)})
            for kind, requests in self.requests.items()
            for request in requests
        ]

    def emptied(self) -> Portion:
        return replace(self, requests={}, undecodable=())

    def refused(self, reason: str) -> Portion:
        """None of its requests, each of them as one that cannot be stored."""
        letters = tuple(
            (kind, Undecodable(request=request, reason=reason))
            for kind, requests in self.requests.items()
            for request in requests
        )
        return replace(self, requests={}, undecodable=self.undecodable + letters)

    @property
    def digests(self) -> tuple[bytes, ...]:
        return tuple(request.digest for requests in self.requests.values() for request in requests)


@dataclass(slots=True)
class _Gathering:
    requests: dict[Kind, list[Request]] = field(default_factory=dict)
    undecodable: list[tuple[Kind, Undecodable]] = field(default_factory=list)
    records: int = 0
    size: int = 0
    duplicates: int = 0
    oldest_ns: int = 2**63 - 1


class Intake:
    """Tails every log in a folder, from what is covered on. Logs that appear later are taken up too."""

    def __init__(
        self,
        folder: Path,
        covered: Offsets,
        seen: Iterable[bytes],
        now_ns: int,
        counted: Offsets | None = None,
    ) -> None:
        """`counted` is how far an earlier process came in each log; a portion is of before or of after that."""
        self._folder = folder
        self._offsets = dict(covered)
        self._counted = {
            name: position for name, position in (counted or {}).items() if covered.get(name, 0) < position
        }
        self._seen = dict.fromkeys(seen, now_ns)
        self._readers: dict[str, LogReader] = {}
        self._waiting: dict[str, deque[Record]] = {}
        self._turn = 0

    def take(self, max_bytes: int) -> Portion | None:
        """What is new, up to about so many inflated bytes; None when nothing is."""
        start = dict(self._offsets)
        gathering = _Gathering()
        is_counted = bool(self._counted)
        logs = [entry for entry in self._in_turn() if not is_counted or entry[0] in self._counted]
        for index, (name, reader) in enumerate(logs):
            waiting = self._waiting.setdefault(name, deque())
            # What is left is shared among the logs that are left: a busy one must not keep the others waiting.
            most_bytes = gathering.size + (max_bytes - gathering.size) / (len(logs) - index)
            most_records = gathering.records + (MAX_RECORDS - gathering.records) / (len(logs) - index)
            while gathering.size < most_bytes and gathering.records < most_records:
                if not waiting:
                    waiting.extend(reader.read(READ_BYTES))
                if not waiting:
                    break
                record = waiting.popleft()
                self._add(record, gathering)
                self._offsets[name] = record.end
                if record.end >= self._counted.get(name, sys.maxsize):
                    del self._counted[name]
                    break
        if not gathering.records:
            if not is_counted:
                return None
            self._counted = {}  # those logs are gone, or shorter than they were
            return self.take(max_bytes)
        return Portion(
            requests={kind: tuple(requests) for kind, requests in gathering.requests.items()},
            start=start,
            end=dict(self._offsets),
            records=gathering.records,
            size=gathering.size,
            duplicates=gathering.duplicates,
            undecodable=tuple(gathering.undecodable),
            oldest_ns=gathering.oldest_ns,
            is_counted=is_counted,
        )

    def _in_turn(self) -> list[tuple[str, LogReader]]:
        """The logs, each time another one first: it may take most."""
        logs = self._logs()
        self._turn = (self._turn + 1) % max(1, len(logs))
        return logs[self._turn :] + logs[: self._turn]

    def _logs(self) -> list[tuple[str, LogReader]]:
        if self._folder.exists():
            for folder in self._folder.iterdir():
                if folder.is_dir() and folder.name not in self._readers:
                    self._readers[folder.name] = LogReader(folder, self._offsets.get(folder.name, 0))
        return sorted(self._readers.items())

    def _add(self, record: Record, gathering: _Gathering) -> None:
        gathering.records += 1
        gathering.oldest_ns = min(gathering.oldest_ns, record.received_ns)
        if self._is_known(record):
            gathering.duplicates += 1
            return
        try:
            body = inflated(record.body) if record.gzip else record.body
        except ValueError as error:
            raw = Request(body=record.body, digest=record.digest, received_ns=record.received_ns)
            gathering.undecodable.append((record.kind, Undecodable(request=raw, reason=str(error))))
            return
        gathering.size += len(body)
        gathering.requests.setdefault(record.kind, []).append(
            Request(body=body, digest=record.digest, received_ns=record.received_ns)
        )

    def _is_known(self, record: Record) -> bool:
        before = self._seen.get(record.digest)
        if before is not None and record.received_ns - before <= SEEN_NS:
            return True
        self._seen.pop(record.digest, None)  # to the end: `forget` relies on the order
        self._seen[record.digest] = record.received_ns
        return False

    def forget(self, now_ns: int) -> None:
        """Drops what is too old to be sent again, or so far ahead that the clock has been set back since: it would keep
        all that follows."""
        for digest, _ in list(
            itertools.takewhile(lambda item: abs(now_ns - item[1]) > SEEN_NS, self._seen.items())
        ):
            del self._seen[digest]

    def make_durable(self) -> None:
        """What was read may be recorded as covered only once it is on disk itself. Any thread may call this."""
        for reader in list(self._readers.values()):
            reader.sync()

    def trim(self, covered: Offsets) -> None:
        """Removes what no output needs any more. Any thread may call this."""
        for name in list(self._readers):
            trim(self._folder / name, covered.get(name, 0))

    def backlog_bytes(self) -> int:
        waiting = sum(len(record.body) for records in self._waiting.values() for record in records)
        return waiting + sum(reader.behind() for reader in self._readers.values())

    def damage(self) -> tuple[int, str]:
        """Runs of bytes in the logs that were no records, and the last of them in words."""
        readers = self._readers.values()
        texts = [reader.damage for reader in readers if reader.damage]
        return sum(reader.damaged for reader in readers), texts[-1] if texts else ""
