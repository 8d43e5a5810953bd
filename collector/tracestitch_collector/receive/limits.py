"""How much one request may hold, and the inflating that stops there before memory is taken."""

from __future__ import annotations

import io
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
MAX_JSON_SEPARATORS = 8_000_000
"""Commas in one JSON request: each can stand for a value in memory."""

_STEP_BYTES = MIB


class TooLargeError(ValueError):
    """More bytes or elements than one request may hold. Says which."""


class TooManyBytesError(TooLargeError):
    """More bytes than the limit that was given."""


class MalformedError(ValueError):
    """Not a request: says what is wrong."""


def inflate(body: bytes, limit: int = MAX_BYTES) -> bytes:
    """The content of a gzip body of one or more members. Raises TooLargeError once it exceeds the limit, and
    MalformedError when it is cut off, damaged, or followed by anything else."""
    # A BytesIO hands out what it holds without a copy, unlike a list of parts.
    content = io.BytesIO()
    rest = body
    if not rest:
        raise MalformedError("the gzip body is empty")
    while rest:
        member = zlib.decompressobj(wbits=31)
        while not member.eof:
            try:
                part = member.decompress(rest, _STEP_BYTES)
            except zlib.error as error:
                raise MalformedError(f"the gzip body is damaged: {error}") from error
            content.write(part)
            if content.tell() > limit:
                raise TooManyBytesError(f"the request is larger than {limit} bytes after inflation")
            if not part and not member.eof:
                raise MalformedError("the gzip body is cut off")
            rest = member.unconsumed_tail
        rest = member.unused_data
    return content.getvalue()


def check_json(body: bytes) -> None:
    """Raises TooLargeError when parsing the text could make more objects than a request may hold."""
    if body.count(b"{") + body.count(b"[") > 2 * MAX_ELEMENTS or body.count(b",") > MAX_JSON_SEPARATORS:
        raise TooLargeError(f"the request holds more than {MAX_ELEMENTS} elements")
