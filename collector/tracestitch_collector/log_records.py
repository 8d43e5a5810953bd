"""The bytes of one record of the write-ahead log, and how records are found again in what a crash or a bad
disk has left of a segment.
"""

from __future__ import annotations

import hashlib
import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum

MAX_BODY_BYTES = 128 * 1024 * 1024
"""No writer makes a longer record: a header that claims one is damage."""

_MAGIC = b"\xf5TSr"  # 0xf5 never occurs in UTF-8 text
_HEADER = struct.Struct("<4sIIBBxxQ16s")
_CHECK = struct.Struct("<I")
HEADER_BYTES = _HEADER.size + _CHECK.size
_GZIP = 1


class Kind(IntEnum):
    """What the body is: an OTLP request in protobuf, or a JSON list of finding documents."""

    TRACES = 1
    LOGS = 2
    METRICS = 3
    FINDINGS = 4


def identity(content: bytes) -> bytes:
    """What tells a request from every other: 16 bytes of the SHA-256 of its inflated body. Processors have
    instructions for this hash; it costs half of what BLAKE2 does."""
    return hashlib.sha256(content).digest()[:16]


@dataclass(frozen=True, slots=True, kw_only=True)
class PendingRecord:
    kind: Kind
    body: bytes
    """As received: still compressed where `gzip`."""
    gzip: bool = False
    received_ns: int
    digest: bytes
    """Identity of the request: see `identity`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    kind: Kind
    gzip: bool
    received_ns: int
    digest: bytes
    body: bytes
    end: int
    """The position after the record."""


def encode(record: PendingRecord) -> tuple[bytes, bytes]:
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


def decode_header(buffer: bytes, at: int) -> _Header | None:
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
    while at >= 0 and decode_header(buffer, at) is None:
        at = buffer.find(_MAGIC, at + 1)
    return at


@dataclass(frozen=True, slots=True)
class Damage:
    """Bytes [start, end) of a buffer that are no record, with good ones after them."""

    start: int
    end: int


def scan(buffer: bytes, base: int, *, sealed: bool) -> Iterator[Record | Damage]:
    """Records of a buffer that begins at position `base`. What follows the last whole record is damage only
    if the buffer is `sealed`; otherwise it may be unfinished, and the scan just ends there."""
    at = 0
    while at < len(buffer):
        header = decode_header(buffer, at)
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
                yield Damage(at, len(buffer))
            return
        yield Damage(at, end)
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
