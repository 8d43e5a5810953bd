"""OTLP metrics as points: one walk over a request, for the output that exposes them to Prometheus."""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Literal, TypeAlias

from tracestitch_collector.decode.values import MalformedError, key_value, signed, span_of, text, varint
from tracestitch_collector.model import AttributeValue

Kind: TypeAlias = Literal["gauge", "sum", "histogram", "exponential", "summary"]
Pairs: TypeAlias = tuple[tuple[str, AttributeValue], ...]

DELTA = 1
_KINDS: dict[int, Kind] = {5: "gauge", 7: "sum", 9: "histogram", 10: "exponential", 11: "summary"}
_ATTRIBUTES = {"gauge": 7, "sum": 7, "histogram": 9, "exponential": 1, "summary": 7}
_EXEMPLARS = {"gauge": 5, "sum": 5, "histogram": 8, "exponential": 11}
_FLAGS = {"gauge": 8, "sum": 8, "histogram": 10, "exponential": 10, "summary": 8}


@dataclass(frozen=True, slots=True, kw_only=True)
class Measurement:
    """An exemplar: one value and the span in which it was measured."""

    value: float
    trace_id: str
    span_id: str


@dataclass(slots=True, kw_only=True)
class Point:
    """One data point of any kind; what its kind does not have is left at nothing."""

    attributes: Pairs = ()
    start_ns: int = 0
    time_ns: int = 0
    value: float = 0.0
    """Of a gauge or a sum."""
    count: int = 0
    sum: float = 0.0
    bounds: tuple[float, ...] = ()
    counts: tuple[int, ...] = ()
    """A histogram's buckets, not cumulated: one more than bounds."""
    scale: int = 0
    zero_count: int = 0
    positive: tuple[int, tuple[int, ...]] = (0, ())
    negative: tuple[int, tuple[int, ...]] = (0, ())
    """An exponential histogram's: the offset of the first bucket, and the counts from there on."""
    quantiles: tuple[tuple[float, float], ...] = ()
    exemplars: tuple[Measurement, ...] = ()
    is_empty: bool = False
    """Its sender says that there is no value now."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One metric of one resource and scope, with its points."""

    resource: Pairs
    scope: str
    scope_version: str
    name: str
    description: str
    unit: str
    kind: Kind
    is_delta: bool
    is_monotonic: bool
    points: tuple[Point, ...]


def streams(body: bytes) -> Iterator[Stream]:
    """Every metric of an export request. Raises MalformedError, IndexError or struct.error on other bytes."""
    for number, group in _messages(body):
        if number != 1:
            continue
        resource: Pairs = ()
        scopes = []
        for inner, part in _messages(group):
            if inner == 1:
                resource += _pairs(part, 1)
            elif inner == 2:
                scopes.append(part)
        for scope in scopes:
            yield from _scope(scope, resource)


def _scope(group: bytes, resource: Pairs) -> Iterator[Stream]:
    name = version = ""
    metrics = []
    for number, part in _messages(group):
        if number == 1:
            texts = {inner: text(value) for inner, value in _messages(part) if inner in (1, 2)}
            name, version = texts.get(1, ""), texts.get(2, "")
        elif number == 2:
            metrics.append(part)
    for metric in metrics:
        yield from _metric(metric, resource, name, version)


def _metric(metric: bytes, resource: Pairs, scope: str, scope_version: str) -> Iterator[Stream]:
    texts: dict[int, str] = {}
    for number, part in _messages(metric):
        if number in (1, 2, 3):
            texts[number] = text(part)
    for number, part in _messages(metric):
        kind = _KINDS.get(number)
        if kind is None:
            continue
        temporality = monotonic = 0
        points = []
        for inner, value in _fields(part):
            if inner == 1 and isinstance(value, bytes):
                points.append(_point(value, kind))
            elif inner == 2 and isinstance(value, int):
                temporality = value
            elif inner == 3 and isinstance(value, int):
                monotonic = value
        yield Stream(
            resource=resource,
            scope=scope,
            scope_version=scope_version,
            name=texts.get(1, ""),
            description=texts.get(2, ""),
            unit=texts.get(3, ""),
            kind=kind,
            is_delta=temporality == DELTA,
            is_monotonic=bool(monotonic),
            points=tuple(points),
        )


def _point(buffer: bytes, kind: Kind) -> Point:
    point = Point()
    attributes: list[tuple[str, AttributeValue]] = []
    exemplars: list[Measurement] = []
    for number, value in _fields(buffer):
        if number == _ATTRIBUTES[kind] and isinstance(value, bytes):
            attributes.append(key_value(value, 0, len(value)))
        elif number == 2:
            point.start_ns = _fixed(value)
        elif number == 3:
            point.time_ns = _fixed(value)
        elif number == _FLAGS[kind] and isinstance(value, int):
            point.is_empty = bool(value & 1)
        elif number == _EXEMPLARS.get(kind) and isinstance(value, bytes):
            exemplars.append(_measurement(value))
        else:
            _OF_KIND[kind](point, number, value)
    point.attributes = tuple(attributes)
    point.exemplars = tuple(exemplars)
    return point


def _number(point: Point, number: int, value: int | bytes) -> None:
    if number == 4:
        point.value = _double(value)
    elif number == 6:
        point.value = float(signed(_fixed(value)))


def _histogram(point: Point, number: int, value: int | bytes) -> None:
    if number == 4:
        point.count = _fixed(value)
    elif number == 5:
        point.sum = _double(value)
    elif number == 6 and isinstance(value, bytes):
        point.counts += _integers(value)
    elif number == 7 and isinstance(value, bytes):
        point.bounds += _doubles(value)


def _summary(point: Point, number: int, value: int | bytes) -> None:
    if number == 4:
        point.count = _fixed(value)
    elif number == 5:
        point.sum = _double(value)
    elif number == 6 and isinstance(value, bytes):
        parts = dict(_fields(value))
        point.quantiles += ((_double(parts.get(1, bytes(8))), _double(parts.get(2, bytes(8)))),)


def _exponential(point: Point, number: int, value: int | bytes) -> None:
    if number == 4:
        point.count = _fixed(value)
    elif number == 5:
        point.sum = _double(value)
    elif number == 6 and isinstance(value, int):
        point.scale = _zigzag(value)
    elif number == 7:
        point.zero_count = _fixed(value)
    elif number == 8 and isinstance(value, bytes):
        point.positive = _buckets(value)
    elif number == 9 and isinstance(value, bytes):
        point.negative = _buckets(value)


_OF_KIND: dict[Kind, Callable[[Point, int, int | bytes], None]] = {
    "gauge": _number,
    "sum": _number,
    "histogram": _histogram,
    "exponential": _exponential,
    "summary": _summary,
}


def _buckets(buffer: bytes) -> tuple[int, tuple[int, ...]]:
    offset = 0
    counts: list[int] = []
    for number, value in _fields(buffer):
        if number == 1 and isinstance(value, int):
            offset = _zigzag(value)
        elif number == 2 and isinstance(value, int):
            counts.append(value)
        elif number == 2 and isinstance(value, bytes):
            at = 0
            while at < len(value):
                count, at = varint(value, at)
                counts.append(count)
    return offset, tuple(counts)


def _measurement(buffer: bytes) -> Measurement:
    found = dict(_fields(buffer))
    number = _double(found[3]) if 3 in found else float(signed(_fixed(found.get(6, bytes(8)))))
    return Measurement(value=number, trace_id=_id(found.get(5, b""), 16), span_id=_id(found.get(4, b""), 8))


def _id(value: int | bytes, size: int) -> str:
    return value.hex() if isinstance(value, bytes) and len(value) == size else ""


def _pairs(buffer: bytes, field: int) -> Pairs:
    return tuple(key_value(part, 0, len(part)) for number, part in _messages(buffer) if number == field)


def _messages(buffer: bytes) -> Iterator[tuple[int, bytes]]:
    for number, value in _fields(buffer):
        if isinstance(value, bytes):
            yield number, value


def _fields(buffer: bytes) -> Iterator[tuple[int, int | bytes]]:
    """Field numbers with their values: numbers as they are, everything of a length as its bytes, 8-byte numbers
    too, since only the field knows what they mean."""
    at, end = 0, len(buffer)
    while at < end:
        tag, at = varint(buffer, at)
        kind = tag & 7
        if kind == 2:
            at, stop = span_of(buffer, at, end)
            yield tag >> 3, buffer[at:stop]
            at = stop
        elif kind == 0:
            number, at = varint(buffer, at)
            yield tag >> 3, number
        elif kind in (1, 5):
            size = 8 if kind == 1 else 4
            if at + size > end:
                raise MalformedError("a number ends in the middle")
            yield tag >> 3, buffer[at : at + size]
            at += size
        else:
            raise MalformedError(f"wire type {kind} does not occur in OTLP")


def _fixed(value: int | bytes) -> int:
    """A time or a count: fixed64, unsigned."""
    return value if isinstance(value, int) else int.from_bytes(value[:8], "little")


def _double(value: int | bytes) -> float:
    number: float = struct.unpack("<d", value)[0] if isinstance(value, bytes) and len(value) == 8 else 0.0
    return number


def _integers(packed: bytes) -> tuple[int, ...]:
    return struct.unpack(f"<{len(packed) // 8}Q", packed[: len(packed) // 8 * 8])


def _doubles(packed: bytes) -> tuple[float, ...]:
    return struct.unpack(f"<{len(packed) // 8}d", packed[: len(packed) // 8 * 8])


def _zigzag(number: int) -> int:
    number %= 2**32
    return (number >> 1) ^ -(number & 1)
