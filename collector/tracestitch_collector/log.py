"""The write-ahead log: requests as they were received, durable before they are acknowledged.

A log is a folder of segments, each named by the position of its first byte. A position is a byte offset over
all segments; it only grows and is never used twice, so a reader's position stays true whatever happens to
the tail. One process writes (a file lock sees to it), any number read.
"""

from __future__ import annotations

import fcntl
import itertools
import os
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.files import DISK, Files
from tracestitch_collector.log_records import (
    HEADER_BYTES,
    Kind,
    PendingRecord,
    Record,
    decode_header,
    encode,
    identity,
    scan,
)

__all__ = [
    "HEADER_BYTES",
    "Kind",
    "LogReader",
    "LogWriter",
    "PendingRecord",
    "Record",
    "identity",
    "log_bytes",
    "segment_starts",
    "trim",
]

MIB = 1024 * 1024
SEGMENT_BYTES = 64 * MIB
MAX_BYTES = 1024 * MIB
LEAST_SEGMENTS = 8

_BUFFERS_PER_WRITE = 512  # below every system's IOV_MAX


@dataclass(frozen=True, slots=True)
class _Segment:
    first: int
    path: Path


def _segments(folder: Path) -> list[_Segment]:
    found = (_Segment(int(path.stem), path) for path in folder.glob("*.log") if path.stem.isdecimal())
    return sorted(found, key=lambda segment: segment.first)


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # trimmed meanwhile
        return 0


def log_bytes(folder: Path) -> int:
    """What the log takes on disk."""
    return sum(_size(segment.path) for segment in _segments(folder))


def segment_starts(folder: Path) -> list[int]:
    """Positions at which the log may be cut, the first of them where it begins."""
    return [segment.first for segment in _segments(folder)]


def trim(folder: Path, position: int) -> int:
    """Deletes the segments that lie wholly below the position, never the last one. Returns how many."""
    segments = _segments(folder)
    below = [old for old, following in itertools.pairwise(segments) if following.first <= position]
    for segment in below:
        segment.path.unlink(missing_ok=True)
    return len(below)


class LogWriter:
    """Appends records. One per folder: a second one raises BadConfiguration."""

    def __init__(
        self,
        folder: Path,
        *,
        segment_bytes: int = SEGMENT_BYTES,
        max_bytes: int = MAX_BYTES,
        files: Files = DISK,
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._files = files
        # A log is cut segment by segment: one that is as large as the limit could never be.
        self._segment_bytes = min(segment_bytes, max(1, max_bytes // LEAST_SEGMENTS))
        self._max_bytes = max_bytes
        self._lock = _lock(folder)
        self._file = -1
        self._first = 0
        self._size = 0
        self._torn = False
        self._bytes = 0
        try:
            self._recover()
        except BaseException:
            os.close(self._lock)
            raise

    @property
    def position(self) -> int:
        """After the last record."""
        return self._first + self._size

    @property
    def bytes(self) -> int:
        """What the log takes on disk, as far as this process knows."""
        return self._bytes

    def append(self, records: Sequence[PendingRecord]) -> int:
        """Writes all of the records and makes them durable; returns the position after the last. Raises
        Unavailable with none of them kept when the disk or the log is full or the disk fails."""
        buffers = [part for record in records for part in encode(record)]
        added = sum(map(len, buffers))
        self._check_room(added)
        try:
            if self._torn:
                self._begin_segment_after_tear()
            elif self._size >= self._segment_bytes:
                full = self._file
                self._begin_segment(self.position)
                os.close(full)
            _write_all(self._files, self._file, buffers)
            self._files.sync(self._file)
        except OSError as error:
            self._torn = True
            self._repair()
            raise Unavailable(
                f"the log in {self._folder} cannot be written: {error.strerror}; "
                "free space or check the disk, senders will try again"
            ) from error
        self._size += added
        self._bytes += added
        return self.position

    def close(self) -> None:
        os.close(self._file)
        os.close(self._lock)

    def _check_room(self, added: int) -> None:
        if self._bytes + added <= self._max_bytes:
            return
        self._bytes = log_bytes(self._folder)  # readers trim it from another process
        if self._bytes + added > self._max_bytes:
            raise Unavailable(
                f"the log in {self._folder} is full ({self._bytes} of {self._max_bytes} bytes): the pipeline "
                "is behind; senders will try again, or raise --max-log-size"
            )

    def _recover(self) -> None:
        """Goes to the end of the last whole record. What a crash left behind it is cut off, and writing goes
        on in a new segment, because a reader may already have been past it."""
        segments = _segments(self._folder)
        if not segments:
            self._begin_segment(0)
            return
        last = segments[-1]
        content = last.path.read_bytes()
        end = last.first
        for item in scan(content, last.first, sealed=False):
            if isinstance(item, Record):
                end = item.end
        self._first = last.first
        self._file = self._files.open_to_append(last.path)
        self._size = end - last.first
        self._bytes = log_bytes(self._folder)
        if self._size < len(content):
            self._begin_segment_after_tear()

    def _begin_segment_after_tear(self) -> None:
        """A new segment beyond everything that was ever readable; then the torn bytes are cut off."""
        torn, keep = self._file, self._size
        readable = os.fstat(torn).st_size
        if readable > keep:
            self._begin_segment(self._first + readable)
            try:
                self._files.cut(torn, keep)
            finally:
                os.close(torn)
            self._bytes = log_bytes(self._folder)
        self._torn = False

    def _repair(self) -> None:
        try:
            self._begin_segment_after_tear()
        except OSError:  # tried again before the next append
            self._torn = True

    def _begin_segment(self, first: int) -> None:
        path = self._folder / f"{first:020d}.log"
        file = self._files.open_to_append(path, create=True)
        try:
            self._files.sync_folder(self._folder)
        except OSError:
            os.close(file)
            raise
        self._file, self._first, self._size = file, first, 0


class LogReader:
    """Reads a log from a position on, while it is being written or not."""

    def __init__(self, folder: Path, position: int, *, files: Files = DISK) -> None:
        self._folder = folder
        self._files = files
        self.position = position
        """Where the next record is looked for."""
        self.damaged = 0
        """Runs of bytes that were skipped because they are no record."""
        self.damaged_bytes = 0
        self.damage = ""
        """The last of them in words, empty when there was none."""
        segments = _segments(folder)
        if segments and position > segments[-1].first + _size(segments[-1].path):
            # The log was deleted and begun anew: all of it is new to us.
            self.position = segments[0].first
            self.damage = f"the log in {folder} ends before position {position}; reading it from its start"

    def read(self, max_bytes: int) -> list[Record]:
        """The next whole records, about `max_bytes` of them and at least one; empty when nothing is new."""
        while True:
            segment, following = self._locate()
            if segment is None:
                return []
            try:
                content, at_end = self._content(segment, max_bytes)
            except FileNotFoundError:  # trimmed meanwhile
                continue
            before = self.position
            records = self._take(content, sealed=at_end and following is not None)
            if records:
                return records
            if self.position == before:
                if following is None or not at_end:
                    return []
                self.position = following.first

    def sync(self) -> None:
        """Makes what was read durable, so that a position may be recorded as covered: records are visible
        a moment before their own writer has synced them."""
        position = self.position  # may move on meanwhile: this may be called while another thread reads
        segments = [segment for segment in _segments(self._folder) if segment.first <= position]
        if not segments:
            return
        # What lies before this segment was durable before it was begun.
        self._files.sync_file(segments[-1].path)

    def behind(self) -> int:
        """Bytes of the log that are not read yet."""
        return sum(
            max(0, segment.first + _size(segment.path) - max(self.position, segment.first))
            for segment in _segments(self._folder)
        )

    def _locate(self) -> tuple[_Segment | None, _Segment | None]:
        """The segment that holds the position, and the one after it."""
        segments = _segments(self._folder)
        if not segments:
            return None, None
        index = max((i for i, segment in enumerate(segments) if segment.first <= self.position), default=0)
        self.position = max(self.position, segments[index].first)
        return segments[index], segments[index + 1] if index + 1 < len(segments) else None

    def _content(self, segment: _Segment, max_bytes: int) -> tuple[bytes, bool]:
        """Bytes from the position on, long enough for one whole record, and whether they reach the end."""
        with segment.path.open("rb", buffering=0) as file:
            size = os.fstat(file.fileno()).st_size
            start = self.position - segment.first
            content = os.pread(file.fileno(), max(max_bytes, HEADER_BYTES), start)
            header = decode_header(content, 0)
            needed = HEADER_BYTES + header.length + 1 if header else size - start  # damage: search it all
            if content and needed > len(content):
                content = os.pread(file.fileno(), needed, start)
        return content, start + len(content) >= size

    def _take(self, content: bytes, *, sealed: bool) -> list[Record]:
        base = self.position
        records = []
        for item in scan(content, base, sealed=sealed):
            if isinstance(item, Record):
                records.append(item)
                self.position = item.end
            else:
                self.damaged += 1
                self.damaged_bytes += item.end - item.start
                self.damage = f"{item.end - item.start} bytes at {base + item.start} in {self._folder}"
                self.position = base + item.end
        return records


def _lock(folder: Path) -> int:
    file = os.open(folder / "writer.lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise BadConfiguration(f"another process writes the log in {folder}; stop it first") from error
    return file


def _write_all(files: Files, file: int, buffers: list[bytes]) -> None:
    for begin in range(0, len(buffers), _BUFFERS_PER_WRITE):
        part = buffers[begin : begin + _BUFFERS_PER_WRITE]
        written = files.append(file, part)
        if written < sum(map(len, part)):
            rest = b"".join(part)[written:]
            while rest:
                rest = rest[files.append(file, [rest]) :]
