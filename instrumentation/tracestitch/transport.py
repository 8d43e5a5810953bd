"""HTTP to the collector over keep-alive connections, on the original sockets even where gevent or eventlet
replace them later: this module is imported before the app.
"""

import socket
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPConnection, HTTPException, RemoteDisconnected
from urllib.parse import urlsplit

# Taken now: a monkey patch changes the modules' names, not these. In a tuple, since gevent warns of modules that
# hold the original class by name.
_ORIGINALS = (socket.socket, ssl.SSLContext, socket.getaddrinfo)

LARGEST_REPLY = 4 * 1024 * 1024


class Unreachable(Exception):
    """No answer came: refused, no such host, timed out, broken off, not HTTP."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Reply:
    status: int
    headers: Mapping[str, str]
    body: bytes


class Transport:
    def __init__(self, *, timeout_s: float, certificate: str | None) -> None:
        self._timeout_s = timeout_s
        self._certificate = certificate
        self._connections: dict[tuple[str, str], _Connection] = {}

    def request(self, method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        parts = urlsplit(url)
        key = (parts.scheme, parts.netloc)
        target = parts.path or "/"
        if parts.query:
            target += "?" + parts.query
        try:
            connection = self._connections.get(key)
            if connection is not None:
                try:
                    return connection.exchange(method, target, body, headers)
                except (RemoteDisconnected, ConnectionError):
                    connection.close()  # the collector closed an idle connection: once more on a new one
            connection = self._connections[key] = self._open(parts.scheme, parts.hostname, parts.port)
            return connection.exchange(method, target, body, headers)
        except (OSError, HTTPException, ValueError) as error:
            broken = self._connections.pop(key, None)
            if broken is not None:
                broken.close()
            raise Unreachable(_reason(error)) from error

    def _open(self, scheme: str, host: str | None, port: int | None) -> "_Connection":
        if scheme not in ("http", "https") or not host:
            raise ValueError("the endpoint is not an http:// or https:// URL")
        context = self._tls() if scheme == "https" else None
        return _Connection(host, port or (443 if context else 80), self._timeout_s, context)

    def _tls(self) -> ssl.SSLContext:
        context = _ORIGINALS[1](ssl.PROTOCOL_TLS_CLIENT)  # checks the certificate and the host name
        if self._certificate:
            context.load_verify_locations(cafile=self._certificate)
        else:
            context.load_default_certs()
        return context


class _Connection(HTTPConnection):
    def __init__(self, host: str, port: int, timeout_s: float, context: ssl.SSLContext | None) -> None:
        super().__init__(host, port, timeout=timeout_s)
        self._context = context

    def connect(self) -> None:
        connected = self._dial()
        connected.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)
        if self._context is not None:
            connected = self._context.wrap_socket(connected, server_hostname=self.host)
        self.sock = connected

    def exchange(self, method: str, target: str, body: bytes, headers: Mapping[str, str]) -> Reply:
        self.request(method, target, body=body or None, headers=dict(headers))
        response = self.getresponse()
        read = response.read(LARGEST_REPLY)
        if not response.isclosed() and response.read(1):
            self.close()  # the rest is not worth reading
        return Reply(
            status=response.status,
            headers={key.lower(): value for key, value in response.getheaders()},
            body=read,
        )

    def _dial(self) -> socket.socket:
        failure: OSError = OSError(f"no address for {self.host}")
        original_socket, _, getaddrinfo = _ORIGINALS
        for family, kind, protocol, _, address in getaddrinfo(self.host, self.port, 0, socket.SOCK_STREAM):
            candidate = original_socket(family, kind, protocol)
            try:
                candidate.settimeout(self.timeout)
                candidate.connect(address)
            except OSError as error:
                candidate.close()
                failure = error
            else:
                return candidate
        raise failure


def _reason(error: Exception) -> str:
    if isinstance(error, TimeoutError):
        return "no answer in time"
    return str(error) or type(error).__name__
