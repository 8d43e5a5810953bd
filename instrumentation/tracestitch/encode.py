"""OTLP on the wire, written by hand: protobuf for spans and logs without protobuf in the app.

Attributes are scrubbed here, at the last moment before the bytes exist; what repeats is encoded once.
"""

import struct
from collections.abc import Callable, Iterable, Mapping
from typing import Any, NamedTuple

from opentelemetry.trace import SpanContext, SpanKind, Status, TraceState

from tracestitch import __version__
from tracestitch.attributes import Shared
from tracestitch.scrub import Scrubbed, scrub_attribute, scrub_bytes, scrub_text
from tracestitch.spans import UNSET, Rarities, Span

# Of the agent's own spans and events.
SCOPE_NAME = "tracestitch"
_MAX_CACHED = 20_000
_MAX_CACHED_LENGTH = 256
_MAX_NAMES = 2_000
_MAX_DEPTH = 12
_fixed64 = struct.Struct("<Q").pack
_fixed32 = struct.Struct("<I").pack
_double = struct.Struct("<d").pack
_ids = struct.Struct(">2s16s2s8s").pack
_times = struct.Struct("<BQBQ").pack
_time_and_severity = struct.Struct("<BQBB").pack
_log_ids = struct.Struct("<BI2s16s2s8s").pack
# By number: the hash of an enumeration's member is a call.
_KINDS = {kind._value_: bytes((0x30, kind._value_ + 1)) for kind in SpanKind}


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
    # What many records of this place in the code say alike.
    shared: Shared | None = None


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
    length = len(payload)
    return tag + (_SMALL[length] if length < 0x80 else varint(length)) + payload


def text(tag: bytes, value: str) -> bytes:
    return field(tag, value.encode("utf-8", "replace")) if value else b""


class Encoder:
    """Encodes for one process; `ignores` tells which checks the source line at a location switches off."""

    def __init__(self, ignores: Callable[[str, int], tuple[str, ...]]) -> None:
        self._ignores = ignores
        self._fields: dict[tuple[bytes, str, str], bytes] = {}
        self._keys: dict[str, bytes] = {}
        self._texts: dict[tuple[bytes, str], bytes] = {}
        self._own_scope = field(b"\x0a", self.scope(SCOPE_NAME, __version__))

    def traces(self, resource: bytes, spans: Iterable[tuple[bytes, bytes]]) -> bytes:
        """An ExportTraceServiceRequest; spans come as (scope, span), both encoded fields."""
        by_scope: dict[bytes, list[bytes]] = {}
        for scope, span in spans:
            known = by_scope.get(scope)
            if known is None:
                known = by_scope[scope] = []
            known.append(span)
        scopes = [field(b"\x12", scope + b"".join(encoded)) for scope, encoded in by_scope.items()]
        return field(b"\x0a", field(b"\x0a", resource) + b"".join(scopes))

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
        return text(b"\x0a", scrub_text(name)) + text(b"\x12", scrub_text(version))

    def resource(self, attributes: Mapping[str, Any]) -> bytes:
        return self._attributes(b"\x0a", attributes)

    def scoped_span(self, span: Span | bytes) -> tuple[bytes, bytes]:
        if type(span) is bytes:  # written at its end, with the agent's own scope
            return self._own_scope, span
        assert isinstance(span, Span)
        tracer = span.tracer
        if tracer.encoded_scope is None:
            scope = self.scope(tracer.scope_name, tracer.scope_version)
            tracer.encoded_scope = field(b"\x0a", scope)
        return tracer.encoded_scope, field(b"\x12", self.span(span))

    def span(self, span: Span) -> bytes:
        own, rare, parent_id = span.own, span._rare, span.parent_id
        parts = [
            _ids(
                b"\x0a\x10", span.trace_id.to_bytes(16, "big"), b"\x12\x08", span.span_id.to_bytes(8, "big")
            ),
            _trace_state(span.trace_state),
            b"\x22\x08" + parent_id.to_bytes(8, "big") if parent_id else b"",
            self.name(b"\x2a", span.name),
            _KINDS[span.kind._value_],
            _times(0x39, span.start_time, 0x41, span.end_time or 0),
        ]
        if own and _overlap(span.shared, own):
            parts.append(self._attributes(b"\x4a", span.all_attributes()))
        else:
            for part in span.shared:
                if part.span_bytes is None:
                    part.span_bytes = self._attributes(b"\x4a", part)
                parts.append(part.span_bytes)
            if own:
                parts.append(self._attributes(b"\x4a", own))
        if rare is not None:
            parts += self._rarities(rare)
        status = span._status
        if status is not UNSET and status.status_code.value:
            parts.append(_status(status))
        parts.append(b"\x85\x01" + _fixed32(span.flags | (0x300 if span.parent_is_remote else 0x100)))
        return b"".join(parts)

    def _rarities(self, rare: Rarities) -> list[bytes]:
        parts = [_count(b"\x50", rare.dropped_attributes)]
        for event in rare.events:
            encoded = b"\x09" + _fixed64(event.timestamp) + self.name(b"\x12", event.name)
            attributes = self._attributes(b"\x1a", event.attributes) + _count(
                b"\x20", event.dropped_attributes
            )
            parts.append(field(b"\x5a", encoded + attributes))
        parts.append(_count(b"\x60", rare.dropped_events))
        for link in rare.links:
            dropped = _count(b"\x28", link.dropped_attributes)
            parts.append(field(b"\x6a", self._link(link.context, link.attributes or {}, dropped)))
        parts.append(_count(b"\x70", rare.dropped_links))
        return parts

    def name(self, tag: bytes, value: str) -> bytes:
        """A name that repeats: of a span, or of a level."""
        known = self._texts.get((tag, value))
        if known is None:
            if len(self._texts) > _MAX_NAMES:
                self._texts.clear()
            known = self._texts[tag, value] = text(tag, scrub_text(value))
        return known

    def log(self, entry: LogEntry) -> bytes:
        body = entry.body
        if entry.shared is None and isinstance(body, str):  # what has a place in the code was scrubbed there
            body = scrub_text(body)
        parts = [
            _time_and_severity(9, entry.time_ns, 0x10, entry.severity_number),
            self.name(b"\x1a", entry.severity_text),
            field(b"\x2a", self._any(body)),
        ]
        shared = entry.shared
        if shared is not None:
            parts.append(self.of_log(shared))
        if entry.attributes:
            parts.append(self._attributes(b"\x32", entry.attributes))
        if entry.trace_id:
            trace_id, span_id = entry.trace_id.to_bytes(16, "big"), entry.span_id.to_bytes(8, "big")
            parts.append(_log_ids(0x45, entry.trace_flags, b"\x4a\x10", trace_id, b"\x52\x08", span_id))
        parts.append(b"\x59" + _fixed64(entry.time_ns))
        if entry.event_name:
            parts.append(self.name(b"\x62", entry.event_name))
        return b"".join(parts)

    def of_log(self, shared: Shared) -> bytes:
        if shared.log_bytes is None:
            shared.log_bytes = self._attributes(b"\x32", shared)
        return shared.log_bytes

    def log_attributes(self, attributes: Mapping[str, Any]) -> bytes:
        return self._attributes(b"\x32", attributes)

    def _link(self, context: SpanContext, attributes: Mapping[str, Any], dropped: bytes) -> bytes:
        ids = (
            b"\x0a\x10"
            + context.trace_id.to_bytes(16, "big")
            + b"\x12\x08"
            + context.span_id.to_bytes(8, "big")
        )
        flags = int(context.trace_flags) | 0x100 | (0x200 if context.is_remote else 0)
        encoded = self._attributes(b"\x22", attributes)
        return ids + _trace_state(context.trace_state) + encoded + dropped + b"\x35" + _fixed32(flags)

    def _attributes(self, tag: bytes, attributes: Mapping[str, Any]) -> bytes:
        parts = [self._field(tag, key, value) for key, value in attributes.items()]
        file, line = attributes.get("code.file.path"), attributes.get("code.line.number")
        if isinstance(file, str) and isinstance(line, int):
            ignored = self._ignores(file, line)
            if ignored and "tracestitch.ignore" not in attributes:
                parts.append(self._field(tag, "tracestitch.ignore", ignored))
        return b"".join(parts)

    def _field(self, tag: bytes, key: str, value: Any) -> bytes:
        """One attribute, tag and all; short texts, of which most repeat, are scrubbed and encoded once."""
        if type(value) is Scrubbed:
            return field(tag, self._key(key) + field(b"\x12", self._any(value)))
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
            known = self._keys[key] = field(b"\x0a", scrub_text(str(key)).encode("utf-8", "replace"))
        return known

    def _any(self, value: Any, depth: int = 0) -> bytes:
        if type(value) is Scrubbed:
            return field(b"\x2a", b"".join([text_item(item) for item in value]))
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
            return field(b"\x3a", scrub_bytes(value))
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


def _overlap(shared: tuple[Shared, ...], own: Mapping[str, Any]) -> bool:
    for part in shared:  # noqa: SIM110 - any() and a generator take three times as long
        if not part.keys().isdisjoint(own):
            return True
    return False


def text_item(value: str) -> bytes:
    """One text of an array."""
    raw = value.encode("utf-8", "replace")
    return _ITEM[len(raw)] + raw if len(raw) < len(_ITEM) else field(b"\x0a", field(b"\x0a", raw))


_ITEM = tuple(bytes((0x0A, length + 2, 0x0A, length)) for length in range(0x7E))


def _trace_state(state: TraceState | None) -> bytes:
    return text(b"\x1a", scrub_text(state.to_header())) if state else b""


def _count(tag: bytes, number: int) -> bytes:
    return tag + varint(number) if number else b""


def _status(status: Status) -> bytes:
    described = text(b"\x12", scrub_text(status.description or ""))
    return field(b"\x7a", described + b"\x18" + varint(status.status_code.value))
