"""OTLP requests straight to columns: one walk over the bytes, no object per span or log record.

Plain typed Python without any other library, so that mypyc can compile it as it stands. The numbers in the
comparisons are protobuf tags, field number and wire type in one byte; opentelemetry-proto names them.
"""

from __future__ import annotations

from typing import Any, Final

from tracestitch_collector.columns import value_text
from tracestitch_collector.decode.attributes import NUMBER_BYTES, ROW_END, Attributes
from tracestitch_collector.decode.cuts import ATTRIBUTE_BYTES, EVENT_BYTES, LIMITS
from tracestitch_collector.decode.events import event, left_out_event, link
from tracestitch_collector.decode.origins import Origins
from tracestitch_collector.decode.values import MalformedError, any_value, skip, span_of, varint
from tracestitch_collector.model import AttributeValue

BODY: Final = LIMITS["body"]
NO_ID: Final = frozenset((b"", bytes(8), bytes(16)))
IDS: Final = (("trace_id", 2, 16), ("span_id", 20, 8))
"""Where each of the ids stands among 28 bytes, and how long it is: as the fields of a span, tags and all."""
TIMES: Final = (("start", 1), ("end", 10))
"""The same of the times among 18 bytes."""
NO_TIMES: Final = b"\x39" + bytes(8) + b"\x41" + bytes(8)
NO_PARENT: Final = bytes(8)
NO_FLAGS: Final = bytes(4)


class Repeated:
    """Texts that mostly repeat, as four-byte numbers of the distinct ones."""

    __slots__ = ("_numbers", "stream")

    def __init__(self) -> None:
        self._numbers: dict[bytes, bytes] = {}
        self.stream: list[bytes] = []
        """The number of each."""

    def append(self, raw: bytes) -> None:
        number = self._numbers.get(raw)
        if number is None:
            number = self._numbers[raw] = len(self._numbers).to_bytes(NUMBER_BYTES, "little")
        self.stream.append(number)

    def distinct(self) -> list[bytes]:
        return list(self._numbers)


class Rows:
    """What spans and log records have in common while they are being decoded."""

    def __init__(self, origins: Origins) -> None:
        self.count = 0
        self.cuts = origins.cuts
        self.attributes = Attributes(self.cuts)
        self.origins = origins
        self.group_sizes: list[int] = []
        """Rows that share a resource and a scope follow each other: how many, and which."""
        self.group_resources: list[int] = []
        self.group_scopes: list[int] = []
        self.dropped_attributes: dict[int, int] = {}

    def begin(self) -> None:
        self.count = 0
        self.attributes.begin()
        self.group_sizes, self.group_resources, self.group_scopes = [], [], []
        self.dropped_attributes = {}

    def item(self, buffer: bytes, at: int, end: int) -> None:
        raise NotImplementedError

    def request(self, body: bytes) -> None:
        """Appends every item of an export request. Raises MalformedError or IndexError on other bytes; the rows
        are then of no use."""
        at, end = 0, len(body)
        while at < end:
            if body[at] == 0x0A:
                at, stop = span_of(body, at + 1, end)
                self._resource_group(body, at, stop)
                at = stop
            else:
                at = skip(body, at)
        if at != end:
            raise MalformedError("the request ends in the middle of a field")

    def _resource_group(self, body: bytes, at: int, end: int) -> None:
        resource, schema_url = b"", ""
        scopes: list[tuple[int, int]] = []
        while at < end:
            tag = body[at]
            if tag == 0x12:
                at, stop = span_of(body, at + 1, end)
                scopes.append((at, stop))
                at = stop
            elif tag == 0x0A:
                at, stop = span_of(body, at + 1, end)
                resource, at = resource + body[at:stop], stop
            elif tag == 0x1A:
                at, stop = span_of(body, at + 1, end)
                schema_url, at = self.cuts.text("scope", body[at:stop]), stop
            else:
                at = skip(body, at)
        if at != end:
            raise MalformedError("a resource's group ends in the middle of a field")
        code = self.origins.resource(resource, schema_url)
        for start, stop in scopes:
            self._scope_group(body, start, stop, code)

    def _scope_group(self, body: bytes, at: int, end: int, resource: int) -> None:
        scope, schema_url = b"", ""
        before = self.count
        while at < end:
            tag = body[at]
            if tag == 0x12:
                at, stop = span_of(body, at + 1, end)
                self.item(body, at, stop)
                at = stop
            elif tag == 0x0A:
                at, stop = span_of(body, at + 1, end)
                scope, at = scope + body[at:stop], stop
            elif tag == 0x1A:
                at, stop = span_of(body, at + 1, end)
                schema_url, at = self.cuts.text("scope", body[at:stop]), stop
            else:
                at = skip(body, at)
        if at != end:
            raise MalformedError("a scope's group ends in the middle of a field")
        if self.count > before:
            self.group_sizes.append(self.count - before)
            self.group_resources.append(resource)
            self.group_scopes.append(self.origins.scope(scope, schema_url))


class SpanRows(Rows):
    def __init__(self, origins: Origins) -> None:
        super().__init__(origins)
        self._clear()

    def _clear(self) -> None:
        self.ids: list[bytes] = []
        """IDS of each: what always stands side by side is one object."""
        self.parent_ids: list[bytes] = []
        """NO_PARENT for a root."""
        self.names = Repeated()
        self.kinds: list[int] = []
        self.times: list[bytes] = []
        """TIMES of each."""
        self.flags: list[bytes] = []
        self.status_codes: dict[int, int] = {}
        self.messages: dict[int, str] = {}
        self.trace_states: dict[int, str] = {}
        self.events: dict[int, list[dict[str, Any]]] = {}
        self.links: dict[int, list[dict[str, Any]]] = {}
        self.dropped_events: dict[int, int] = {}
        self.dropped_links: dict[int, int] = {}
        self.event_bytes: dict[int, int] = {}

    def begin(self) -> None:
        super().begin()
        self._clear()

    def item(self, buffer: bytes, at: int, end: int) -> None:
        if end - at > ATTRIBUTE_BYTES:
            buffer = self.cuts.slimmed(buffer, at, end, 0x4A, ATTRIBUTE_BYTES)
            at, end = 0, len(buffer)
        row = self.count
        attributes = self.attributes
        known, stream = attributes.known, attributes.stream
        ids = trace_id = span_id = name = b""
        parent, times, flags = NO_PARENT, NO_TIMES, NO_FLAGS
        kind = 0
        while at < end:
            tag = buffer[at]
            if tag == 0x4A:
                at += 2
                length = buffer[at - 1]
                if length > 127:
                    length, at = varint(buffer, at - 1)
                raw = buffer[at : at + length]
                at += length
                pair = known.get(raw)
                if pair is None:
                    attributes.add(raw, row)
                elif pair.key.row == row:
                    attributes.again(pair, row)
                else:
                    pair.key.row = row
                    stream.append(pair.number)
            elif tag == 0x39:
                if at + 18 <= end and buffer[at + 9] == 0x41:
                    times = buffer[at : at + 18]
                    at += 18
                else:
                    times = buffer[at : at + 9] + times[9:]
                    at += 9
            elif tag == 0x41:
                times = times[:9] + buffer[at : at + 9]
                at += 9
            elif tag == 0x0A:
                if (
                    at + 28 <= end
                    and buffer[at + 1] == 16
                    and buffer[at + 18] == 0x12
                    and buffer[at + 19] == 8
                ):
                    ids = buffer[at : at + 28]
                    at += 28
                else:
                    ids = b""
                    trace_id = buffer[at + 2 : at + 2 + buffer[at + 1]]
                    at += 2 + buffer[at + 1]
            elif tag == 0x12:
                if ids:
                    trace_id, ids = ids[2:18], b""
                span_id = buffer[at + 2 : at + 2 + buffer[at + 1]]
                at += 2 + buffer[at + 1]
            elif tag == 0x22:
                parent = buffer[at + 2 : at + 2 + buffer[at + 1]]
                at += 2 + buffer[at + 1]
            elif tag == 0x2A:
                length, at = varint(buffer, at + 1)
                name = buffer[at : at + length]
                at += length
            elif tag == 0x30:
                kind, at = varint(buffer, at + 1)
            elif tag == 0x85 and buffer[at + 1] == 0x01:
                flags = buffer[at + 2 : at + 6]
                at += 6
            else:
                at = self._rare(buffer, at, end, row)
        if not ids:
            ids = b"\x0a\x10" + trace_id + b"\x12\x08" + span_id
        if at != end or len(ids) != 28 or len(times) != 18 or len(flags) != 4:
            raise MalformedError("a span ends in the middle of a field or has an id of the wrong length")
        self.ids.append(ids)
        self.parent_ids.append(parent if len(parent) == 8 else NO_PARENT)
        self.names.append(name)
        self.kinds.append(kind if kind < 6 else 0)
        self.times.append(times)
        self.flags.append(flags)
        stream.append(ROW_END)
        self.count = row + 1

    def _rare(self, buffer: bytes, at: int, end: int, row: int) -> int:
        tag = buffer[at]
        if tag == 0x7A:
            at, stop = span_of(buffer, at + 1, end)
            self._status(buffer, at, stop, row)
            return stop
        if tag == 0x5A:
            at, stop = span_of(buffer, at + 1, end)
            if self._has_room(row, stop - at):
                self.events.setdefault(row, []).append(event(buffer, at, stop, self.cuts))
            return stop
        if tag == 0x6A:
            at, stop = span_of(buffer, at + 1, end)
            if self._has_room(row, stop - at):
                self.links.setdefault(row, []).append(link(buffer, at, stop, self.cuts))
            return stop
        if tag == 0x1A:
            at, stop = span_of(buffer, at + 1, end)
            self.trace_states[row] = self.cuts.text("trace state", buffer[at:stop])
            return stop
        counts = {0x50: self.dropped_attributes, 0x60: self.dropped_events, 0x70: self.dropped_links}.get(tag)
        if counts is not None:
            number, at = varint(buffer, at + 1)
            counts[row] = number % 2**32
            return at
        return skip(buffer, at)

    def _has_room(self, row: int, size: int) -> bool:
        """For one more event or link in this row."""
        before = self.event_bytes.get(row, 0)
        self.event_bytes[row] = before + size
        if before + size <= EVENT_BYTES:
            return True
        self.cuts.counts["events"] += 1
        if before <= EVENT_BYTES:
            self.events.setdefault(row, []).append(left_out_event())
        return False

    def _status(self, buffer: bytes, at: int, end: int, row: int) -> None:
        while at < end:
            tag = buffer[at]
            if tag == 0x18:
                number, at = varint(buffer, at + 1)
                self.status_codes[row] = number if number < 3 else 0
            elif tag == 0x12:
                at, stop = span_of(buffer, at + 1, end)
                self.messages[row], at = self.cuts.text("status message", buffer[at:stop]), stop
            else:
                at = skip(buffer, at)


class LogRows(Rows):
    def __init__(self, origins: Origins) -> None:
        super().__init__(origins)
        self._clear()

    def _clear(self) -> None:
        self.times: list[bytes] = []
        self.observed: list[bytes] = []
        self.severities: list[int] = []
        self.severity_texts = Repeated()
        self.bodies: list[str] = []
        self.other_bodies: set[int] = set()
        """Rows whose body is not plain text."""
        self.trace_ids: list[bytes | None] = []
        self.span_ids: list[bytes | None] = []
        self.event_names: dict[int, str] = {}
        self.flags: dict[int, int] = {}

    def begin(self) -> None:
        super().begin()
        self._clear()

    def item(self, buffer: bytes, at: int, end: int) -> None:
        if end - at > ATTRIBUTE_BYTES:
            buffer = self.cuts.slimmed(buffer, at, end, 0x32, ATTRIBUTE_BYTES)
            at, end = 0, len(buffer)
        row = self.count
        time = observed = bytes(8)
        severity, severity_text = 0, b""
        body: AttributeValue = None
        trace_id = span_id = b""
        while at < end:
            tag = buffer[at]
            if tag == 0x32:
                at, stop = span_of(buffer, at + 1, end)
                self._attribute(buffer[at:stop], row)
                at = stop
            elif tag == 0x09:
                time = buffer[at + 1 : at + 9]
                at += 9
            elif tag == 0x59:
                observed = buffer[at + 1 : at + 9]
                at += 9
            elif tag == 0x10:
                severity, at = varint(buffer, at + 1)
            elif tag == 0x1A:
                at, stop = span_of(buffer, at + 1, end)
                severity_text, at = buffer[at:stop], stop
            elif tag == 0x2A:
                at, stop = span_of(buffer, at + 1, end)
                body = any_value(buffer, at, stop)
                if stop - at > BODY:
                    body = self.cuts.value("body" if isinstance(body, str) else "body map", body)
                at = stop
            elif tag == 0x4A:
                at, stop = span_of(buffer, at + 1, end)
                trace_id, at = buffer[at:stop], stop
            elif tag == 0x52:
                at, stop = span_of(buffer, at + 1, end)
                span_id, at = buffer[at:stop], stop
            else:
                at = self._rare(buffer, at, end, row)
        if at != end:
            raise MalformedError("a log record ends in the middle of a field")
        self.times.append(observed if time == bytes(8) else time)
        self.observed.append(observed)
        self.severities.append(severity if severity < 128 else 0)
        self.severity_texts.append(severity_text)
        self._body(body, row)
        self.trace_ids.append(None if trace_id in NO_ID or len(trace_id) != 16 else trace_id)
        self.span_ids.append(None if span_id in NO_ID or len(span_id) != 8 else span_id)
        self.attributes.stream.append(ROW_END)
        self.count = row + 1

    def _attribute(self, raw: bytes, row: int) -> None:
        pair = self.attributes.known.get(raw)
        if pair is None:
            self.attributes.add(raw, row)
        elif pair.key.row == row:
            self.attributes.again(pair, row)
        else:
            pair.key.row = row
            self.attributes.stream.append(pair.number)

    def _body(self, body: AttributeValue, row: int) -> None:
        if isinstance(body, str):
            self.bodies.append(body)
        else:
            self.bodies.append(value_text(body))
            self.other_bodies.add(row)

    def _rare(self, buffer: bytes, at: int, end: int, row: int) -> int:
        tag = buffer[at]
        if tag == 0x45:
            self.flags[row] = int.from_bytes(buffer[at + 1 : at + 5], "little")
            return at + 5
        if tag == 0x38:
            number, at = varint(buffer, at + 1)
            self.dropped_attributes[row] = number % 2**32
            return at
        if tag == 0x62:
            at, stop = span_of(buffer, at + 1, end)
            self.event_names[row] = self.cuts.text("name", buffer[at:stop])
            return stop
        return skip(buffer, at)
