"""A look at an OTLP request on the wire before it is accepted: is it decodable, is it text where it says text,
how much is in it, which items have ids that cannot be used. Makes no object per item, and stops at the caps.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterator
from dataclasses import dataclass, field

from tracestitch_collector.receive.limits import (
    MAX_DEPTH,
    MAX_ELEMENTS,
    MAX_FIELDS,
    MalformedError,
    TooLargeError,
)
from tracestitch_collector.receive.shapes import (
    ARRAY_VALUE,
    KEY_VALUE,
    KEY_VALUE_LIST,
    METRIC_DATA,
    METRICS,
    RESOURCE,
    SCOPE,
    SINGLE_VALUE,
    TRACES,
    Leaf,
    Shape,
    Signal,
    tag,
)

_REMEMBERED = 50_000
_REMEMBERED_BYTES = 160
_NO_TRACE_ID = bytes(16)
_NO_SPAN_ID = bytes(8)
_ATTRIBUTE = tag(9)
_TEXT = Leaf.TEXT
_BESIDE_SCOPES: Shape = {tag(1): RESOURCE, tag(3): _TEXT}
_BESIDE_ITEMS: Shape = {tag(1): SCOPE, tag(3): _TEXT}

WRONG_TRACE_ID = "a trace_id that is not 16 bytes or is all zero"
WRONG_SPAN_ID = "a span_id that is not 8 bytes or is all zero"
WRONG_PARENT_ID = "a parent_span_id that is not 8 bytes"
WRONG_TEXT = "text that is not UTF-8"


@dataclass(slots=True, kw_only=True)
class Census:
    """What a request holds."""

    items: int = 0
    """Spans, log records or data points, the rejected ones included."""
    elements: int = 0
    fields: int = 0
    rejected: array[int] = field(default_factory=lambda: array("q"))
    """Where in the body the fields of the rejected items begin, ascending."""
    reasons: Counter[str] = field(default_factory=Counter)


class Inspector:
    """Inspects requests. Remembers attributes that it has found sound, since nearly all come again."""

    def __init__(self) -> None:
        self._sound: set[bytes] = set()

    def inspect(self, body: bytes, signal: Signal) -> Census:
        """Raises MalformedError or TooLargeError."""
        census = Census()
        try:
            for start, stop, _ in self._level(body, 0, len(body), tag(1), {}, census):
                for inner, end, _ in self._level(body, start, stop, tag(2), _BESIDE_SCOPES, census):
                    for first, last, at in self._level(body, inner, end, tag(2), _BESIDE_ITEMS, census):
                        self._item(body, first, last, at, signal, census)
        except IndexError as error:
            raise MalformedError("it ends in the middle of a field") from error
        except UnicodeDecodeError as error:
            raise MalformedError("a text is not UTF-8") from error
        return census

    def _level(
        self, buf: bytes, pos: int, end: int, repeated: int, beside: Shape, census: Census
    ) -> Iterator[tuple[int, int, int]]:
        """One of the three outer levels: the repeated messages as (start, stop, where the field begins)."""
        for at, found, start, stop in _fields(buf, pos, end):
            # The outer levels have no scalars: many of them are an attack.
            census.fields += 1 if found else 50
            _check(census)
            if found == repeated:
                census.elements += 1
                yield start, stop, at
            else:
                self._known(buf, start, stop, beside.get(found), 0, census)

    def _item(self, buf: bytes, start: int, stop: int, at: int, signal: Signal, census: Census) -> None:
        try:
            if start == stop and signal is TRACES:
                reason = WRONG_TRACE_ID
            elif signal is TRACES:
                reason = self._span(buf, start, stop, census)
            else:
                reason = ""
                self._message(buf, start, stop, signal.item, 0, census)
        except UnicodeDecodeError:
            if signal is METRICS:
                raise
            reason = WRONG_TEXT
        census.items += _points(buf, start, stop) if signal is METRICS else 1
        if reason:
            census.rejected.append(at)
            census.reasons[reason] += 1

    def _span(self, buf: bytes, pos: int, end: int, census: Census) -> str:
        """Why the span must be rejected, empty when it need not be. The hot loop, hence its form."""
        sound = self._sound
        wrong_parent = False
        trace_id = span_id = b""
        attributes = 0
        budget = spare = MAX_FIELDS - census.fields
        for spare in range(budget, -1, -1):  # noqa: B007 - counts fields at no cost
            if pos >= end:
                break
            found = buf[pos]
            if found & 7 == 2 and 7 < found < 128:
                length = buf[pos + 1]
                pos += 2
                if length > 127:
                    length, pos = _varint(buf, pos - 1)
                stop = pos + length
                if stop > end:
                    raise MalformedError("a field is longer than the message around it")
                if found == _ATTRIBUTE:
                    attributes += 1
                    chunk = buf[pos:stop]
                    if chunk not in sound:
                        self._attribute(chunk, census)
                elif found == 0x2A:  # name
                    buf[pos:stop].decode()
                elif found == 0x0A:
                    trace_id = buf[pos:stop]
                elif found == 0x12:
                    span_id = buf[pos:stop]
                elif found == 0x22:
                    wrong_parent = length != 8 and length != 0
                else:
                    self._known(buf, pos, stop, TRACES.item.get(found), 0, census)
                pos = stop
            elif found == 0x39 or found == 0x41:  # start, end
                pos += 9
            elif found == 0x30 and buf[pos + 1] < 128:  # kind
                pos += 2
            elif found == 0x85 and buf[pos + 1] == 1:  # flags
                pos += 6
            else:
                pos = _skip(buf, pos)
        census.elements += attributes
        census.fields += budget - spare
        _check(census)
        if pos != end:
            raise MalformedError("a field is longer than the message around it")
        if len(trace_id) != 16 or trace_id == _NO_TRACE_ID:
            return WRONG_TRACE_ID
        if len(span_id) != 8 or span_id == _NO_SPAN_ID:
            return WRONG_SPAN_ID
        return WRONG_PARENT_ID if wrong_parent else ""

    def _attribute(self, chunk: bytes, census: Census) -> None:
        before = census.elements
        self._message(chunk, 0, len(chunk), KEY_VALUE, 0, census)
        # Those with lists or maps inside must be counted each time.
        if len(chunk) <= _REMEMBERED_BYTES and census.elements == before:
            if len(self._sound) >= _REMEMBERED:
                self._sound.clear()
            self._sound.add(chunk)

    def _known(
        self, buf: bytes, start: int, stop: int, kind: Leaf | Shape | None, depth: int, census: Census
    ) -> None:
        """Checks one field by what it is; nothing to check where it is not known."""
        if kind is _TEXT:
            buf[start:stop].decode()
        elif isinstance(kind, dict):
            if kind is not SINGLE_VALUE:
                census.elements += 1
            if kind is ARRAY_VALUE or kind is KEY_VALUE_LIST:
                depth += 1
                if depth > MAX_DEPTH:
                    raise MalformedError(f"a value is nested more than {MAX_DEPTH} levels deep")
            self._message(buf, start, stop, kind, depth, census)

    def _message(self, buf: bytes, pos: int, end: int, shape: Shape, depth: int, census: Census) -> None:
        budget = spare = MAX_FIELDS - census.fields
        for spare in range(budget, -1, -1):  # noqa: B007 - counts fields at no cost
            if pos >= end:
                break
            found = buf[pos]
            if found & 7 == 2 and 7 < found < 128:
                length = buf[pos + 1]
                pos += 2
                if length > 127:
                    length, pos = _varint(buf, pos - 1)
                stop = pos + length
                if stop > end:
                    raise MalformedError("a field is longer than the message around it")
                kind = shape.get(found)
                if kind is not None:
                    self._known(buf, pos, stop, kind, depth, census)
                pos = stop
            else:
                pos = _skip(buf, pos)
        census.fields += budget - spare
        _check(census)
        if pos != end:
            raise MalformedError("a field is longer than the message around it")


def _check(census: Census) -> None:
    if census.elements > MAX_ELEMENTS or census.fields >= MAX_FIELDS:
        raise TooLargeError(f"the request holds more than {MAX_ELEMENTS} elements")


def _fields(buf: bytes, pos: int, end: int) -> Iterator[tuple[int, int, int, int]]:
    """The fields of a message as (where it begins, tag byte, start, stop); the tag is 0 for those that are
    not length-delimited or have a number above 15."""
    while pos < end:
        at = pos
        found = buf[pos]
        if found & 7 == 2 and 7 < found < 128:
            length = buf[pos + 1]
            pos += 2
            if length > 127:
                length, pos = _varint(buf, pos - 1)
            stop = pos + length
            if stop > end:
                raise MalformedError("a field is longer than the message around it")
            yield at, found, pos, stop
            pos = stop
        else:
            pos = _skip(buf, pos)
            yield at, 0, pos, pos
    if pos != end:
        raise MalformedError("a field is longer than the message around it")


def _points(buf: bytes, start: int, stop: int) -> int:
    """How many data points a metric holds."""
    return sum(
        1
        for _, outer, data_start, data_stop in _fields(buf, start, stop)
        if outer in METRIC_DATA
        for _, inner, _, _ in _fields(buf, data_start, data_stop)
        if inner == tag(1)
    )


def _varint(buf: bytes, pos: int) -> tuple[int, int]:
    value = shift = 0
    while shift < 70:
        byte = buf[pos]
        pos += 1
        value |= (byte & 127) << shift
        if byte < 128:
            return value, pos
        shift += 7
    raise MalformedError("a number is longer than 10 bytes")


def _skip(buf: bytes, pos: int) -> int:
    """The position after a field that is of no interest."""
    found = buf[pos]
    pos += 1
    if found > 127:
        found, pos = _varint(buf, pos - 1)
    wire = found & 7
    if found >> 3 == 0:
        raise MalformedError("a field has the number 0")
    if wire == 0:
        return pos + 1 if buf[pos] < 128 else _varint(buf, pos)[1]
    if wire == 1:
        return pos + 8
    if wire == 2:
        length, pos = _varint(buf, pos)
        return pos + length
    if wire == 5:
        return pos + 4
    raise MalformedError(f"a field has the wire type {wire}")


def without(body: bytes, rejected: array[int]) -> bytes:
    """The request without the items whose fields begin at these places."""
    gone = set(rejected)
    return _rebuilt(body, 0, len(body), (tag(1), tag(2), tag(2)), gone)


def _rebuilt(body: bytes, start: int, stop: int, levels: tuple[int, ...], gone: set[int]) -> bytes:
    parts = []
    after = start
    for at, found, inner_start, inner_stop in _fields(body, start, stop):
        after = inner_stop
        if found != levels[0]:
            parts.append(body[at:after])
        elif len(levels) > 1:
            inner = _rebuilt(body, inner_start, inner_stop, levels[1:], gone)
            parts.append(bytes([found]) + varint(len(inner)) + inner)
        elif at not in gone:
            parts.append(body[at:after])
    return b"".join(parts)


def varint(value: int) -> bytes:
    """A number from 0 to 2^64-1 as protobuf writes it."""
    out = bytearray()
    while value > 127:
        out.append(value & 127 | 128)
        value >>= 7
    out.append(value)
    return bytes(out)
