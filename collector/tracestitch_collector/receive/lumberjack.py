"""The frames of Lumberjack 2, which Filebeat and every other Beat speak to a Logstash: windows of JSON events, compressed
or not, each acknowledged by its last number.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from dataclasses import dataclass

MAX_WINDOW = 65_536
"""Events of one window; Filebeat sends 2,048."""
MAX_BYTES = 32 * 1024 * 1024
"""Of one window, inflated."""
FIRST = b"2"
"""The first byte of each frame: its version. No JSON text begins with it."""
KEEP_WAITING = FIRST + b"A" + struct.pack(">I", 0)
"""An acknowledgement of nothing: the sender waits on instead of sending again."""

_NUMBER = struct.Struct(">I")
_TWO_NUMBERS = struct.Struct(">II")


class BrokenFrameError(ValueError):
    """Not Lumberjack 2. Says what was found instead."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    events: tuple[bytes, ...]
    """JSON, each."""
    last: int
    """The number that acknowledges them all."""

    def acknowledgement(self) -> bytes:
        return FIRST + b"A" + _NUMBER.pack(self.last)


class Windows:
    """Takes bytes as they arrive, gives whole windows."""

    def __init__(self) -> None:
        self._buffer = bytearray()
        self._expected = 0
        self._events: list[bytes] = []
        self._bytes = 0

    def feed(self, part: bytes) -> Iterator[Window]:
        """Raises BrokenFrameError; what follows is of no use then."""
        self._buffer += part
        yield from self._whole(self._buffer)
        if len(self._buffer) > MAX_BYTES + 16:
            raise BrokenFrameError(f"a frame is larger than {MAX_BYTES} bytes")

    def _whole(self, buffer: bytearray) -> Iterator[Window]:
        """Of all whole frames in the buffer, which are taken out of it."""
        while True:
            kind, length = _frame(buffer)
            if not length:
                return
            frame = bytes(buffer[:length])
            del buffer[:length]
            if kind == b"C":
                inflated = bytearray(_inflated(frame[6:]))
                yield from self._whole(inflated)
                if inflated:
                    raise BrokenFrameError("a compressed frame ends within an event")
            elif kind == b"W":
                self._begin(_NUMBER.unpack_from(frame, 2)[0])
            else:
                number, _ = _TWO_NUMBERS.unpack_from(frame, 2)
                yield from self._event(number, frame[10:])

    def _begin(self, count: int) -> None:
        if not 0 < count <= MAX_WINDOW:
            raise BrokenFrameError(f"a window of {count} events; 1 to {MAX_WINDOW} are taken")
        if self._events:
            raise BrokenFrameError("a window begins before the last one is whole")
        self._expected, self._bytes = count, 0

    def _event(self, number: int, event: bytes) -> Iterator[Window]:
        if not self._expected:
            raise BrokenFrameError("an event outside any window")
        self._events.append(event)
        self._bytes += len(event)
        if self._bytes > MAX_BYTES:
            raise BrokenFrameError(f"a window is larger than {MAX_BYTES} bytes")
        if len(self._events) == self._expected:
            window = Window(events=tuple(self._events), last=number)
            self._expected, self._events = 0, []
            yield window


def _frame(buffer: bytearray) -> tuple[bytes, int]:
    """Kind and length of the frame at the beginning; 0 while it is not whole."""
    if len(buffer) < 2:
        return b"", 0
    version, kind = bytes(buffer[:1]), bytes(buffer[1:2])
    if version != FIRST or kind not in (b"W", b"J", b"C"):
        raise BrokenFrameError(
            f"a frame begins with {bytes(buffer[:2])!r}; version 2 with W, J or C is taken"
        )
    head = 10 if kind == b"J" else 6
    if len(buffer) < head:
        return kind, 0
    if kind == b"W":
        return kind, head
    (size,) = _NUMBER.unpack_from(buffer, head - 4)
    if size > MAX_BYTES:
        raise BrokenFrameError(f"a frame of {size} bytes; {MAX_BYTES} are taken at most")
    return kind, head + size if len(buffer) >= head + size else 0


def _inflated(content: bytes) -> bytes:
    inflater = zlib.decompressobj()
    try:
        found = inflater.decompress(content, MAX_BYTES)
    except zlib.error as error:
        raise BrokenFrameError(f"a compressed frame does not inflate: {error}") from error
    if inflater.unconsumed_tail or not inflater.eof:
        raise BrokenFrameError(f"a compressed frame is cut off, or larger than {MAX_BYTES} bytes inflated")
    return found
