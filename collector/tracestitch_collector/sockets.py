"""The sockets a server listens on: taken once by the supervisor and inherited by its processes, so that a
restarted process keeps its port and callers wait instead of being turned away.
"""

from __future__ import annotations

import json
import os
import socket
import sys
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from tracestitch_collector.errors import BadConfiguration
from tracestitch_collector.settings import SOCKETS_VARIABLE

BACKLOG = 1024
UNIX_PATH_BYTES = 103
"""What every system takes as the path of a Unix socket."""


def bind(host: str, port: int, *, listening: bool = True) -> socket.socket:
    """A socket on this address. One that does not listen only keeps the port from others, for a server that
    binds it itself with SO_REUSEPORT."""
    try:
        family, kind, protocol, _, address = socket.getaddrinfo(
            host, port, type=socket.SOCK_STREAM, flags=socket.AI_PASSIVE
        )[0]
        if not listening:
            port = _free_port(family, kind, protocol, address)
        bound = socket.socket(family, kind, protocol)
        bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        if not listening:
            bound.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
        bound.bind((address[0], port, *address[2:]))
        if listening:
            bound.listen(BACKLOG)
    except OSError as error:
        raise BadConfiguration(
            f"cannot listen on {host}:{port}: {error.strerror or error}; "
            "stop what uses it, or choose another port (0 takes a free one)"
        ) from error
    return bound


def _free_port(family: int, kind: int, protocol: int, address: tuple[str | int | bytes, ...]) -> int:
    """The port, or a free one for 0; fails when another server has it, even one that shares ports."""
    with socket.socket(family, kind, protocol) as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        probe.bind(address)
        return int(probe.getsockname()[1])


def port_of(bound: socket.socket) -> int:
    return int(bound.getsockname()[1])


def handed_over(sockets: Mapping[str, socket.socket]) -> str:
    """The text for SOCKETS_VARIABLE."""
    return json.dumps({name: bound.fileno() for name, bound in sockets.items()})


def inherited(name: str, environment: Mapping[str, str]) -> socket.socket | None:
    """The listening socket of this name (`otlp_http`, `dashboard`), or None when no supervisor gave one."""
    file = json.loads(environment.get(SOCKETS_VARIABLE) or "{}").get(name)
    if file is None:
        return None
    bound = socket.socket(fileno=file)
    bound.setblocking(False)
    return bound


@contextmanager
def unix_path(path: Path) -> Iterator[str]:
    """The path of a Unix socket as bind and connect take it, however deep the folder lies: a long one leads through
    the open folder."""
    if len(os.fsencode(path)) <= UNIX_PATH_BYTES or not sys.platform.startswith("linux"):
        yield str(path)
        return
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
    try:
        yield f"/proc/self/fd/{folder}/{path.name}"
    finally:
        os.close(folder)
