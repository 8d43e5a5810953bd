"""`POST /alerts`: Alertmanager's webhook, taken into the same log as telemetry and acknowledged when it is durable."""

from __future__ import annotations

import time
from collections.abc import Callable

from fastapi import Request, Response
from fastapi.responses import JSONResponse

from tracestitch_collector import alerts
from tracestitch_collector.receive import answers
from tracestitch_collector.receive.answers import RefusedError
from tracestitch_collector.receive.intake import Intake
from tracestitch_collector.receive.shapes import LOGS
from tracestitch_collector.receive.side import refusal

TRANSPORT = "alertmanager"


class Alerts:
    def __init__(self, intake: Intake, clock_ns: Callable[[], int] = time.time_ns) -> None:
        self._intake = intake
        self._clock_ns = clock_ns

    async def __call__(self, request: Request) -> Response:
        try:
            taken = await self._take(await _body(request))
        except RefusedError as error:
            self._intake.refuse("alerts", TRANSPORT, error)
            return refusal(error)
        return JSONResponse({"taken": taken})

    async def _take(self, body: bytes) -> int:
        try:
            found = alerts.from_webhook(body, self._clock_ns())
        except alerts.NotAlertsError as error:
            raise RefusedError(answers.MALFORMED, str(error)) from error
        if not found:
            return 0
        prepared = self._intake.prepare(LOGS, TRANSPORT, alerts.to_otlp(found), json=True)
        await self._intake.settle(prepared)
        return len(found)


async def _body(request: Request) -> bytes:
    """A browser cannot send this type from another site without asking first, and no page may answer it."""
    media_type = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if media_type != "application/json":
        raise RefusedError(answers.WRONG_TYPE, "Content-Type must be application/json")
    parts = bytearray()
    async for part in request.stream():
        parts += part
        if len(parts) > alerts.MAX_BYTES:
            raise RefusedError(answers.TOO_LARGE, f"the message is larger than {alerts.MAX_BYTES} bytes")
    return bytes(parts)
