"""How long one text of telemetry may be. Longer ones are cut to size, end with a mark that says how much is gone,
and are counted: a single hostile name must not fill the store, every page and every answer with itself.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Final

from tracestitch_collector.decode.values import skip, text
from tracestitch_collector.model import AttributeValue

LIMITS: Final[Mapping[str, int]] = {
    "name": 1_024,  # of a span, an event, a service
    "key": 256,
    "value": 65_536,  # of one attribute, with all that lists and maps in it hold
    "resource value": 4_096,  # stands on every row
    "body": 65_536,  # of a log record, where it is text
    "body map": 262_144,  # where it is a list or a map, as our own inventory is
    "status message": 16_384,
    "trace state": 1_024,
    "severity": 128,
    "scope": 1_024,  # its name, its version, a schema URL
}
"""In characters, by what is cut."""
ATTRIBUTE_BYTES: Final = 1_048_576
"""Of all attributes of one span or log record."""
RESOURCE_BYTES: Final = 16_384
"""Of all attributes of one resource or scope."""
EVENT_BYTES: Final = 1_048_576
"""Of all events and links of one span."""
SHORT_BYTES: Final = 256
"""Of a key and its value together: nothing in it can be over a limit."""

_MARK = 24
"""Room for the mark."""
_ITEM = 8
"""What an item of a list or a map counts beside its text."""


class Cuts:
    """Cuts, and counts what it cut."""

    def __init__(self) -> None:
        self.counts: Counter[str] = Counter()

    def text(self, what: str, raw: bytes) -> str:
        decoded = text(raw)
        return decoded if len(raw) <= LIMITS[what] else self.clip(what, decoded)

    def clip(self, what: str, whole: str, times: int = 1) -> str:
        if len(whole) <= LIMITS[what]:
            return whole
        self.counts[what] += times
        return _clipped(whole, LIMITS[what])

    def value(self, what: str, value: AttributeValue) -> AttributeValue:
        if isinstance(value, str):
            return self.clip(what, value)
        budget = _Budget(LIMITS[what])
        made = budget.taken(value)
        if budget.has_cut:
            self.counts[what] += 1
        return made

    def pair(self, name: str, value: AttributeValue, what: str = "value") -> tuple[str, AttributeValue]:
        return self.clip("key", name), self.value("name" if name == "service.name" else what, value)

    def slimmed(self, buffer: bytes, at: int, end: int, attribute: int, most: int) -> bytes:
        """The message without the attributes (fields with this tag byte) that do not find room, and with one
        that says how many these are. Raises as decoding does."""
        kept = bytearray()
        spent = left_out = 0
        while at < end:
            start, tag = at, buffer[at]
            at = skip(buffer, at)
            if tag == attribute:
                spent += min(at - start, LIMITS["value"])
                if spent > most:
                    left_out += 1
                    continue
            kept += buffer[start:at]
        if left_out:
            self.counts["attributes"] += left_out
            mark = _field(1, b"tracestitch.cut") + _field(2, _field(1, f"{left_out} attributes".encode()))
            kept += bytes((attribute, len(mark))) + mark
        return bytes(kept)


class _Budget:
    """Characters that a value with others inside may take."""

    def __init__(self, left: int) -> None:
        self._left = left
        self.has_cut = False

    def taken(self, value: AttributeValue) -> AttributeValue:
        if isinstance(value, str):
            return self._text(value)
        if isinstance(value, bytes):
            return self._bytes(value)
        if isinstance(value, tuple):
            return self._list(value)
        if isinstance(value, Mapping):
            return self._map(value)
        return value

    def _has_room(self, size: int) -> bool:
        room = self._left
        self._left -= size
        self.has_cut = self.has_cut or size > room
        return size <= room

    def _text(self, whole: str) -> str:
        room = self._left
        return whole if self._has_room(len(whole)) else _clipped(whole, room)

    def _bytes(self, whole: bytes) -> bytes:
        room = max(0, self._left)
        return whole if self._has_room(len(whole)) else whole[:room] + _mark(len(whole) - room).encode()

    def _list(self, items: tuple[AttributeValue, ...]) -> AttributeValue:
        found: list[AttributeValue] = []
        for item in items:
            if not self._has_room(_ITEM):
                found.append(f"… [{len(items) - len(found)} items cut]")
                break
            found.append(self.taken(item))
        return tuple(found)

    def _map(self, items: Mapping[str, AttributeValue]) -> AttributeValue:
        found: dict[str, AttributeValue] = {}
        for key, item in items.items():
            short = _clipped(key, LIMITS["key"]) if len(key) > LIMITS["key"] else key
            self.has_cut = self.has_cut or short is not key
            if not self._has_room(_ITEM + len(short)):
                found["…"] = f"[{len(items) - len(found)} items cut]"
                break
            found[short] = self.taken(item)
        return found


def _clipped(whole: str, limit: int) -> str:
    kept = whole[: max(0, limit - _MARK)]
    return kept + _mark(len(whole[len(kept) :].encode("utf-8", "replace")))


def _mark(size: int) -> str:
    for unit, name in ((1_000_000, "MB"), (1_000, "kB")):
        if size >= unit:
            return f"… [{size / unit:.0f} {name} cut]"
    return f"… [{size} B cut]"


def _field(number: int, content: bytes) -> bytes:
    """Of fewer than 128 bytes."""
    return bytes((number << 3 | 2, len(content))) + content
