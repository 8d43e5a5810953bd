"""A small reverse proxy between storefront and pricing. It is not instrumented, and on one route it passes on
only the headers it knows, as many a real gateway does.
"""

from __future__ import annotations

import argparse
import urllib.error
import urllib.request
from collections.abc import Mapping
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

KNOWN_HEADERS = ("accept", "user-agent")
STRICT_ROUTE = "/tariffs/"
TIMEOUT_S = 10


def passed_on(path: str, headers: Mapping[str, str]) -> dict[str, str]:
    """The headers that the service behind gets to see."""
    strict = path.startswith(STRICT_ROUTE)
    dropped = ("host", "connection", "accept-encoding")
    return {
        name: value
        for name, value in headers.items()
        if name.lower() not in dropped and (not strict or name.lower() in KNOWN_HEADERS)
    }


def handler(upstream: str) -> type[BaseHTTPRequestHandler]:
    class Gateway(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            headers = passed_on(self.path, dict(self.headers.items()))
            request = urllib.request.Request(upstream + self.path, headers=headers)
            try:
                with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:
                    self._answer(answer.status, answer.headers.get_content_type(), answer.read())
            except urllib.error.HTTPError as error:
                self._answer(error.code, error.headers.get_content_type(), error.read())
            except OSError as error:
                self._answer(502, "text/plain", f"pricing cannot be reached: {error}\n".encode())

        def _answer(self, status: int, content_type: str, body: bytes) -> None:
            self.send_response(status)
            self.send_header("Content-Type", content_type)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

    return Gateway


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--port", type=int, required=True)
    parser.add_argument("--upstream", required=True, help="the pricing service's URL")
    arguments = parser.parse_args()
    ThreadingHTTPServer(("127.0.0.1", arguments.port), handler(arguments.upstream)).serve_forever()


if __name__ == "__main__":
    main()
