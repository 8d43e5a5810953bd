"""Everything of the OTLP/HTTP port but OTLP itself: the agent's key, alerts, log lines, health, and /metrics."""

from __future__ import annotations

import os
import secrets
import threading
from collections.abc import Awaitable, Callable, Mapping
from pathlib import Path

from fastapi import FastAPI, Request, Response
from fastapi.responses import JSONResponse
from starlette.exceptions import HTTPException

from tracestitch_collector.receive.answers import RETRY_AFTER_S, Code, RefusedError

PATHS = ("/agent", "/alerts", "/healthz", "/lines", "/readyz", "/metrics")

_CODES = {404: Code.NOT_FOUND, 405: Code.UNIMPLEMENTED}


def side_app(
    key: str,
    unready: Callable[[], str],
    store_away: Callable[[], str],
    exposed: Callable[[str], Awaitable[tuple[bytes, str]]],
    about: Callable[[], Mapping[str, object]],
    alerts: Callable[[Request], Awaitable[Response]],
    lines: Callable[[Request], Awaitable[Response]],
) -> FastAPI:
    """`unready` says why nothing can be accepted now, `store_away` why what is accepted waits in the log, each
    nothing when all is well; `exposed` is the text of /metrics and its
    type for an Accept header; `about` is what `tracestitch doctor` asks: version, clock, dashboard, disk; `alerts`
    takes what Alertmanager says, `lines` log lines as JSON."""
    # Telemetry off: a collector that traced itself would never come to rest.
    app = FastAPI(
        openapi_url=None,
        docs_url=None,
        redoc_url=None,
        telemetry={"tracing": False, "metrics": False, "logs": False},
    )

    @app.get("/agent")
    async def agent() -> dict[str, object]:
        return {"settings_key": key, **about()}

    @app.get("/healthz")
    async def healthz() -> dict[str, bool]:
        return {"healthy": True}

    @app.get("/readyz")
    async def readyz() -> JSONResponse:
        why = unready()
        if why:
            return JSONResponse({"ready": False, "why": why}, status_code=503, headers={"retry-after": "1"})
        # Still ready: what is taken is durable in the log, and whoever sends must not turn away.
        waits = store_away()
        return JSONResponse(
            {"ready": True, "store": "unavailable, buffering", "why": waits} if waits else {"ready": True}
        )

    @app.get("/metrics")
    async def metrics(request: Request) -> Response:
        body, content_type = await exposed(request.headers.get("accept", ""))
        return Response(body, headers={"content-type": content_type})

    app.add_api_route("/alerts", alerts, methods=["POST"], response_model=None)
    app.add_api_route("/lines", lines, methods=["POST"], response_model=None)

    @app.exception_handler(HTTPException)
    async def refused(_request: Request, error: Exception) -> JSONResponse:
        assert isinstance(error, HTTPException)
        code = _CODES.get(error.status_code, Code.INVALID_ARGUMENT)
        return JSONResponse(
            {"code": code, "message": str(error.detail)}, error.status_code, headers=error.headers
        )

    return app


def refusal(error: RefusedError) -> JSONResponse:
    """How a route of this application says that it took nothing."""
    reason = error.reason
    headers = {"retry-after": str(RETRY_AFTER_S)} if reason.retryable else None
    return JSONResponse({"code": reason.code, "message": error.message}, reason.http, headers=headers)


def settings_key(path: Path) -> str:
    """The key for settings hashes, made once per data folder."""
    key = path.read_text("utf-8", errors="replace").strip() if path.exists() else ""
    if not key:
        key = secrets.token_hex(32)
        draft = path.with_suffix(f".{os.getpid()}-{threading.get_ident()}.tmp")
        draft.touch(mode=0o600)
        draft.write_text(key)
        if path.exists() and not path.read_text().strip():
            path.unlink()
        try:
            os.link(draft, path)
        except FileExistsError:  # another receiver was first
            key = path.read_text().strip()
        draft.unlink()
    return key
