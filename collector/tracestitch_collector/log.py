"""The write-ahead log: requests as they were received, durable before they are acknowledged.

A log is a folder of segments, each named by the position of its first byte. A position is a byte offset over
all segments; it only grows and is never used twice, so a reader's position stays true whatever happens to
the tail. One process writes (a file lock sees to it), any number read.
"""

from __future__ import annotations

import fcntl
import itertools
import os
import struct
import zlib
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import IntEnum
from pathlib import Path

from tracestitch_collector.errors import BadConfiguration, Unavailable

MIB = 1024 * 1024
SEGMENT_BYTES = 64 * MIB
MAX_BYTES = 1024 * MIB
MAX_BODY_BYTES = 128 * MIB
"""No writer makes a longer record: a header that claims one is damage."""

_MAGIC = b"\xf5TSr"  # 0xf5 never occurs in UTF-8 text
_HEADER = struct.Struct("<4sIIBBxxQ16s")
_CHECK = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CHECK.size
_GZIP = 1
_sync = getattr(os, "fdatasync", os.fsync)  # macOS has only the slower one
_BUFFERS_PER_WRITE = 512  # below every system's IOV_MAX


class Kind(IntEnum):
    """What the body is: an OTLP request in protobuf, or a JSON list of finding documents."""

    TRACES = 1
    LOGS = 2
    METRICS = 3
    FINDINGS = 4


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRecord:
    kind: Kind
    body: bytes
    """As received: still compressed where `gzip`."""
    gzip: bool = False
    received_ns: int
    digest: bytes
    """blake2b of the inflated body, 16 bytes: the request's identity."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    kind: Kind
    gzip: bool
    received_ns: int
    digest: bytes
    body: bytes
    end: int
    """The position after the record."""


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


def trim(folder: Path, position: int) -> int:
    """Deletes the segments that lie wholly below the position, never the last one. Returns how many."""
    segments = _segments(folder)
    below = [old for old, following in itertools.pairwise(segments) if following.first <= position]
    for segment in below:
        segment.path.unlink(missing_ok=True)
    return len(below)


def _encode(record: PendingRecord) -> tuple[bytes, bytes]:
    if len(record.digest) != 16 or len(record.body) > MAX_BODY_BYTES:
        raise ValueError(f"not a log record: digest {len(record.digest)} B, body {len(record.body)} B")
    header = _HEADER.pack(
        _MAGIC,
        len(record.body),
        zlib.crc32(record.body),
        record.kind,
        _GZIP if record.gzip else 0,
        record.received_ns,
        record.digest,
    )
    return header + _CHECK.pack(zlib.crc32(header)), record.body


@dataclass(frozen=True, slots=True)
class _Header:
    length: int
    body_crc: int
    kind: int
    gzip: bool
    received_ns: int
    digest: bytes


def _decode_header(buffer: bytes, at: int) -> _Header | None:
    """The header at this offset, None where there is none. Its own checksum makes the length trustworthy."""
    if len(buffer) - at < HEADER_BYTES or buffer[at : at + 4] != _MAGIC:
        return None
    (check,) = _CHECK.unpack_from(buffer, at + _HEADER.size)
    if zlib.crc32(buffer[at : at + _HEADER.size]) != check:
        return None
    _, length, body_crc, kind, flags, received_ns, digest = _HEADER.unpack_from(buffer, at)
    if length > MAX_BODY_BYTES or not Kind.TRACES <= kind <= Kind.FINDINGS:
        return None
    return _Header(length, body_crc, kind, bool(flags & _GZIP), received_ns, digest)


def _find_header(buffer: bytes, start: int) -> int:
    """Offset of the next whole header, -1 when there is none."""
    at = buffer.find(_MAGIC, start)
    while at >= 0 and _decode_header(buffer, at) is None:
        at = buffer.find(_MAGIC, at + 1)
    return at


@dataclass(frozen=True, slots=True)
class _Damage:
    """Bytes [start, end) of a buffer that are no record, with good ones after them."""

    start: int
    end: int


def _scan(buffer: bytes, base: int, *, sealed: bool) -> Iterator[Record | _Damage]:
    """Records of a buffer that begins at position `base`. What follows the last whole record is damage only
    if the buffer is `sealed`; otherwise it may be unfinished, and the scan just ends there."""
    at = 0
    while at < len(buffer):
        header = _decode_header(buffer, at)
        # A sound header's length is trusted before any search: a body may hold bytes that look like a record.
        end = at + HEADER_BYTES + header.length if header else _find_header(buffer, at + 1)
        if header and end <= len(buffer):
            record = _record(header, buffer[at + HEADER_BYTES : end], base + end)
            if record:
                yield record
                at = end
                continue
        if not at < end < len(buffer):
            if sealed:
                yield _Damage(at, len(buffer))
            return
        yield _Damage(at, end)
        at = end


def _record(header: _Header, body: bytes, end: int) -> Record | None:
    if zlib.crc32(body) != header.body_crc:
        return None
    return Record(
        kind=Kind(header.kind),
        gzip=header.gzip,
        received_ns=header.received_ns,
        digest=header.digest,
        body=body,
        end=end,
    )


class LogWriter:
    """Appends records. One per folder: a second one raises BadConfiguration."""

    def __init__(
        self, folder: Path, *, segment_bytes: int = SEGMENT_BYTES, max_bytes: int = MAX_BYTES
    ) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self._folder = folder
        self._segment_bytes = segment_bytes
        self._max_bytes = max_bytes
        self._lock = _lock(folder)
        self._file = -1
        self._first = 0
        self._size = 0
        self._torn = False
        self._bytes = 0
        self._recover()

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
        buffers = [part for record in records for part in _encode(record)]
        added = sum(map(len, buffers))
        self._check_room(added)
        try:
            if self._torn:
                self._begin_segment_after_tear()
            elif self._size >= self._segment_bytes:
                full = self._file
                self._begin_segment(self.position)
                os.close(full)
            _write_all(self._file, buffers)
            _sync(self._file)
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
        for item in _scan(content, last.first, sealed=False):
            if isinstance(item, Record):
                end = item.end
        self._first = last.first
        self._file = os.open(last.path, os.O_WRONLY | os.O_APPEND | os.O_CLOEXEC)
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
                os.ftruncate(torn, keep)
                os.fsync(torn)
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
        file = os.open(path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            _sync_folder(self._folder)
        except OSError:
            os.close(file)
            raise
        self._file, self._first, self._size = file, first, 0


class LogReader:
    """Reads a log from a position on, while it is being written or not."""

    def __init__(self, folder: Path, position: int) -> None:
        self._folder = folder
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
        segment, _ = self._locate()
        if segment is None:
            return
        file = os.open(segment.path, os.O_RDONLY | os.O_CLOEXEC)
        try:
            _sync(file)
        finally:
            os.close(file)

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
            header = _decode_header(content, 0)
            needed = HEADER_BYTES + header.length + 1 if header else size - start  # damage: search it all
            if content and needed > len(content):
                content = os.pread(file.fileno(), needed, start)
        return content, start + len(content) >= size

    def _take(self, content: bytes, *, sealed: bool) -> list[Record]:
        base = self.position
        records = []
        for item in _scan(content, base, sealed=sealed):
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


def _sync_folder(folder: Path) -> None:
    file = os.open(folder, os.O_RDONLY | os.O_CLOEXEC)
    try:
        os.fsync(file)
    finally:
        os.close(file)


def _write_all(file: int, buffers: list[bytes]) -> None:
    for begin in range(0, len(buffers), _BUFFERS_PER_WRITE):
        part = buffers[begin : begin + _BUFFERS_PER_WRITE]
        written = os.writev(file, part)
        if written < sum(map(len, part)):
            rest = memoryview(b"".join(part))[written:]
            while rest:
                rest = rest[os.write(file, rest) :]
