"""OTLP on the wire, written by hand: protobuf for spans and logs without protobuf in the app.

Attributes are scrubbed here, at the last moment before the bytes exist; what repeats is encoded once.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from opentelemetry.sdk.trace import ReadableSpan
from opentelemetry.trace import SpanContext

from tracestitch.scrub import scrub_attribute, scrub_text

_MAX_CACHED = 20_000
_MAX_CACHED_LENGTH = 256
_MAX_DEPTH = 12
_fixed64 = struct.Struct("<Q").pack
_fixed32 = struct.Struct("<I").pack
_double = struct.Struct("<d").pack


class LogEntry(NamedTuple):
    """One log record or event on its way out."""

    time_ns: int
    severity_number: int
    severity_text: str
    scope: str
    body: str | Mapping[str, Any]
    attributes: Mapping[str, Any]
    trace_id: int = 0
    span_id: int = 0
    trace_flags: int = 0
    event_name: str = ""


def varint(number: int) -> bytes:
    if number < 0x80:
        return _SMALL[number]
    out = bytearray()
    while number > 0x7F:
        out.append(number & 0x7F | 0x80)
        number >>= 7
    out.append(number)
    return bytes(out)


_SMALL = tuple(bytes((number,)) for number in range(0x80))


def field(tag: bytes, payload: bytes) -> bytes:
    """A length-delimited field."""
    return tag + varint(len(payload)) + payload


def text(tag: bytes, value: str) -> bytes:
    return field(tag, value.encode("utf-8", "replace")) if value else b""


class Encoder:
    """Encodes for one process; `ignores` tells which checks the source line at a location switches off."""

    def __init__(self, ignores: Callable[[str, int], tuple[str, ...]]) -> None:
        self._ignores = ignores
        self._fields: dict[tuple[bytes, str, str], bytes] = {}
        self._keys: dict[str, bytes] = {}

    def traces(self, resource: bytes, spans: Iterable[bytes], scope: bytes) -> bytes:
        """An ExportTraceServiceRequest of spans that are already encoded."""
        scope_spans = field(b"\x0a", scope) + b"".join([field(b"\x12", span) for span in spans])
        return field(b"\x0a", field(b"\x0a", resource) + field(b"\x12", scope_spans))

    def logs(self, resource: bytes, records: Iterable[tuple[str, bytes]]) -> bytes:
        """An ExportLogsServiceRequest; records come as (scope name, encoded record)."""
        by_scope: dict[str, list[bytes]] = {}
        for name, record in records:
            by_scope.setdefault(name, []).append(field(b"\x12", record))
        scopes = [
            field(b"\x12", field(b"\x0a", self.scope(name, "")) + b"".join(encoded))
            for name, encoded in by_scope.items()
        ]
        return field(b"\x0a", field(b"\x0a", resource) + b"".join(scopes))

    def scope(self, name: str, version: str) -> bytes:
        return text(b"\x0a", name) + text(b"\x12", version)

    def resource(self, attributes: Mapping[str, Any]) -> bytes:
        return self._attributes(b"\x0a", attributes)

    def span(self, span: ReadableSpan) -> bytes:
        context = span.get_span_context()
        assert context is not None
        parent = span.parent
        parts = [
            b"\x0a\x10" + context.trace_id.to_bytes(16, "big"),
            b"\x12\x08" + context.span_id.to_bytes(8, "big"),
            _trace_state(context),
            b"\x22\x08" + parent.span_id.to_bytes(8, "big") if parent is not None else b"",
            text(b"\x2a", scrub_text(span.name)),
            b"\x30" + varint(span.kind.value + 1),
            b"\x39" + _fixed64(span.start_time or 0),
            b"\x41" + _fixed64(span.end_time or 0),
            self._attributes(b"\x4a", span._attributes or {}),
            _count(b"\x50", span.dropped_attributes),
        ]
        for event in span.events:
            encoded = b"\x09" + _fixed64(event.timestamp) + text(b"\x12", event.name)
            parts.append(field(b"\x5a", encoded + self._attributes(b"\x1a", event.attributes or {})))
        parts.append(_count(b"\x60", span.dropped_events))
        parts += [field(b"\x6a", self._link(link.context, link.attributes or {})) for link in span.links]
        parts.append(_count(b"\x70", span.dropped_links))
        parts.append(_status(span))
        flags = int(context.trace_flags) | 0x100 | (0x200 if parent is not None and parent.is_remote else 0)
        parts.append(b"\x85\x01" + _fixed32(flags))
        return b"".join(parts)

    def log(self, entry: LogEntry) -> bytes:
        parts = [
            b"\x09" + _fixed64(entry.time_ns),
            b"\x10" + varint(entry.severity_number) if entry.severity_number else b"",
            text(b"\x1a", entry.severity_text),
            field(b"\x2a", self._any(scrub_text(entry.body) if isinstance(entry.body, str) else entry.body)),
            self._attributes(b"\x32", entry.attributes),
        ]
        if entry.trace_id:
            parts.append(b"\x45" + _fixed32(entry.trace_flags))
            parts.append(b"\x4a\x10" + entry.trace_id.to_bytes(16, "big"))
            parts.append(b"\x52\x08" + entry.span_id.to_bytes(8, "big"))
        parts.append(b"\x59" + _fixed64(entry.time_ns))
        parts.append(text(b"\x62", entry.event_name))
        return b"".join(parts)

    def _link(self, context: SpanContext, attributes: Mapping[str, Any]) -> bytes:
        ids = (
            b"\x0a\x10"
            + context.trace_id.to_bytes(16, "big")
            + b"\x12\x08"
            + context.span_id.to_bytes(8, "big")
        )
        flags = int(context.trace_flags) | 0x100 | (0x200 if context.is_remote else 0)
        return ids + _trace_state(context) + self._attributes(b"\x22", attributes) + b"\x35" + _fixed32(flags)

    def _attributes(self, tag: bytes, attributes: Mapping[str, Any]) -> bytes:
        # The SDK's own mapping copies itself behind a lock to be read; an ended span does not change any more.
        attributes = getattr(attributes, "_dict", attributes)
        parts = [self._field(tag, key, value) for key, value in attributes.items()]
        file, line = attributes.get("code.file.path"), attributes.get("code.line.number")
        if isinstance(file, str) and isinstance(line, int):
            ignored = self._ignores(file, line)
            if ignored and "tracestitch.ignore" not in attributes:
                parts.append(self._field(tag, "tracestitch.ignore", ignored))
        return b"".join(parts)

    def _field(self, tag: bytes, key: str, value: Any) -> bytes:
        """One attribute, tag and all; short texts, of which most repeat, are scrubbed and encoded once."""
        if type(value) is not str or len(value) > _MAX_CACHED_LENGTH:
            return field(tag, self._key(key) + field(b"\x12", self._any(scrub_attribute(key, value))))
        known = self._fields.get((tag, key, value))
        if known is None:
            if len(self._fields) > _MAX_CACHED:
                self._fields.clear()
            known = field(tag, self._key(key) + field(b"\x12", self._any(scrub_attribute(key, value))))
            self._fields[tag, key, value] = known
        return known

    def _key(self, key: str) -> bytes:
        known = self._keys.get(key)
        if known is None:
            if len(self._keys) > _MAX_CACHED:
                self._keys.clear()
            known = self._keys[key] = field(b"\x0a", str(key).encode("utf-8", "replace"))
        return known

    def _any(self, value: Any, depth: int = 0) -> bytes:
        if isinstance(value, str):
            return field(b"\x0a", value.encode("utf-8", "replace"))
        if isinstance(value, bool):
            return b"\x10\x01" if value else b"\x10\x00"
        if isinstance(value, int):
            if -(1 << 63) <= value < 1 << 63:
                return b"\x18" + varint(value & 0xFFFF_FFFF_FFFF_FFFF)
            return (
                field(b"\x0a", b"%d" % value) if value.bit_length() < 4096 else text(b"\x0a", hex(value)[:64])
            )
        if isinstance(value, float):
            return b"\x21" + _double(value)
        if isinstance(value, bytes):
            return field(b"\x3a", value)
        if depth > _MAX_DEPTH:
            return text(b"\x0a", "…")
        if isinstance(value, Mapping):
            pairs = [
                (str(key), self._any(scrub_attribute(str(key), item), depth + 1))
                for key, item in value.items()
            ]
            encoded = [field(b"\x0a", self._key(key) + field(b"\x12", item)) for key, item in pairs]
            return field(b"\x32", b"".join(encoded))
        if isinstance(value, list | tuple):
            return field(b"\x2a", b"".join([field(b"\x0a", self._any(item, depth + 1)) for item in value]))
        return b"" if value is None else field(b"\x0a", scrub_text(str(value)).encode("utf-8", "replace"))


def _trace_state(context: SpanContext) -> bytes:
    return text(b"\x1a", context.trace_state.to_header()) if context.trace_state else b""


def _count(tag: bytes, number: int) -> bytes:
    return tag + varint(number) if number else b""


def _status(span: ReadableSpan) -> bytes:
    code = span.status.status_code.value
    if not code:
        return b""
    return field(b"\x7a", text(b"\x12", scrub_text(span.status.description or "")) + b"\x18" + varint(code))
