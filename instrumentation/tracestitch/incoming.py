"""What a request says about itself, told by OpenTelemetry's names, for WSGI and ASGI alike.

Read from the raw environ or scope: asking the framework could raise what the app has not asked for yet, such as
Django's DisallowedHost.
"""

import os
import time
from collections.abc import Mapping
from functools import lru_cache
from typing import Any, NamedTuple

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.util.types import AttributeValue

from tracestitch.attributes import Shared
from tracestitch.scrub import scrub_query

OTHER_METHOD = "_OTHER"
_LONGEST_AGENT = 1_024
# Of a path and a query; no longer than what shared sets may hold, so that nothing is to be cut any more.
_LONGEST_PART = 4_096
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


class Facts(NamedTuple):
    """`client` is what all requests of one client share; `own` is of this request."""

    method: str
    client: Shared
    own: dict[str, AttributeValue]


def of_wsgi(environ: Mapping[str, Any]) -> Facts:
    get = environ.get
    method = get("REQUEST_METHOD", "GET")
    path = get("SCRIPT_NAME", "") + get("PATH_INFO", "")
    if not path.isascii():
        path = path.encode("latin-1", "replace").decode("utf-8", "replace")
    client = _client(
        method,
        get("HTTP_HOST") or get("SERVER_NAME", ""),
        get("SERVER_PORT", ""),
        get("wsgi.url_scheme", "http"),
        get("REMOTE_ADDR", ""),
        get("HTTP_USER_AGENT", ""),
        get("SERVER_PROTOCOL", ""),
    )
    own = _own(path, get("QUERY_STRING", ""))
    if "HTTP_X_REQUEST_START" in environ:
        _note_queue(own, environ["HTTP_X_REQUEST_START"], time.time())
    return Facts(method if method in _METHODS else OTHER_METHOD, client, own)


def of_asgi(scope: Mapping[str, Any], headers: Mapping[str, str]) -> Facts:
    server, remote = scope.get("server") or ("", None), scope.get("client") or ("", None)
    method = scope.get("method", "GET")
    client = _client(
        method,
        headers.get("host") or str(server[0]),
        str(server[1] or ""),
        scope.get("scheme", "http"),
        str(remote[0]),
        headers.get("user-agent", ""),
        scope.get("http_version", ""),
    )
    own = _own(scope.get("path", ""), scope.get("query_string", b"").decode("latin-1"))
    if "x-request-start" in headers:
        _note_queue(own, headers["x-request-start"], time.time())
    return Facts(method if method in _METHODS else OTHER_METHOD, client, own)


def _note_queue(own: dict[str, AttributeValue], begun: str, now_s: float) -> None:
    """`t=1764004500.123` of a front proxy, in seconds, milliseconds or microseconds: how long the request waited."""
    waited_s = queue_time_s(begun, now_s)
    if waited_s is not None:
        own["tracestitch.queue_time_ms"] = round(waited_s * 1_000, 1)


def queue_time_s(begun: str, now_s: float) -> float | None:
    """None for what is no time, lies ahead, or is longer ago than any client waits."""
    try:
        begun_s = float(begun[:32].strip().removeprefix("t="))
    except ValueError:
        return None
    for _ in range(2):
        if begun_s > 100_000_000_000:
            begun_s /= 1_000
    waited_s = now_s - begun_s
    return waited_s if 0 <= waited_s < 600 else None


def asgi_headers(scope: Mapping[str, Any]) -> dict[str, str]:
    return {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope.get("headers", ())}


def wsgi_parent(environ: Mapping[str, Any]) -> Context:
    if "HTTP_TRACEPARENT" not in environ and "HTTP_BAGGAGE" not in environ and _only_w3c():
        return Context()  # nothing is there to be read
    return propagate.extract(environ, getter=_ENVIRON)


def _only_w3c() -> bool:
    """Whether the propagator in force, which a program may replace, is OpenTelemetry's default one."""
    return propagate.get_global_textmap() is _DEFAULT_PROPAGATOR


def host_and_port(host: str, otherwise: str) -> tuple[str, int]:
    """Of a Host header, whoever wrote it; port 0 where none is known."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal():
        name, port = host, otherwise
    known = port.isascii() and port.isdecimal() and len(port) < 6
    return name.strip("[]")[:255], int(port) if known else 0


@lru_cache(maxsize=512)
def _client(
    method: str, host: str, server_port: str, scheme: str, address: str, user_agent: str, version: str
) -> Shared:
    name, port = host_and_port(host, str(server_port))
    facts: dict[str, AttributeValue] = {
        "url.scheme": scheme,
        "server.address": name,
        "server.port": port,
        "client.address": address,
        "user_agent.original": user_agent[:_LONGEST_AGENT],
        "network.protocol.version": version.removeprefix("HTTP/"),
        "http.request.method_original": "" if method in _METHODS else method[:64],
    }
    known = {key: value for key, value in facts.items() if value}
    return Shared({**known, "http.request.method": method if method in _METHODS else OTHER_METHOD})


def _own(path: str, query: str) -> dict[str, AttributeValue]:
    own: dict[str, AttributeValue] = {"url.path": path[:_LONGEST_PART]} if path else {}
    if query:
        own["url.query"] = _known_query(query) if len(query) < 100 else scrub_query(query)[:_LONGEST_PART]
    return own


_known_query = lru_cache(maxsize=1_024)(scrub_query)


class _EnvironGetter(Getter[Mapping[str, Any]]):
    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        value = carrier.get("HTTP_" + key.upper().replace("-", "_"))
        return [value] if isinstance(value, str) else None

    def keys(self, carrier: Mapping[str, Any]) -> list[str]:
        return [key[5:].lower().replace("_", "-") for key in carrier if key.startswith("HTTP_")]


_ENVIRON = _EnvironGetter()
_DEFAULT_PROPAGATOR = (
    propagate.get_global_textmap()
    if os.environ.get("OTEL_PROPAGATORS", "tracecontext,baggage") == "tracecontext,baggage"
    else None
)
