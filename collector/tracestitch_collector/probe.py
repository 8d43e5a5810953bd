"""Does a process answer? One HTTP request over TCP or a Unix socket; any status is an answer."""

from __future__ import annotations

import socket
from pathlib import Path

from tracestitch_collector.sockets import unix_path

PATIENCE_S = 0.3
_REQUEST = b"GET /healthz HTTP/1.0\r\nHost: localhost\r\n\r\n"


def answers_http(host: str, port: int) -> bool:
    try:
        with socket.create_connection((host, port), timeout=PATIENCE_S) as connection:
            return _answers(connection)
    except OSError:
        return False


def answers_unix(path: Path) -> bool:
    try:
        with unix_path(path) as address, socket.socket(socket.AF_UNIX) as connection:
            connection.settimeout(PATIENCE_S)
            connection.connect(address)
            return _answers(connection)
    except OSError:
        return False


def _answers(connection: socket.socket) -> bool:
    connection.sendall(_REQUEST)
    return connection.recv(5) == b"HTTP/"
