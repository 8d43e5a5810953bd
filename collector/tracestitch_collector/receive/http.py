"""OTLP over HTTP: a small ASGI application in front of everything else, because a framework's route costs four
times as much per request.
"""

from __future__ import annotations

import asyncio
import io
from collections.abc import AsyncIterator, Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracestitch_collector import security
from tracestitch_collector.receive import answers
from tracestitch_collector.receive.answers import Accepted, RefusedError
from tracestitch_collector.receive.counters import Counters
from tracestitch_collector.receive.intake import Intake, Prepared
from tracestitch_collector.receive.limits import MAX_BYTES, MIB, TooManyBytesError
from tracestitch_collector.receive.shapes import SIGNALS, Signal
from tracestitch_collector.settings import Settings

PROTOBUF = b"application/x-protobuf"
JSON = b"application/json"

INLINE_BYTES = 64 * 1024
"""Requests up to this size are looked at on the event loop; a thread costs more than they do."""
USUAL_BYTES = 8 * MIB
"""Larger requests, inflated, wait for each other instead of holding up the usual ones."""
HELD_BYTES = 192 * MIB
"""Bodies of all requests under way together; beyond it senders are told to wait."""
LINGER_S = 2.0
"""How long a refused upload is still read: closing at once would lose the answer on its way."""

_BY_PATH = {signal.path: signal for signal in SIGNALS}
_GZIP = frozenset({b"gzip", b"x-gzip"})
_PLAIN = frozenset({b"", b"identity"})


_BODY_WAS_READ = (answers.MALFORMED, answers.UNAVAILABLE, answers.INTERNAL)


class GoneError(Exception):
    """The sender hung up."""


class _Upload:
    """The body of a request as it arrives. Reading goes on where it stopped."""

    def __init__(self, receive: Receive) -> None:
        self._receive = receive
        self._more = True

    async def parts(self) -> AsyncIterator[bytes]:
        while self._more:
            message: Message = await self._receive()
            if message["type"] == "http.disconnect":
                raise GoneError
            self._more = message.get("more_body", False)
            if message.get("body"):
                yield message["body"]


@dataclass(frozen=True, slots=True, kw_only=True)
class _Form:
    """How the request is written."""

    json: bool
    gzip: bool


class OtlpApp:
    """Answers /v1/…; hands everything else to `other`, whose answers get the same security headers."""

    def __init__(
        self,
        intake: Intake,
        counters: Counters,
        settings: Settings,
        *,
        other: ASGIApp,
        other_paths: Iterable[str],
    ) -> None:
        self._intake = intake
        self._counters = counters
        self._token = settings.token
        self._names = security.allowed_names(settings)
        self._other = security.SecurityMiddleware(other, settings)
        self._other_paths = frozenset(other_paths)
        self._usual = ThreadPoolExecutor(2, thread_name_prefix="inspect")
        self._large = ThreadPoolExecutor(1, thread_name_prefix="inspect-large")
        self._held = 0

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            raise RuntimeError(f"not served: {scope['type']}")
        if scope["path"] in self._other_paths:
            await self._pass_on(scope, receive, send)
            return
        signal = _BY_PATH.get(scope["path"])
        name = signal.name if signal else "none"
        headers = _headers(scope)
        upload = _Upload(receive)
        try:
            await self._serve(signal, scope, headers, upload, send)
        except GoneError:
            self._counters.refused.labels(name, "http", "sender hung up").inc()
        except RefusedError as error:
            self._intake.refuse(name, "http", error)
            await _refuse(error, headers, upload, send)
        except Exception as error:
            self._counters.fault(error)
            refused = RefusedError(
                answers.INTERNAL, "a fault of the collector; nothing of this request was kept"
            )
            self._intake.refuse(name, "http", refused)
            await _refuse(refused, headers, upload, send)

    async def _pass_on(self, scope: Scope, receive: Receive, send: Send) -> None:
        try:
            await self._other(scope, receive, send)
        except Exception as error:  # already answered with a 500
            self._counters.fault(error)

    async def _serve(
        self,
        signal: Signal | None,
        scope: Scope,
        headers: dict[bytes, bytes],
        upload: _Upload,
        send: Send,
    ) -> None:
        self._check_caller(scope)
        if signal is None:
            raise RefusedError(
                answers.NOT_FOUND, "no such path; OTLP is served at /v1/traces, /v1/logs and /v1/metrics"
            )
        if scope["method"] != "POST":
            raise RefusedError(answers.WRONG_METHOD, f"{scope['path']} takes POST only")
        form = _form(headers)
        held = 0
        try:
            _check_length(headers)
            buffer = io.BytesIO()
            async for part in upload.parts():
                held += len(part)
                self._hold(len(part))
                if held > MAX_BYTES:
                    raise RefusedError(answers.TOO_LARGE, f"the request is larger than {MAX_BYTES} bytes")
                buffer.write(part)
            answer = await self._take(signal, buffer.getvalue(), form)
        finally:
            self._held -= held
        content = answers.accepted_json(answer, signal) if form.json else answers.accepted_protobuf(answer)
        await _send(send, 200, JSON if form.json else PROTOBUF, content)

    def _check_caller(self, scope: Scope) -> None:
        if not security.is_own_host(scope["headers"], self._names):
            raise RefusedError(answers.FOREIGN_HOST, security.FOREIGN_HOST)
        if self._token and not security.is_authorised(scope["headers"], self._token):
            raise RefusedError(
                answers.NO_TOKEN,
                "missing or wrong token: send 'Authorization: Bearer <token>' with this server's token",
            )

    def _hold(self, size: int) -> None:
        self._held += size
        if self._held > HELD_BYTES:
            raise RefusedError(answers.BUSY, "too many large requests at once; try again in a moment")

    async def _take(self, signal: Signal, body: bytes, form: _Form) -> Accepted:
        prepared = await self._prepared(signal, body, form)
        return await self._intake.settle(prepared)

    async def _prepared(self, signal: Signal, body: bytes, form: _Form) -> Prepared:
        def prepare(limit: int) -> Prepared:
            return self._intake.prepare(signal, "http", body, gzip=form.gzip, json=form.json, limit=limit)

        loop = asyncio.get_running_loop()
        if len(body) <= INLINE_BYTES and not form.gzip:
            return prepare(MAX_BYTES)
        try:
            return await loop.run_in_executor(self._usual, prepare, USUAL_BYTES)
        except RefusedError as error:
            if not isinstance(error.__cause__, TooManyBytesError):
                raise
        return await loop.run_in_executor(self._large, prepare, MAX_BYTES)

    def close(self) -> None:
        self._usual.shutdown(cancel_futures=True)
        self._large.shutdown(cancel_futures=True)


def _headers(scope: Scope) -> dict[bytes, bytes]:
    """By name; a repeated one is joined, as HTTP says."""
    joined: dict[bytes, bytes] = {}
    for name, value in scope["headers"]:
        joined[name] = joined[name] + b"," + value if name in joined else value
    return joined


def _media_type(header: bytes) -> tuple[bytes, bytes]:
    """The type and the charset of a Content-Type header, lower-case."""
    media_type, _, parameters = header.partition(b";")
    charset = b""
    for parameter in parameters.split(b";"):
        name, _, value = parameter.partition(b"=")
        if name.strip().lower() == b"charset":
            charset = value.strip().strip(b'"').lower()
    return media_type.strip().lower(), charset


def _form(headers: dict[bytes, bytes]) -> _Form:
    media_type, charset = _media_type(headers.get(b"content-type", b""))
    if media_type not in (PROTOBUF, JSON):
        raise RefusedError(
            answers.WRONG_TYPE,
            f"Content-Type is {media_type.decode('latin-1')[:80]!r}; it must be application/x-protobuf or application/json",
        )
    if media_type == JSON and charset not in (b"", b"utf-8", b"utf8", b"us-ascii"):
        raise RefusedError(
            answers.WRONG_TYPE, f"the charset is {charset.decode('latin-1')[:40]!r}; JSON must be UTF-8"
        )
    encoding = headers.get(b"content-encoding", b"").strip().lower()
    if encoding not in _GZIP and encoding not in _PLAIN:
        raise RefusedError(
            answers.WRONG_TYPE,
            f"Content-Encoding is {encoding.decode('latin-1')[:40]!r}; it must be gzip, or absent",
        )
    return _Form(json=media_type == JSON, gzip=encoding in _GZIP)


def _check_length(headers: dict[bytes, bytes]) -> None:
    length = headers.get(b"content-length", b"")
    if length.isdigit() and int(length[:30]) > MAX_BYTES:
        raise RefusedError(answers.TOO_LARGE, f"the request is larger than {MAX_BYTES} bytes")


async def _send(send: Send, status: int, content_type: bytes, content: bytes) -> None:
    headers = [(b"content-type", content_type), (b"content-length", b"%d" % len(content)), *security.HEADERS]
    await send({"type": "http.response.start", "status": status, "headers": headers})
    await send({"type": "http.response.body", "body": content})


async def _refuse(error: RefusedError, headers: dict[bytes, bytes], upload: _Upload, send: Send) -> None:
    """The answer to a refused request, in protobuf where that is what it was written in. Its body may still be
    arriving, so that is read on for a while."""
    reason = error.reason
    media_type = PROTOBUF if _media_type(headers.get(b"content-type", b""))[0] == PROTOBUF else JSON
    encode = answers.status_protobuf if media_type == PROTOBUF else answers.status_json
    content = encode(reason.code, error.message)
    answer = [(b"content-type", media_type), (b"content-length", b"%d" % len(content)), *security.HEADERS]
    if reason is answers.WRONG_METHOD:
        answer.append((b"allow", b"POST"))
    if reason is answers.NO_TOKEN:
        answer.append((b"www-authenticate", b"Bearer"))
    if reason.retryable:
        answer.append((b"retry-after", b"%d" % answers.RETRY_AFTER_S))
    if reason not in _BODY_WAS_READ and (
        headers.get(b"content-length", b"0") != b"0" or b"transfer-encoding" in headers
    ):
        answer.append((b"connection", b"close"))
    await send({"type": "http.response.start", "status": reason.http, "headers": answer})
    await send({"type": "http.response.body", "body": content, "more_body": True})
    try:
        async with asyncio.timeout(LINGER_S):
            async for _ in upload.parts():
                pass
    except (GoneError, TimeoutError):
        pass
    await send({"type": "http.response.body", "body": b""})
