"""How much one request may hold, and the inflating that stops there before memory is taken."""

from __future__ import annotations

import zlib

MIB = 1024 * 1024
MAX_BYTES = 64 * MIB
"""Of one request, after inflation: OTLP's own recommendation."""
MAX_ELEMENTS = 1_000_000
"""Messages in one request, of all kinds and levels together: resources, spans, attributes, events…"""
MAX_FIELDS = 6_000_000
"""Fields of these messages, for requests that are many scalars and no messages."""
MAX_DEPTH = 32
"""Lists and maps within the value of an attribute."""
MAX_JSON_SEPARATORS = 16_000_000
"""Commas in one JSON request: each can stand for a value in memory."""

_STEP_BYTES = MIB


class TooLargeError(ValueError):
    """More bytes or elements than one request may hold. Says which."""


class MalformedError(ValueError):
    """Not a request: says what is wrong."""


def inflate(body: bytes, limit: int = MAX_BYTES) -> bytes:
    """The content of a gzip body of one or more members. Raises TooLargeError once it exceeds the limit, and
    MalformedError when it is cut off, damaged, or followed by anything else."""
    parts: list[bytes] = []
    size = 0
    rest = body
    while rest:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                part = member.decompress(rest, _STEP_BYTES)
            except zlib.error as error:
                raise MalformedError(f"the gzip body is damaged: {error}") from error
            size += len(part)
            if size > limit:
                raise TooLargeError(f"the request is larger than {limit} bytes after inflation")
            parts.append(part)
            if not part and not member.eof:
                raise MalformedError("the gzip body is cut off")
            rest = member.unconsumed_tail
        rest = member.unused_data
    if not parts:
        raise MalformedError("the gzip body is empty")
    return parts[0] if len(parts) == 1 else b"".join(parts)


def check_json(body: bytes) -> None:
    """Raises TooLargeError when parsing the text could make more objects than a request may hold."""
    if body.count(b"{") + body.count(b"[") > 3 * MAX_ELEMENTS or body.count(b",") > MAX_JSON_SEPARATORS:
        raise TooLargeError(f"the request holds more than {MAX_ELEMENTS} elements")
