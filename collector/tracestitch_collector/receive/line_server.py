"""Log lines over TCP: one JSON object a line, as Logstash's and Python's senders write them, or Lumberjack 2, as Beats do;
the first byte tells which. And the same lines over HTTP, at `POST /lines`.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import socket
import time
from collections.abc import Callable, Iterable

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from tracestitch_collector.receive import answers, lines, lumberjack
from tracestitch_collector.receive.answers import RefusedError
from tracestitch_collector.receive.counters import Counters
from tracestitch_collector.receive.intake import Intake
from tracestitch_collector.receive.limits import MIB, MalformedError, TooLargeError, inflate
from tracestitch_collector.receive.shapes import LOGS
from tracestitch_collector.receive.side import refusal
from tracestitch_collector.sockets import port_of

MAX_CONNECTIONS = 256
READ_BYTES = 256 * 1024
MAX_HTTP_BYTES = 16 * MIB
PAUSE_S = float(answers.RETRY_AFTER_S)
TYPES = ("application/json", "application/x-ndjson", "application/x-json-stream")


class Lines:
    """From lines to durable log records, whatever transport they came by."""

    def __init__(
        self, intake: Intake, counters: Counters, token: str, clock_ns: Callable[[], int] = time.time_ns
    ) -> None:
        self._intake = intake
        self._counters = counters
        self._token = token
        self._clock_ns = clock_ns

    async def take(self, found: list[lines.Event], transport: str, *, token: bool) -> int:
        """How many were kept, all of them durable. Raises RefusedError; with `token` each of them must show it."""
        if token and self._token and not all(self._shows_token(event) for event in found):
            raise RefusedError(
                answers.NO_TOKEN, f"an event without this server's token in its field {lines.TOKEN}"
            )
        if not found:
            return 0
        converted = await asyncio.to_thread(lines.converted, found, self._clock_ns())
        prepared = self._intake.prepare(LOGS, transport, converted.body, json=True)
        await self._intake.settle(prepared)
        if converted.unread:
            self._counters.unread_lines.labels(transport).inc(converted.unread)
        return converted.records

    def _shows_token(self, event: lines.Event) -> bool:
        return hmac.compare_digest(str(event.get(lines.TOKEN, "")).encode(), self._token.encode())

    def refuse(self, transport: str, error: RefusedError) -> None:
        self._intake.refuse("lines", transport, error)

    async def post(self, request: Request) -> Response:
        """`POST /lines`: an object, a list of them, or one on each line; gzip or not."""
        try:
            taken = await self.take(_posted(await _body(request)), "http", token=False)
        except RefusedError as error:
            self.refuse("http", error)
            return refusal(error)
        return JSONResponse({"taken": taken})


class LineServer:
    def __init__(self, taker: Lines, counters: Counters) -> None:
        self._taker = taker
        self._counters = counters
        self._connections: set[asyncio.Task[None]] = set()
        self._server: asyncio.Server | None = None
        self.port = 0

    async def start(self, listening: socket.socket) -> None:
        self._server = await asyncio.start_server(self._accepted, sock=listening, limit=READ_BYTES)
        self.port = port_of(listening)

    async def close(self) -> None:
        """What has been read is finished; what has not is not acknowledged."""
        if self._server is None:
            return
        self._server.close()
        for task in self._connections:
            task.cancel()
        await asyncio.gather(*self._connections, return_exceptions=True)

    async def _accepted(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        task = asyncio.current_task()
        assert task is not None
        self._connections.add(task)
        try:
            if len(self._connections) > MAX_CONNECTIONS:
                raise RefusedError(answers.BUSY, f"more than {MAX_CONNECTIONS} connections")
            await self._serve(reader, writer)
        except RefusedError as error:
            self._taker.refuse("tcp", error)
        except (ConnectionError, asyncio.CancelledError):
            pass
        except Exception as error:
            self._counters.fault(error)
        finally:
            self._connections.discard(task)
            with contextlib.suppress(Exception):
                writer.close()

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        first = await reader.read(READ_BYTES)
        if first.startswith(lumberjack.FIRST):
            await self._serve_beat(first, reader, writer)
        elif first:
            await self._serve_lines(first, reader)

    async def _serve_beat(
        self, part: bytes, reader: asyncio.StreamReader, writer: asyncio.StreamWriter
    ) -> None:
        windows = lumberjack.Windows()
        try:
            while part:
                for window in windows.feed(part):
                    await self._until_taken(lines.events(window.events), "beats", writer)
                    writer.write(window.acknowledgement())
                    await writer.drain()
                part = await reader.read(READ_BYTES)
        except lumberjack.BrokenFrameError as error:
            raise RefusedError(answers.MALFORMED, str(error)) from error

    async def _serve_lines(self, part: bytes, reader: asyncio.StreamReader) -> None:
        splitter = _Splitter()
        while part:
            await self._until_taken(lines.events(splitter.feed(part)), "tcp", None)
            part = await reader.read(READ_BYTES)
        await self._until_taken(lines.events(splitter.rest()), "tcp", None)
        if splitter.cut:
            self._counters.dropped.labels("logs", "line longer than 1 MiB cut").inc(splitter.cut)

    async def _until_taken(
        self, found: list[lines.Event], transport: str, writer: asyncio.StreamWriter | None
    ) -> None:
        """While the log is away nothing more is read: the sender's own buffers fill, and it waits."""
        while True:
            try:
                await self._taker.take(found, transport, token=True)
            except RefusedError as error:
                if not error.reason.retryable:
                    raise
                self._taker.refuse(transport, error)
                if writer is not None:
                    writer.write(lumberjack.KEEP_WAITING)
                    await writer.drain()
                await asyncio.sleep(PAUSE_S)
            else:
                return


class _Splitter:
    """Bytes as they arrive into whole lines, none longer than may be."""

    def __init__(self) -> None:
        self._begun = bytearray()
        self._skipping = False
        self.cut = 0

    def feed(self, part: bytes) -> Iterable[bytes]:
        *whole, begun = part.split(b"\n")
        for line in whole:
            yield self._ended(line)
        self._append(begun)

    def rest(self) -> Iterable[bytes]:
        """The last line, which no line end follows."""
        yield self._ended(b"")

    def _ended(self, line: bytes) -> bytes:
        self._append(line)
        found = bytes(self._begun)
        self._begun.clear()
        self._skipping = False
        return found

    def _append(self, part: bytes) -> None:
        room = lines.MAX_LINE_BYTES - len(self._begun)
        if len(part) > room and not self._skipping:
            self._skipping = True
            self.cut += 1
        self._begun += part[:room]


async def _body(request: Request) -> bytes:
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type not in TYPES:
        raise RefusedError(answers.WRONG_TYPE, f"Content-Type must be one of {', '.join(TYPES)}")
    encoding = request.headers.get("content-encoding", "").strip().lower()
    if encoding not in ("", "identity", "gzip", "x-gzip"):
        raise RefusedError(answers.WRONG_TYPE, "Content-Encoding must be gzip, or absent")
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > MAX_HTTP_BYTES:
            raise RefusedError(answers.TOO_LARGE, f"the request is larger than {MAX_HTTP_BYTES} bytes")
    if not encoding.endswith("gzip"):
        return bytes(parts)
    try:
        return await asyncio.to_thread(inflate, bytes(parts), MAX_HTTP_BYTES)
    except TooLargeError as error:
        raise RefusedError(answers.TOO_LARGE, str(error)) from error
    except MalformedError as error:
        raise RefusedError(answers.MALFORMED, str(error)) from error


def _posted(body: bytes) -> list[lines.Event]:
    """One document over several lines or a list of them; else each line for itself."""
    found = lines.documents(body)
    return lines.events(body.split(b"\n")) if found is None else found
