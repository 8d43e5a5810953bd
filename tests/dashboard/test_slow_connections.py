"""The dashboard's port among those who never finish what they ask."""

from __future__ import annotations

import contextlib
import socket
import time
from collections.abc import Iterator
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import urlopen

import pytest

from tests.support.dashboard import running
from tests.support.memory_store import MemoryStore
from tracestitch_collector.receive.protocol import BODY_S, HEADERS_BYTES, HEADERS_S, PromptProtocol
from tracestitch_collector.settings import Settings
from tracestitch_dashboard.app import create_app, server_config

pytestmark = pytest.mark.server

LOCKED = "a-token-of-this-test"


@pytest.fixture
def address(tmp_path: Path) -> Iterator[str]:
    settings = Settings(data=tmp_path, token=LOCKED)
    with running(MemoryStore(), settings, headers_s=1.0, body_s=2.0) as address:
        yield address


def connect(address: str) -> socket.socket:
    parts = urlsplit(address)
    return socket.create_connection((parts.hostname or "", parts.port or 0), timeout=60)


def test_headers_that_never_end_are_cut_before_they_take_memory(address: str) -> None:
    sent = 0
    with connect(address) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\nX: ")
        while sent < 1 << 30:
            connection.sendall(b"x" * 4096)
            sent += 4096
    # What the kernel holds on its way counts as sent.
    assert HEADERS_BYTES <= sent < 1 << 26


@pytest.mark.parametrize(
    "start",
    [
        b"",
        b"GET / HTTP/1.1\r\nHost: loc",
        b"POST /sign-in HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/x-www-form-urlencoded\r\nContent-Length: 9\r\n\r\n",
    ],
)
def test_a_request_that_does_not_arrive_is_cut(address: str, start: bytes) -> None:
    with connect(address) as connection:
        connection.sendall(start)
        with contextlib.suppress(ConnectionError):
            assert connection.recv(1) == b""
    assert urlopen(f"{address}/healthz").status == 200


def test_headers_that_drip_are_cut_though_they_never_stop(address: str) -> None:
    began = time.monotonic()
    with connect(address) as connection, contextlib.suppress(ConnectionError):
        connection.sendall(b"GET / HTTP/1.1\r\nHost: localhost\r\n")
        while time.monotonic() - began < 50:
            connection.sendall(b"X: x\r\n")
            time.sleep(0.05)
    assert time.monotonic() - began < 45


def test_the_process_has_ten_seconds_for_headers_and_thirty_for_a_body(tmp_path: Path) -> None:
    config = server_config(create_app(MemoryStore(), Settings(data=tmp_path)))
    protocol = config.http
    assert isinstance(protocol, type)
    assert issubclass(protocol, PromptProtocol)
    assert (protocol.headers_s, protocol.body_s) == (HEADERS_S, BODY_S) == (10.0, 30.0)
