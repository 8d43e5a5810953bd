"""Takes whatever any agent sends and answers as its server would, on a free port that it prints; a process of its own."""

import sys
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

_PROTOBUF = b"application/x-protobuf"


class Sink(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    wbufsize = 65_536

    def do_GET(self) -> None:
        self._answer(b"application/json", b'{"settings_key": "' + b"ab" * 32 + b'"}')

    def do_POST(self) -> None:
        if self.headers.get("transfer-encoding", "").lower() == "chunked":
            while size := int(self.rfile.readline().split(b";")[0], 16):
                self.rfile.read(size + 2)
            self.rfile.readline()
        else:
            self.rfile.read(int(self.headers.get("content-length") or 0))
        if self.path.startswith("/v1/"):
            self._answer(_PROTOBUF, b"")
        else:
            self._answer(b"application/json", b"{}", b"202 Accepted" if "intake" in self.path else b"200 OK")

    do_PUT = do_POST  # noqa: N815 - the name it has in the library

    def _answer(self, kind: bytes, body: bytes, status: bytes = b"200 OK") -> None:
        self.wfile.write(
            b"HTTP/1.1 %b\r\ncontent-type: %b\r\ncontent-length: %d\r\n\r\n%b"
            % (status, kind, len(body), body)
        )
        self.wfile.flush()

    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the name it has in the library
        pass


class Server(ThreadingHTTPServer):
    daemon_threads = True

    def handle_error(self, request: object, client_address: object) -> None:
        pass  # an app that ends breaks its connection off


if __name__ == "__main__":
    server = Server(("127.0.0.1", 0), Sink)
    print(server.server_address[1], flush=True)
    try:
        server.serve_forever(poll_interval=3600)
    except KeyboardInterrupt:
        sys.exit()
