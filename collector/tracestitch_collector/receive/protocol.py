"""uvicorn's HTTP protocol with a deadline for the request to arrive: without one, a few connections that send
a byte now and then hold the server for ever.
"""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

from tracestitch_collector.receive.answers import Code, status_json

HEADERS_S = 10.0
BODY_S = 30.0


class PromptProtocol(HttpToolsProtocol):
    """Closes a connection whose headers take longer than HEADERS_S, or whose body takes longer than BODY_S."""

    headers_s = HEADERS_S
    body_s = BODY_S
    on_slow: Callable[[], object] = staticmethod(lambda: None)
    _deadline: asyncio.TimerHandle | None = None

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._expect(self.headers_s)

    def connection_lost(self, exc: Exception | None) -> None:
        self._expect(None)
        super().connection_lost(exc)

    def on_message_begin(self) -> None:
        super().on_message_begin()
        self._expect(self.headers_s)

    def on_headers_complete(self) -> None:
        super().on_headers_complete()
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
