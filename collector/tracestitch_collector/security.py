"""Who may ask: host names, the token, and the headers that every answer carries. Pure functions, and one
ASGI middleware that the receiver and the dashboard share.
"""

from __future__ import annotations

import hashlib
import hmac
import ipaddress
import re
from collections.abc import Iterable, MutableMapping
from http.cookies import CookieError, SimpleCookie
from typing import Any
from urllib.parse import urlsplit

from starlette.types import ASGIApp, Message, Receive, Scope, Send

from tracestitch_collector.settings import Settings

CONTENT_SECURITY_POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; "
    "font-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"
)

HEADERS: tuple[tuple[bytes, bytes], ...] = (
    (b"content-security-policy", CONTENT_SECURITY_POLICY.encode()),
    (b"x-content-type-options", b"nosniff"),
    (b"referrer-policy", b"no-referrer"),
    (b"cross-origin-opener-policy", b"same-origin"),
    (b"cross-origin-resource-policy", b"same-origin"),
    (b"x-frame-options", b"DENY"),
)
"""On every answer of every port."""

ALWAYS_OPEN = ("/healthz", "/readyz")
"""Probes reach these under any name and without a token; they tell nothing."""

SESSION_COOKIE = "tracestitch_session"

_HOST = re.compile(r"(?:\[([0-9a-fA-F:.]+)\]|([A-Za-z0-9._-]+))(?::[0-9]{1,5})?")


def host_name(header: str) -> str | None:
    """The name in a Host header or `:authority`, lower-case, without port and final dot; None when it is
    malformed."""
    match = _HOST.fullmatch(header)
    if match is None:
        return None
    return (match[1] or match[2]).lower().removesuffix(".") or None


def allowed_names(settings: Settings) -> frozenset[str]:
    """Names under which this server may be addressed, beside the loopback ones."""
    public = urlsplit(settings.public_url).hostname if settings.public_url else None
    names = (settings.host, *settings.allowed_hosts, *([public] if public else []))
    return frozenset(name.lower().strip("[]").removesuffix(".") for name in names)


def is_allowed_host(header: str, names: frozenset[str]) -> bool:
    """Whether a request addressed to this host is meant for us: a foreign name is a web page that had its
    own name point here (DNS rebinding)."""
    name = host_name(header)
    if name is None:
        return False
    return name == "localhost" or name in names or _is_loopback_address(name)


def _is_loopback_address(name: str) -> bool:
    try:
        return ipaddress.ip_address(name).is_loopback
    except ValueError:
        return False


def is_token(token: str, given: str) -> bool:
    """Compares in constant time."""
    return hmac.compare_digest(token.encode(), given.encode("utf-8", "surrogateescape"))


def is_bearer(token: str, authorization: str) -> bool:
    """Whether an Authorization header shows the token."""
    scheme, _, given = authorization.partition(" ")
    return scheme.lower() == "bearer" and is_token(token, given.strip())


def session_value(token: str) -> str:
    """What the log-in form leaves in the cookie: proves the token without holding it."""
    return hmac.new(token.encode(), b"tracestitch session", hashlib.sha256).hexdigest()


def is_session(token: str, cookie_header: str) -> bool:
    """Whether a Cookie header carries the session of this token."""
    try:
        morsel = SimpleCookie(cookie_header).get(SESSION_COOKIE)
    except CookieError:
        return False
    return morsel is not None and is_token(session_value(token), morsel.value)


class SecurityMiddleware:
    """Refuses foreign hosts (421) and, where a token is set, whoever does not show it (401); adds HEADERS.

    `exempt` paths are open to all; `public` paths (a log-in form, its style sheet) need the right host but no
    token, an entry that ends in `/` stands for everything below it. `unauthorised` answers instead of a plain
    401, for instance with a redirect to the log-in form.
    """

    def __init__(
        self,
        app: ASGIApp,
        settings: Settings,
        *,
        exempt: Iterable[str] = ALWAYS_OPEN,
        public: Iterable[str] = (),
        unauthorised: ASGIApp | None = None,
    ) -> None:
        self._app = app
        self._token = settings.token
        self._names = allowed_names(settings)
        self._exempt = frozenset(exempt)
        self._public = tuple(public)
        self._unauthorised = unauthorised or _plain(401, "missing or wrong token", b"Bearer")

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return

        async def send_with_headers(message: Message) -> None:
            if message["type"] == "http.response.start":
                _add_headers(message)
            await send(message)

        await self._choose(scope)(scope, receive, send_with_headers)

    def _choose(self, scope: Scope) -> ASGIApp:
        path: str = scope["path"]
        if path in self._exempt:
            return self._app
        headers = scope["headers"]
        if not is_own_host(headers, self._names):
            return _plain(421, FOREIGN_HOST)
        if not self._token or self._is_public(path) or is_authorised(headers, self._token):
            return self._app
        return self._unauthorised

    def _is_public(self, path: str) -> bool:
        return any(
            path == entry or (entry.endswith("/") and path.startswith(entry)) for entry in self._public
        )


FOREIGN_HOST = (
    "this server does not answer to that host name; if it is one of yours, start it with --allowed-host NAME"
)


def is_own_host(headers: Iterable[tuple[bytes, bytes]], names: frozenset[str]) -> bool:
    """Whether a request has exactly one Host header and it names us."""
    hosts = [value for name, value in headers if name == b"host"]
    return len(hosts) == 1 and is_allowed_host(hosts[0].decode("latin-1"), names)


def is_authorised(headers: Iterable[tuple[bytes, bytes]], token: str) -> bool:
    """Whether a request shows the token, as a bearer or as a session."""
    for name, value in headers:
        if name == b"authorization" and is_bearer(token, value.decode("latin-1")):
            return True
        if name == b"cookie" and is_session(token, value.decode("latin-1")):
            return True
    return False


def _add_headers(message: MutableMapping[str, Any]) -> None:
    present = {name.lower() for name, _ in message.get("headers", ())}
    message["headers"] = [
        *message.get("headers", ()),
        *(header for header in HEADERS if header[0] not in present),
    ]


def _plain(status: int, text: str, challenge: bytes = b"") -> ASGIApp:
    body = text.encode() + b"\n"
    headers = [(b"content-type", b"text/plain; charset=utf-8"), (b"content-length", str(len(body)).encode())]
    if challenge:
        headers.append((b"www-authenticate", challenge))

    async def answer(_scope: Scope, _receive: Receive, send: Send) -> None:
        await send({"type": "http.response.start", "status": status, "headers": headers})
        await send({"type": "http.response.body", "body": body})

    return answer
