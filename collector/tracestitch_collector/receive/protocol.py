"""uvicorn's HTTP protocol with bounds for a request to arrive: without them, a few connections that send a byte
now and then hold the server for ever, and one whose headers never end takes its memory.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tracestitch_collector.receive.answers import Code, status_json

HEADERS_S = 10.0
BODY_S = 30.0
HEADERS_BYTES = 64 * 1024
"""Beyond these, headers that have not ended are refused."""


class PromptProtocol(HttpToolsProtocol):
    """Closes a connection whose headers take longer than HEADERS_S, or whose body takes longer than BODY_S."""

    headers_s = HEADERS_S
    body_s = BODY_S
    on_slow: Callable[[], object] = staticmethod(lambda: None)
    _deadline: asyncio.TimerHandle | None = None
    _in_headers = True
    _headers_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect(self.headers_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        super().connection_lost(exc)

    def data_received(self, data: bytes) -> None:
        if self._in_headers:
            self._headers_bytes += len(data)
        super().data_received(data)
        if self._headers_bytes > HEADERS_BYTES and not self.transport.is_closing():
            self.send_400_response(f"the headers are larger than {HEADERS_BYTES} bytes")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._in_headers = True
        self._expect(self.headers_s)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
        self._in_headers = False
        self._headers_bytes = 0
        self._expect(self.body_s)

    def on_message_complete(self) -> None:
        self._expect(None)
        super().on_message_complete()

    def send_400_response(self, msg: str) -> None:
        """In the form of every other refusal."""
        content = status_json(Code.INVALID_ARGUMENT, msg)
        head = b"HTTP/1.1 400 Bad Request\r\ncontent-type: application/json\r\nconnection: close\r\n"
        self.transport.write(head + b"content-length: %d\r\n\r\n" % len(content) + content)
        self.transport.close()

    def _expect(self, seconds: float | None) -> None:
        if self._deadline is not None:
            self._deadline.cancel()
        self._deadline = self.loop.call_later(seconds, self._too_slow) if seconds is not None else None

    def _too_slow(self) -> None:
        self.on_slow()
        self.transport.abort()


def protocol_class(on_slow: Callable[[], object], **deadlines: float) -> type[PromptProtocol]:
    """The protocol with a callback for closed connections, and other deadlines where given (for tests)."""
    members: dict[str, Any] = {"on_slow": staticmethod(on_slow), **deadlines}
    return type("PromptProtocol", (PromptProtocol,), members)
