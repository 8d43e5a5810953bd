"""The exposition on a Unix socket: plain HTTP, so that the receiver can merge it into its own `/metrics`."""

from __future__ import annotations

import logging
import sys
import threading
from collections.abc import Callable
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer

from prometheus_client import CollectorRegistry
from prometheus_client.exposition import choose_encoder
from prometheus_client.registry import Collector

from tracestitch_collector.outputs.rendering import render
from tracestitch_collector.sockets import unix_path

logger = logging.getLogger(__name__)


def serve(socket_path: Path, *collectors: Collector) -> Callable[[], None]:
    """Answer `GET /metrics` on the socket from a thread of its own; a socket left by a dead process is
    replaced. Returns the function that stops it and removes the socket."""
    registry = CollectorRegistry()
    for collector in collectors:
        registry.register(collector)
    socket_path.unlink(missing_ok=True)
    socket_path.parent.mkdir(parents=True, exist_ok=True)
    with unix_path(socket_path) as address:
        server = _Server(address, _handler(registry))
    thread = threading.Thread(
        target=server.serve_forever, kwargs={"poll_interval": 0.1}, name="exposition", daemon=True
    )
    thread.start()

    def stop() -> None:
        server.shutdown()
        server.server_close()
        thread.join()
        socket_path.unlink(missing_ok=True)

    return stop


class _Server(ThreadingUnixStreamServer):
    daemon_threads = True

    def handle_error(self, *_request: object) -> None:
        error = sys.exception()
        if not isinstance(error, OSError):  # a scraper that went away is nothing to say
            logger.error("a scrape failed", exc_info=error)


def _handler(registry: CollectorRegistry) -> type[BaseHTTPRequestHandler]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_GET(self) -> None:
            if self.path.partition("?")[0] != "/metrics":
                self.send_error(404, "There is only /metrics here.")
                return
            _, content_type = choose_encoder(self.headers.get("Accept", ""))
            openmetrics = content_type.startswith("application/openmetrics-text")
            body = render(registry.collect(), openmetrics=openmetrics)
            self.send_response(200)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def address_string(self) -> str:
            return "unix"  # a Unix socket has no client address

        def log_message(self, *_args: object) -> None:
            """One scrape is not worth a line."""

    return Handler
