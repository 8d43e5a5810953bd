"""What a request says about itself, told by OpenTelemetry's names, for WSGI and ASGI alike.

Read from the raw environ or scope: asking the framework could raise what the app has not asked for yet, such as
Django's DisallowedHost.
"""

from collections.abc import Mapping
from typing import Any

from opentelemetry import propagate
from opentelemetry.context import Context
from opentelemetry.propagators.textmap import Getter
from opentelemetry.util.types import AttributeValue

from tracestitch.scrub import scrub_query

OTHER_METHOD = "_OTHER"
_METHODS = frozenset({"GET", "HEAD", "POST", "PUT", "PATCH", "DELETE", "OPTIONS", "TRACE", "CONNECT"})


def of_wsgi(environ: Mapping[str, Any]) -> dict[str, AttributeValue]:
    host = environ.get("HTTP_HOST") or environ.get("SERVER_NAME", "")
    name, port = host_and_port(host, str(environ.get("SERVER_PORT", "")))
    path = (environ.get("SCRIPT_NAME", "") + environ.get("PATH_INFO", "")).encode("latin-1", "replace")
    return _attributes(
        environ.get("REQUEST_METHOD", "GET"),
        environ.get("QUERY_STRING", ""),
        {
            "url.path": path.decode("utf-8", "replace"),
            "url.scheme": environ.get("wsgi.url_scheme", "http"),
            "server.address": name,
            "server.port": port,
            "client.address": environ.get("REMOTE_ADDR", ""),
            "user_agent.original": environ.get("HTTP_USER_AGENT", ""),
            "network.protocol.version": environ.get("SERVER_PROTOCOL", "").removeprefix("HTTP/"),
        },
    )


def of_asgi(scope: Mapping[str, Any], headers: Mapping[str, str]) -> dict[str, AttributeValue]:
    server, client = scope.get("server") or ("", None), scope.get("client") or ("", None)
    name, port = host_and_port(headers.get("host") or str(server[0]), str(server[1] or ""))
    return _attributes(
        scope.get("method", "GET"),
        scope.get("query_string", b"").decode("latin-1"),
        {
            "url.path": scope.get("path", ""),
            "url.scheme": scope.get("scheme", "http"),
            "server.address": name,
            "server.port": port,
            "client.address": str(client[0]),
            "user_agent.original": headers.get("user-agent", ""),
            "network.protocol.version": scope.get("http_version", ""),
        },
    )


def asgi_headers(scope: Mapping[str, Any]) -> dict[str, str]:
    return {key.decode("latin-1").lower(): value.decode("latin-1") for key, value in scope.get("headers", ())}


def wsgi_parent(environ: Mapping[str, Any]) -> Context:
    return propagate.extract(environ, getter=_ENVIRON)


def host_and_port(host: str, otherwise: str) -> tuple[str, int]:
    """Of a Host header, whoever wrote it; port 0 where none is known."""
    name, colon, port = host.rpartition(":")
    if not colon or not port.isdecimal():
        name, port = host, otherwise
    known = port.isascii() and port.isdecimal() and len(port) < 6
    return name.strip("[]")[:255], int(port) if known else 0


def _attributes(method: str, query: str, facts: Mapping[str, str | int]) -> dict[str, AttributeValue]:
    attributes: dict[str, AttributeValue] = {key: value for key, value in facts.items() if value}
    if query:
        attributes["url.query"] = scrub_query(query)
    attributes["http.request.method"] = method if method in _METHODS else OTHER_METHOD
    if method not in _METHODS:
        attributes["http.request.method_original"] = str(method)[:64]
    return attributes


class _EnvironGetter(Getter[Mapping[str, Any]]):
    def get(self, carrier: Mapping[str, Any], key: str) -> list[str] | None:
        value = carrier.get("HTTP_" + key.upper().replace("-", "_"))
        return [value] if isinstance(value, str) else None

    def keys(self, carrier: Mapping[str, Any]) -> list[str]:
        return [key[5:].lower().replace("_", "-") for key in carrier if key.startswith("HTTP_")]


_ENVIRON = _EnvironGetter()
