"""OTLP in JSON turned into OTLP in protobuf, so that everything behind knows one form only.

By OTLP's own rules, which are not protobuf's: ids are hex, enums are numbers, names are lowerCamelCase, what is
unknown is ignored. Numbers that no attribute can hold, which real clients send, become empty values and are
counted; whatever else is of the wrong type makes the request undecodable.
"""

from __future__ import annotations

import base64
import binascii
import re
import struct
from collections.abc import Callable, Mapping
from typing import Any, TypeAlias

import orjson

from tracestitch_collector.decode.json_messages import MESSAGES, Field
from tracestitch_collector.receive.limits import MAX_DEPTH, MAX_ELEMENTS, MalformedError, TooLargeError
from tracestitch_collector.receive.wire import varint

_INTEGER = re.compile(r"-?[0-9]{1,20}")
_WRONG_ID = b"\x00"
"""Stands for an id that is not hex: of no valid length, so that it is treated like every other wrong id."""
_SHORT = tuple(bytes((size,)) for size in range(128))
_BOM = b"\xef\xbb\xbf"


MAX_KNOWN = 20_000
MAX_KNOWN_CHARACTERS = 128
"""Of the value of one pair; longer ones seldom repeat."""

_Pairs: TypeAlias = "dict[tuple[str, str, str | int], bytes]"
"""Attributes that came before: key, kind of value and value, with what they become."""


class _OutOfRangeError(ValueError):
    """A number that its type cannot hold."""


class Transcoder:
    """Turns one request after the other, and keeps what attributes become: nearly all come again. Several
    threads may use it at once."""

    def __init__(self) -> None:
        self._known: _Pairs = {}

    def to_protobuf(self, body: bytes, signal: str) -> tuple[bytes, int]:
        """The request of this signal (`traces`, `logs`, `metrics`) in protobuf, and how many attribute values had
        to be left empty. Raises MalformedError, and TooLargeError before it has made more than a request may
        hold."""
        try:
            document = orjson.loads(body.removeprefix(_BOM))
        except orjson.JSONDecodeError as error:
            raise MalformedError(f"the body is not JSON in UTF-8: {error}") from error
        if len(self._known) >= MAX_KNOWN:
            self._known = {}
        turning = _Turning(self._known)
        return turning.message(signal, document), turning.dropped


def to_protobuf(body: bytes, signal: str) -> tuple[bytes, int]:
    """One request alone."""
    return Transcoder().to_protobuf(body, signal)


class _Turning:
    """One request on its way."""

    def __init__(self, known: _Pairs) -> None:
        self.dropped = 0
        self._known = known
        self._depth = 0
        self._elements = 0

    def message(self, name: str, value: Any) -> bytes:
        if not isinstance(value, dict):
            raise MalformedError(f"{name} must be an object, not {_described(value)}")
        if name == "AnyValue":
            return self._any_value(value)
        fields, scalars = MESSAGES[name], _PLAIN_SCALARS[name]
        parts = []
        for key, item in value.items():
            if item is None:
                continue
            scalar = scalars.get(key)
            if scalar is not None:
                parts.append(scalar[0])
                parts.append(_named(scalar[1], key, item))
            elif key in fields:
                parts.append(self._field(fields[key], key, item))
        return b"".join(parts)

    def _field(self, field: Field, key: str, value: Any) -> bytes:
        scalar = _SCALARS.get(field.kind)
        if not field.repeated:
            return self._message_field(field, value)
        if not isinstance(value, list):
            raise MalformedError(f"{key} must be a list, not {_described(value)}")
        self._elements += len(value)
        if self._elements > MAX_ELEMENTS:
            raise TooLargeError(f"the request holds more than {MAX_ELEMENTS} elements")
        if field.kind == "KeyValue":
            return self._pairs(field, value)
        if scalar is None:
            return b"".join([self._message_field(field, item) for item in value])
        if field.kind == "text":
            return b"".join([_scalar_field(field, key, item) for item in value])
        packed = b"".join([_encoded(field, key, item) for item in value])
        return _delimited(field.number, packed)

    def _pairs(self, field: Field, items: list[Any]) -> bytes:
        """Attributes. Those in the usual form are taken from the known ones."""
        tag = _TAGS[field.number << 3 | 2]
        parts = []
        for item in items:
            known = _usual_form(item)
            content = self._known.get(known) if known is not None else None
            if content is None:
                before = self.dropped
                made = self.message("KeyValue", item)
                content = _length(made) + made
                if known is not None and self.dropped == before and len(self._known) < MAX_KNOWN:
                    self._known[known] = content
            parts.append(tag)
            parts.append(content)
        return b"".join(parts)

    def _message_field(self, field: Field, value: Any) -> bytes:
        return _delimited(field.number, self.message(field.kind, value))

    def _any_value(self, value: Mapping[str, Any]) -> bytes:
        """The last of the known members that is not null; empty when there is none."""
        encoded = b""
        for key, item in value.items():
            encode = _VALUES.get(key)
            if encode is None:
                continue
            if item is None:
                self.dropped += key == "doubleValue"  # how some clients send NaN
                continue
            try:
                encoded = encode(self, item)
            except _OutOfRangeError:
                self.dropped += 1
            except MalformedError as error:
                if key in _CONTAINERS:
                    raise  # names itself; a name per level would bury it
                raise MalformedError(f"{key} {error}") from error
        return encoded

    def _nested(self, number: int, name: str, value: Any) -> bytes:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise MalformedError(f"a value is nested more than {MAX_DEPTH} levels deep")
        encoded = _delimited(number, self.message(name, value))
        self._depth -= 1
        return encoded


def _usual_form(item: Any) -> tuple[str, str, str | int] | None:
    """Key, kind of value and value, where these are all there is and equal ones always become the same bytes."""
    if type(item) is not dict or len(item) != 2:
        return None
    (first, key), (second, value) = item.items()
    if (
        first != "key"
        or second != "value"
        or type(key) is not str
        or type(value) is not dict
        or len(value) != 1
    ):
        return None
    ((kind, content),) = value.items()
    # 1 and true are equal as keys of a dictionary, so each kind keeps to its own types.
    if kind == "stringValue":
        is_usual = type(content) is str and len(content) <= MAX_KNOWN_CHARACTERS
    elif kind == "intValue":
        is_usual = type(content) is int or (type(content) is str and len(content) <= MAX_KNOWN_CHARACTERS)
    else:
        is_usual = kind == "boolValue" and type(content) is bool
    return (key, kind, content) if is_usual else None


def _described(value: Any) -> str:
    names = {
        dict: "an object",
        list: "a list",
        str: "text",
        bool: "a boolean",
        type(None): "null",
        float: "a fraction",
    }
    return names.get(type(value), "a number")


def _delimited(number: int, content: bytes) -> bytes:
    return _TAGS[number << 3 | 2] + _length(content) + content


def _length(content: bytes) -> bytes:
    size = len(content)
    return _SHORT[size] if size < 128 else varint(size)


def _text(value: Any) -> bytes:
    if not isinstance(value, str):
        raise MalformedError(f"must be text, not {_described(value)}")
    encoded = value.encode()
    return _length(encoded) + encoded


def _hex(value: Any) -> bytes:
    if not isinstance(value, str):
        raise MalformedError(f"must be text, not {_described(value)}")
    try:
        encoded = binascii.unhexlify(value)
    except ValueError:
        encoded = _WRONG_ID
    return _length(encoded) + encoded


def _base64(value: Any) -> bytes:
    """Standard or URL-safe, padded or not."""
    if not isinstance(value, str):
        raise MalformedError(f"must be base64 text, not {_described(value)}")
    plain = value.rstrip("=").replace("-", "+").replace("_", "/")
    try:
        encoded = base64.b64decode(plain + "=" * (-len(plain) % 4), validate=True)
    except ValueError as error:
        raise MalformedError(f"must be base64, not {value[:40]!r}") from error
    return _length(encoded) + encoded


def _bool(value: Any) -> bytes:
    if not isinstance(value, bool):
        raise MalformedError(f"must be true or false, not {_described(value)}")
    return b"\x01" if value else b"\x00"


def _integer(value: Any, low: int, high: int) -> int:
    """A number, or text of one."""
    if type(value) is str and len(value) < 20 and value.isdecimal() and value.isascii():
        value = int(value)  # as nearly all come
    if isinstance(value, float):
        # The parser makes a float of -2^63 of every whole number just below it.
        if not value.is_integer() or value <= -(2**63):
            raise _OutOfRangeError(f"must be a whole number from {low} to {high}, not {value}")
        value = int(value)
    elif isinstance(value, str):
        if not _INTEGER.fullmatch(value):
            raise MalformedError(f"must be a number, not {value[:40]!r}")
        value = int(value)
    elif not isinstance(value, int) or isinstance(value, bool):
        raise MalformedError(f"must be a number, not {_described(value)}")
    if not low <= value <= high:
        raise _OutOfRangeError(f"must be from {low} to {high}, not {str(value)[:40]}")
    return int(value)


def _enum(value: Any) -> bytes:
    if not isinstance(value, int) or isinstance(value, bool):
        raise MalformedError(f"must be a number (enums have no names in OTLP), not {_described(value)}")
    return varint(_integer(value, -(2**31), 2**31 - 1) & 0xFFFF_FFFF_FFFF_FFFF)


def _int64(value: Any) -> bytes:
    return varint(_integer(value, -(2**63), 2**63 - 1) & 0xFFFF_FFFF_FFFF_FFFF)


def _sint32(value: Any) -> bytes:
    number = _integer(value, -(2**31), 2**31 - 1)
    return varint((number << 1 ^ number >> 31) & 0xFFFF_FFFF)


def _double(value: Any) -> bytes:
    if isinstance(value, str):
        try:
            value = float(value)
        except ValueError as error:
            raise MalformedError(f"must be a number, not {value[:40]!r}") from error
    if not isinstance(value, (int, float)) or isinstance(value, bool):
        raise MalformedError(f"must be a number, not {_described(value)}")
    return struct.pack("<d", value)


_SCALARS: Mapping[str, tuple[int, Callable[[Any], bytes]]] = {
    "text": (2, _text),
    "hex": (2, _hex),
    "bool": (0, _bool),
    "enum": (0, _enum),
    "uint32": (0, lambda value: varint(_integer(value, 0, 2**32 - 1))),
    "uint64": (0, lambda value: varint(_integer(value, 0, 2**64 - 1))),
    "sint32": (0, _sint32),
    "int64": (0, _int64),
    "fixed32": (5, lambda value: _integer(value, 0, 2**32 - 1).to_bytes(4, "little")),
    "fixed64": (1, lambda value: _integer(value, 0, 2**64 - 1).to_bytes(8, "little")),
    "sfixed64": (1, lambda value: struct.pack("<q", _integer(value, -(2**63), 2**63 - 1))),
    "double": (1, _double),
}
"""Wire type and encoder of each."""

_VALUES: Mapping[str, Callable[[_Turning, Any], bytes]] = {
    "stringValue": lambda _, value: b"\x0a" + _text(value),
    "boolValue": lambda _, value: b"\x10" + _bool(value),
    "intValue": lambda _, value: b"\x18" + _int64(value),
    "doubleValue": lambda _, value: b"\x21" + _double(value),
    "arrayValue": lambda turning, value: turning._nested(5, "ArrayValue", value),
    "kvlistValue": lambda turning, value: turning._nested(6, "KeyValueList", value),
    "bytesValue": lambda _, value: b"\x3a" + _base64(value),
}
"""The members of AnyValue."""
_TAGS = tuple(varint(tag) for tag in range(17 * 8))
"""Fields of OTLP have numbers up to 16."""
_CONTAINERS = ("arrayValue", "kvlistValue")


def _named(encode: Callable[[Any], bytes], key: str, value: Any) -> bytes:
    try:
        return encode(value)
    except (MalformedError, _OutOfRangeError) as error:
        raise MalformedError(f"{key} {error}") from error


def _encoded(field: Field, key: str, value: Any) -> bytes:
    return _named(_SCALARS[field.kind][1], key, value)


def _scalar_field(field: Field, key: str, value: Any) -> bytes:
    return _TAGS[field.number << 3 | _SCALARS[field.kind][0]] + _encoded(field, key, value)


_PLAIN_SCALARS: Mapping[str, Mapping[str, tuple[bytes, Callable[[Any], bytes]]]] = {
    name: {
        key: (_TAGS[field.number << 3 | _SCALARS[field.kind][0]], _SCALARS[field.kind][1])
        for key, field in fields.items()
        if field.kind in _SCALARS and not field.repeated
    }
    for name, fields in MESSAGES.items()
}
"""Of each message the fields that hold one scalar, ready to be written: tag and encoder."""
