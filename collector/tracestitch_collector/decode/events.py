"""Span events and links: rare, so each is an object until it is written as the JSON text of its row."""

from __future__ import annotations

import json
from typing import Any

from tracestitch_collector.columns import to_plain
from tracestitch_collector.decode.cuts import SHORT_BYTES, Cuts
from tracestitch_collector.decode.names import stable
from tracestitch_collector.decode.values import fixed64, key_value, skip, span_of, varint
from tracestitch_collector.model import AttributeValue


def event(buffer: bytes, at: int, end: int, cuts: Cuts) -> dict[str, Any]:
    time, name, dropped = 0, "", 0
    attributes: list[list[Any]] = []
    while at < end:
        tag = buffer[at]
        if tag == 0x09:
            time = fixed64(buffer, at + 1)
            at += 9
        elif tag == 0x12:
            at, stop = span_of(buffer, at + 1, end)
            name, at = cuts.text("name", buffer[at:stop]), stop
        elif tag == 0x1A:
            at, stop = span_of(buffer, at + 1, end)
            attributes += _plain_pairs(buffer, at, stop, cuts)
            at = stop
        elif tag == 0x20:
            dropped, at = varint(buffer, at + 1)
        else:
            at = skip(buffer, at)
    return {"time_ns": time, "name": name, "attributes": attributes, "dropped": dropped % 2**32}


def link(buffer: bytes, at: int, end: int, cuts: Cuts) -> dict[str, Any]:
    trace_id = span_id = b""
    state, dropped, flags = "", 0, 0
    attributes: list[list[Any]] = []
    while at < end:
        tag = buffer[at]
        if tag == 0x0A:
            at, stop = span_of(buffer, at + 1, end)
            trace_id, at = buffer[at:stop], stop
        elif tag == 0x12:
            at, stop = span_of(buffer, at + 1, end)
            span_id, at = buffer[at:stop], stop
        elif tag == 0x1A:
            at, stop = span_of(buffer, at + 1, end)
            state, at = cuts.text("trace state", buffer[at:stop]), stop
        elif tag == 0x22:
            at, stop = span_of(buffer, at + 1, end)
            attributes += _plain_pairs(buffer, at, stop, cuts)
            at = stop
        elif tag == 0x28:
            dropped, at = varint(buffer, at + 1)
        elif tag == 0x35:
            flags = int.from_bytes(buffer[at + 1 : at + 5], "little")
            at += 5
        else:
            at = skip(buffer, at)
    return {
        "trace_id": trace_id.hex(),
        "span_id": span_id.hex(),
        "trace_state": state,
        "flags": flags,
        "attributes": attributes,
        "dropped": dropped % 2**32,
    }


def _plain_pairs(buffer: bytes, at: int, end: int, cuts: Cuts) -> list[list[Any]]:
    """The one KeyValue of these bytes under its stable names, as in `columns.py`."""
    name, value = key_value(buffer, at, end)
    if end - at > SHORT_BYTES:
        name, value = cuts.pair(name, value)
    return [[key, to_plain(item)] for key, item in stable(name, value) or ((name, value),)]


def left_out_event() -> dict[str, Any]:
    """Stands for those events that find no room."""
    return {"time_ns": 0, "name": "… [further events cut]", "attributes": [], "dropped": 0}


def other_text(pairs: list[tuple[str, AttributeValue]]) -> str:
    """The form of `attributes_other`."""
    return json_text([[key, to_plain(value)] for key, value in pairs])


def json_text(plain: list[Any]) -> str:
    return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
