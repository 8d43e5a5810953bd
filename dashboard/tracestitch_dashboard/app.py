"""The reader's process: pages, their JSON twins and the Jaeger query API on one port, and the loop that
evaluates the checks.
"""

from __future__ import annotations

import hashlib
import logging
import os
import sys
import time
from collections.abc import Callable, Mapping
from pathlib import Path

import uvicorn
from fastapi import FastAPI
from starlette.exceptions import HTTPException
from starlette.middleware.gzip import GZipMiddleware
from starlette.requests import Request
from starlette.responses import RedirectResponse, Response
from starlette.routing import Route
from starlette.staticfiles import StaticFiles
from starlette.types import Scope

from tracestitch_collector import checking, sockets
from tracestitch_collector.errors import TracestitchError
from tracestitch_collector.receive.protocol import protocol_class
from tracestitch_collector.security import SecurityMiddleware
from tracestitch_collector.settings import PART_VARIABLE, Settings
from tracestitch_collector.store.open import open_store
from tracestitch_collector.store.store import Store
from tracestitch_dashboard import jaeger, jaeger_v3, rendering, search, sign_in
from tracestitch_dashboard.site import Site

STATIC = Path(__file__).parent / "static"
BACKLOG_SECONDS = 5


def create_app(store: Store, settings: Settings, clock_ns: Callable[[], int] = time.time_ns) -> FastAPI:
    """The whole web side over one store; starts nothing and opens nothing."""
    app = FastAPI(docs_url=None, redoc_url=None, openapi_url=None)
    templates = rendering.environment(version_of(STATIC))
    site = Site(store, settings, clock_ns, templates)
    form = sign_in.SignIn(settings, templates)
    app.router.routes += [
        Route("/healthz", lambda _request: Response("ok\n", media_type="text/plain")),
        Route(sign_in.PATH, form.form, methods=["GET", "POST"]),
        Route("/search", _search(site)),
        *jaeger_v3.routes(store, clock_ns),
        *jaeger.routes(store, clock_ns),
        *site.routes(),
    ]
    app.mount("/static", Static(directory=STATIC))
    app.add_exception_handler(HTTPException, _refusals(site))
    app.add_middleware(GZipMiddleware, minimum_size=1000, compresslevel=6)
    app.add_middleware(
        SecurityMiddleware,
        settings=settings,
        exempt=("/healthz",),
        public=(sign_in.PATH, "/static/"),
        unauthorised=sign_in.asked_to_sign_in(),
    )
    return app


class Static(StaticFiles):
    """Our own files; their addresses change with their content, so they may be kept."""

    async def get_response(self, path: str, scope: Scope) -> Response:
        response = await super().get_response(path, scope)
        versioned = b"v=" in scope["query_string"]
        response.headers["cache-control"] = "max-age=31536000, immutable" if versioned else "no-cache"
        return response


def version_of(folder: Path) -> str:
    """Changes with the content of any file below."""
    digest = hashlib.blake2b(digest_size=6)
    for path in sorted(path for path in folder.rglob("*") if path.is_file()):
        digest.update(path.name.encode() + path.read_bytes())
    return digest.hexdigest()


def _search(site: Site) -> Callable[[Request], Response]:
    def answer(request: Request) -> Response:
        return RedirectResponse(search.destination(site.ask(request)), 303)

    return site.guarded(answer, is_json=False)


def _refusals(site: Site) -> Callable[[Request, Exception], Response]:
    """Addresses that lead nowhere, and methods that are not served."""

    def answer(request: Request, error: Exception) -> Response:
        status = error.status_code if isinstance(error, HTTPException) else 500
        path = request.url.path
        is_json = path.endswith(".json") or path.startswith("/api/")
        if status == 404:
            text = f"There is no page at {path[:200]}. The pages are named in the bar above."
            return site.refusal(request, 404, "Not found", text, is_json=is_json)
        detail = str(error.detail) if isinstance(error, HTTPException) else "An error of ours; see the log."
        response = site.refusal(request, status, "That did not work", detail, is_json=is_json)
        response.headers.update(getattr(error, "headers", None) or {})
        return response

    return answer


def server_config(app: FastAPI, **deadlines: float) -> uvicorn.Config:
    """Whoever may not see a page may connect all the same: what arrives is bounded before the token is looked at."""
    return uvicorn.Config(
        app,
        http=protocol_class(lambda: None, **deadlines),
        ws="none",
        log_level="warning",
        access_log=False,
        server_header=False,
        timeout_graceful_shutdown=BACKLOG_SECONDS - 2,
    )


def evaluates_checks(environment: Mapping[str, str]) -> bool:
    """Only where this is all there is: beside a collector elsewhere, that one evaluates them."""
    return environment.get(PART_VARIABLE, "all") == "all"


def main(environment: Mapping[str, str] = os.environ) -> int:
    logging.basicConfig(level=logging.WARNING, format="dashboard: %(levelname)s %(message)s")
    try:
        settings = Settings.from_environment(environment)
        store = open_store(settings, write=False)
        listener = sockets.inherited("dashboard", environment) or sockets.bind(
            settings.host, settings.dashboard_port
        )
    except TracestitchError as error:
        sys.stderr.write(f"{error}\n")
        return 78
    checks = settings.checks and evaluates_checks(environment)
    stop_checking = checking.start(store, settings) if checks else lambda: None
    server = uvicorn.Server(server_config(create_app(store, settings)))
    try:
        server.run(sockets=[listener])
    finally:
        stop_checking()
        store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
