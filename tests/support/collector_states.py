"""Twelve ways of a collector to be unwell, and four of the network before it: real sockets, each in one thread."""

import contextlib
import gzip
import http.client
import socket
import struct
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass

Serve = Callable[[socket.socket], None]
BOMB = gzip.compress(b"\0" * 64 * 1024 * 1024, 9)


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    name: str
    # What is done with each connection; None: nobody listens.
    serve: Serve | None
    # Data that is refused for good is lost, and counted; other data waits.
    refuses: bool = False
    # Where the agent is told to send, when not to the port.
    url: str = "http://127.0.0.1:{port}"


def _request(connection: socket.socket) -> bool:
    """Reads one whole request; false when the client has gone."""
    data = b""
    while b"\r\n\r\n" not in data:
        part = connection.recv(65_536)
        if not part:
            return False
        data += part
    head, _, body = data.partition(b"\r\n\r\n")
    lengths = [line for line in head.lower().splitlines() if line.startswith(b"content-length:")]
    missing = (int(lengths[0].split(b":")[1]) if lengths else 0) - len(body)
    while missing > 0:
        part = connection.recv(65_536)
        if not part:
            return False
        missing -= len(part)
    return True


def _answering(status: str, *headers: str, body: bytes = b"") -> Serve:
    head = "\r\n".join([f"HTTP/1.1 {status}", *headers, f"content-length: {len(body)}", "", ""])

    def serve(connection: socket.socket) -> None:
        while _request(connection):
            connection.sendall(head.encode() + body)

    return serve


def _hang(connection: socket.socket) -> None:
    while connection.recv(65_536):
        pass


def _drip(connection: socket.socket) -> None:
    if _request(connection):
        for byte in b"HTTP/1.1 200 OK\r\ncontent-length: 0\r\n\r\n":
            connection.sendall(bytes([byte]))
            time.sleep(0.3)


def _garbage(connection: socket.socket) -> None:
    if _request(connection):
        connection.sendall(bytes(range(256)) * 64)


def _reset(connection: socket.socket) -> None:
    connection.recv(100)
    connection.setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, struct.pack("ii", 1, 0))


_HTML = b"<!doctype html><title>Log in</title>"
STATES = (
    State(name="refused", serve=None),
    State(name="hanging", serve=_hang),
    State(name="slow", serve=_drip),
    State(name="garbage", serve=_garbage),
    State(
        name="200 with HTML",
        serve=_answering("200 OK", "content-type: text/html", body=_HTML),
        refuses=True,
    ),
    State(name="302", serve=_answering("302 Found", "location: http://127.0.0.1:1/login"), refuses=True),
    State(name="401", serve=_answering("401 Unauthorized"), refuses=True),
    State(name="413", serve=_answering("413 Content Too Large"), refuses=True),
    State(name="429 for 30 s", serve=_answering("429 Too Many Requests", "retry-after: 30")),
    State(name="503 for ever", serve=_answering("503 Service Unavailable")),
    State(name="RST in mid-body", serve=_reset),
    State(
        name="gzip bomb",
        serve=_answering(
            "200 OK", "content-type: application/x-protobuf", "content-encoding: gzip", body=BOMB
        ),
    ),
    State(name="no such host", serve=None, url="http://no-such-host.invalid:{port}"),
    State(name="no address by IPv6", serve=None, url="http://[::1]:{port}"),
    State(name="TLS to a plain port", serve=_answering("400 Bad Request"), url="https://127.0.0.1:{port}"),
    State(name="no URL at all", serve=None, url="127.0.0.1:{port}/v1"),
)


@contextlib.contextmanager
def serving(serve: Serve | None, port: int) -> Iterator[list[float]]:
    """Gives the moments at which connections came."""
    seen: list[float] = []
    if serve is None:
        yield seen
        return
    open_connections: list[socket.socket] = []

    def one(connection: socket.socket) -> None:
        with contextlib.suppress(OSError), connection:
            serve(connection)

    def accept() -> None:
        with contextlib.suppress(OSError):
            while True:
                connection, _ = listening.accept()
                seen.append(time.monotonic())
                open_connections.append(connection)
                threading.Thread(target=one, args=(connection,), daemon=True).start()

    listening = socket.create_server(("127.0.0.1", port), backlog=64)
    threading.Thread(target=accept, daemon=True).start()
    try:
        yield seen
    finally:
        for one_socket in (listening, *open_connections):
            with contextlib.suppress(OSError):
                one_socket.shutdown(socket.SHUT_RDWR)
            one_socket.close()


def alive(port: int) -> bool:
    connection = http.client.HTTPConnection("127.0.0.1", port, timeout=2)
    try:
        connection.request("GET", "/agent")
        return connection.getresponse().status == 200
    except OSError:
        return False
    finally:
        connection.close()
