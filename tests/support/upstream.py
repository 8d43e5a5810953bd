"""A service that apps under test call: it keeps the headers of each request and answers as its path says."""

import contextlib
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer


@dataclass(slots=True, kw_only=True)
class Upstream:
    """`/status/503` answers 503, `/moved` redirects to `/here`, `/flaky` breaks off twice and then answers."""

    url: str
    headers: dict[str, list[Mapping[str, str]]] = field(default_factory=dict)

    def asked(self, path: str) -> list[Mapping[str, str]]:
        return self.headers.get(path, [])


@contextlib.contextmanager
def upstream() -> Iterator[Upstream]:
    service = Upstream(url="")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            path = self.path.partition("?")[0]
            seen = service.headers.setdefault(path, [])
            seen.append({name.lower(): value for name, value in self.headers.items()})
            if path == "/flaky" and len(seen) < 3:
                self.connection.close()
                self.close_connection = True
                return
            status = int(path.rpartition("/")[2]) if path.startswith("/status/") else 200
            self.send_response(302 if path == "/moved" else status)
            if path == "/moved":
                self.send_header("location", "/here")
            self.send_header("content-length", "2")
            self.end_headers()
            self.wfile.write(b"ok")

        def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has in the library
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: object, client_address: object) -> None:
            pass  # breaking off is what it is here for

    server = Server(("127.0.0.1", 0), Handler)
    service.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield service
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)
