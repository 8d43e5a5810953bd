"""Something that speaks just enough of Elasticsearch to answer as a script says: for answers that a real server
cannot be brought to give on demand.
"""

from __future__ import annotations

import json
import ssl
import subprocess
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

Answer = tuple[int, dict[str, Any]]
"""Status and body."""
Script = Callable[[list[dict[str, Any]]], Answer]
"""From the documents of one bulk request, or the bodies of several searches."""


@dataclass(slots=True, kw_only=True)
class Scripted:
    url: str
    requests: list[list[dict[str, Any]]] = field(default_factory=list)
    """The documents of each bulk request, in order."""
    authorizations: list[str] = field(default_factory=list)
    """The header of each."""


@contextmanager
def scripted_elasticsearch(script: Script, tls: ssl.SSLContext | None = None) -> Iterator[Scripted]:
    class Handler(BaseHTTPRequestHandler):
        timeout = 10

        def do_PUT(self) -> None:
            lines = self.rfile.read(int(self.headers["Content-Length"])).splitlines()
            documents = [json.loads(line) for line in lines[1::2]]
            scripted.requests.append(documents)
            scripted.authorizations.append(self.headers.get("Authorization", ""))
            self._answer(*script(documents))

        def do_POST(self) -> None:
            """Several searches in one request have the same form."""
            self.do_PUT()

        def _answer(self, status: int, body: dict[str, Any]) -> None:
            content = json.dumps(body).encode()
            self.send_response(status)
            self.send_header("X-Elastic-Product", "Elasticsearch")
            self.send_header("Content-Type", "application/json")
            self.send_header("Content-Length", str(len(content)))
            self.end_headers()
            self.wfile.write(content)

        def log_message(self, *_: object) -> None:
            """Says nothing."""

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    if tls:
        server.socket = tls.wrap_socket(server.socket, server_side=True)
    scheme = "https" if tls else "http"
    scripted = Scripted(url=f"{scheme}://127.0.0.1:{server.server_port}")
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05})
    thread.start()
    try:
        yield scripted
    finally:
        server.shutdown()
        thread.join()
        server.server_close()


def items(*statuses: int) -> Answer:
    """An answer with one status per document."""
    return 200, {
        "items": [
            {
                "create": {"status": status}
                if status < 300
                else {"status": status, "error": {"type": "some_exception", "reason": f"because {status}"}}
            }
            for status in statuses
        ]
    }


def own_certificate(folder: Path) -> tuple[Path, ssl.SSLContext]:
    """A certificate that signs itself, for 127.0.0.1: its file, and a server's context with it."""
    certificate, key = folder / "ca.pem", folder / "key.pem"
    subprocess.run(
        ["openssl", "req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "2", "-subj", "/CN=tests",
         "-addext", "subjectAltName=IP:127.0.0.1", "-keyout", key, "-out", certificate],
        check=True,
        capture_output=True,
    )  # fmt: skip
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate, key)
    return certificate, context
