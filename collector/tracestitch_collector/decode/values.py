"""Protobuf's wire format as far as OTLP needs it: lengths, numbers, and the values of attributes.

Plain typed Python without any other library, so that mypyc can compile it as it stands.
"""

from __future__ import annotations

import struct
from typing import Final

from tracestitch_collector.model import AttributeValue

INT64_MAX: Final = 2**63 - 1
MAX_DEPTH: Final = 100
"""Of lists and maps in a value. The receiver lets fewer pass; compiled, nothing else would stop a recursion."""


class MalformedError(Exception):
    """The bytes are not the message that they were said to be."""


def varint(buffer: bytes, at: int) -> tuple[int, int]:
    """The unsigned number at this offset and the offset after it."""
    byte = buffer[at]
    if byte < 128:
        return byte, at + 1
    value = byte & 127
    shift = 7
    while True:
        at += 1
        byte = buffer[at]
        value += (byte & 127) * 2**shift
        if byte < 128:
            return value % 2**64, at + 1
        shift += 7
        if shift > 63:
            raise MalformedError("a number is longer than 64 bits")


def signed(value: int) -> int:
    """Two's complement of 64 bits."""
    return value - 2**64 if value > INT64_MAX else value


def fixed64(buffer: bytes, at: int) -> int:
    """An unsigned time, at most what a signed column holds."""
    return min(int.from_bytes(buffer[at : at + 8], "little"), INT64_MAX)


def skip(buffer: bytes, at: int) -> int:
    """The offset after the field (tag and all) at this one, whatever it is."""
    tag, at = varint(buffer, at)
    kind = tag & 7
    if kind == 0:
        return varint(buffer, at)[1]
    if kind == 1:
        return at + 8
    if kind == 2:
        length, at = varint(buffer, at)
        return at + length
    if kind == 5:
        return at + 4
    raise MalformedError(f"wire type {kind} does not occur in OTLP")


def text(raw: bytes) -> str:
    """UTF-8 with what is none of it marked: what was acknowledged is kept."""
    return str(raw, "utf-8", "replace")


def span_of(buffer: bytes, at: int, end: int) -> tuple[int, int]:
    """Start and end of a length-delimited field whose length stands at this offset."""
    length, start = varint(buffer, at)
    stop = start + length
    if stop > end:
        raise MalformedError("a field is longer than its message")
    return start, stop


def any_value(buffer: bytes, at: int, end: int, depth: int = 0) -> AttributeValue:
    """An AnyValue; None where it is empty. The last of several values counts, as in protobuf."""
    if depth > MAX_DEPTH:
        raise MalformedError(f"a value is nested more than {MAX_DEPTH} levels deep")
    value: AttributeValue = None
    while at < end:
        tag = buffer[at]
        if tag == 0x0A:
            at, stop = span_of(buffer, at + 1, end)
            value, at = text(buffer[at:stop]), stop
        elif tag == 0x18:
            number, at = varint(buffer, at + 1)
            value = signed(number)
        elif tag == 0x10:
            number, at = varint(buffer, at + 1)
            value = number != 0
        elif tag == 0x21:
            (value,) = struct.unpack_from("<d", buffer, at + 1)
            at += 9
        elif tag == 0x2A:
            at, stop = span_of(buffer, at + 1, end)
            value, at = array(buffer, at, stop, depth + 1), stop
        elif tag == 0x32:
            at, stop = span_of(buffer, at + 1, end)
            value, at = dict(key_values(buffer, at, stop, depth + 1)), stop
        elif tag == 0x3A:
            at, stop = span_of(buffer, at + 1, end)
            value, at = buffer[at:stop], stop
        else:
            at = skip(buffer, at)
    if at != end:
        raise MalformedError("a value is longer than its field")
    return value


def array(buffer: bytes, at: int, end: int, depth: int) -> tuple[AttributeValue, ...]:
    found: list[AttributeValue] = []
    while at < end:
        if buffer[at] == 0x0A:
            at, stop = span_of(buffer, at + 1, end)
            found.append(any_value(buffer, at, stop, depth))
            at = stop
        else:
            at = skip(buffer, at)
    return tuple(found)


def key_values(buffer: bytes, at: int, end: int, depth: int) -> list[tuple[str, AttributeValue]]:
    """The pairs of a KeyValueList."""
    found: list[tuple[str, AttributeValue]] = []
    while at < end:
        if buffer[at] == 0x0A:
            at, stop = span_of(buffer, at + 1, end)
            found.append(key_value(buffer, at, stop, depth))
            at = stop
        else:
            at = skip(buffer, at)
    return found


def key_value(buffer: bytes, at: int, end: int, depth: int = 0) -> tuple[str, AttributeValue]:
    key = ""
    value: AttributeValue = None
    while at < end:
        tag = buffer[at]
        if tag == 0x0A:
            at, stop = span_of(buffer, at + 1, end)
            key, at = text(buffer[at:stop]), stop
        elif tag == 0x12:
            at, stop = span_of(buffer, at + 1, end)
            value, at = any_value(buffer, at, stop, depth), stop
        else:
            at = skip(buffer, at)
    return key, value
