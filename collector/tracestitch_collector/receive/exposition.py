"""/metrics: the receiver's own counters and what the pipeline exposes on its Unix socket, as one text."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping, Sequence
from pathlib import Path

from prometheus_client import exposition

from tracestitch_collector.receive.counters import Counters
from tracestitch_collector.sockets import unix_path

PATIENCE_S = 2.0
MAX_BYTES = 64 * 1024 * 1024
_EOF = b"# EOF\n"


async def exposed(
    counters: Counters, socket: Path, accept: str, siblings: Sequence[Mapping[str, float]] = ()
) -> tuple[bytes, str]:
    """The text and its content type, in the format that the scraper asks for. What further receivers counted is
    added: a scrape reaches any of them."""
    theirs = await _pipeline(socket, accept)
    counters.pipeline_up.set(0 if theirs is None else 1)
    encode, content_type = exposition.choose_encoder(accept)
    own: bytes = encode(counters.with_siblings(siblings))
    if own.endswith(_EOF):
        return own.removesuffix(_EOF) + (theirs or b"").removesuffix(_EOF) + _EOF, content_type
    return own + (theirs or b"").removesuffix(_EOF), content_type


async def _pipeline(socket: Path, accept: str) -> bytes | None:
    """What the pipeline exposes, None when it does not answer."""
    try:
        async with asyncio.timeout(PATIENCE_S):
            with unix_path(socket) as address:
                reader, writer = await asyncio.open_unix_connection(address)
            try:
                header = "".join(letter for letter in accept if letter.isprintable())
                writer.write(
                    f"GET /metrics HTTP/1.0\r\nHost: localhost\r\nAccept: {header}\r\n\r\n".encode(
                        "latin-1", "replace"
                    )
                )
                await writer.drain()
                answer = await reader.read(MAX_BYTES)
                while part := await reader.read(MAX_BYTES):
                    answer += part
            finally:
                writer.close()
    except (OSError, TimeoutError):
        return None
    head, _, body = answer.partition(b"\r\n\r\n")
    status = head.split(b" ", 2)
    return body if len(status) > 1 and status[1] == b"200" else None
