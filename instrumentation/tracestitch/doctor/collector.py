"""The way to the collector: the echo is sent as the agent would send it, and what goes wrong is looked into."""

import os
import ssl
from collections.abc import Mapping
from dataclasses import dataclass
from http.client import HTTPException
from urllib.parse import urlsplit

from tracestitch.doctor import conditions, wire
from tracestitch.doctor.answers import Asked, judged, token_variable
from tracestitch.doctor.condition import Finding, met
from tracestitch.settings import AgentSettings, Target
from tracestitch.transport import Reply, Transport, Unreachable

_LOOPBACK = ("localhost", "127.0.0.1", "::1")
_PORTS = {"http": 80, "https": 443}


@dataclass(frozen=True, slots=True, kw_only=True)
class Sent:
    """What became of one request: taken, or the finding that says why not."""

    reply: Reply | None
    finding: Finding | None


def send(
    target: Target, body: bytes, settings: AgentSettings, environ: Mapping[str, str], now_s: float
) -> Sent:
    """One OTLP request, as the agent makes them."""
    invalid = _invalid(target.url)
    if invalid is not None:
        return Sent(reply=None, finding=invalid)
    transport = Transport(timeout_s=settings.timeout_s, certificate=settings.certificate)
    headers = {**target.headers, "content-type": "application/x-protobuf"}
    try:
        reply = transport.request("POST", target.url, body, headers)
    except Unreachable as error:
        return Sent(reply=None, finding=_looked_into(target.url, error, environ))
    asked = Asked(url=target.url, token_variable=token_variable(target.headers, environ))
    finding = judged(reply, asked, now_s)
    doubled = "/v1/" in urlsplit(target.url).path.removesuffix("/v1/traces").removesuffix("/v1/logs")
    if finding is not None and doubled:
        base = asked.base + urlsplit(target.url).path.partition("/v1/")[0]
        text = f"The endpoint has a path, so that the agent sends to {target.url.rpartition('@')[2]}."
        finding = met(conditions.ENDPOINT_HAS_PATH, text, base=base)
    return Sent(reply=reply, finding=finding)


def _invalid(url: str) -> Finding | None:
    try:
        parts = urlsplit(url)
        if parts.scheme in _PORTS and parts.hostname and parts.port != 0:
            return None
    except ValueError:
        pass
    shown = url.rpartition("@")[2].removesuffix("/v1/traces").removesuffix("/v1/logs")[:200]
    return met(conditions.ENDPOINT_INVALID, f"The endpoint {shown!r} is no http:// or https:// address.")


def _looked_into(url: str, failure: Unreachable, environ: Mapping[str, str]) -> Finding:
    parts = urlsplit(url)
    host, port = parts.hostname or "", parts.port or _PORTS[parts.scheme]
    asked = Asked(url=url, token_variable="")
    outcome, words = wire.connect(host, port)
    if outcome is not wire.Connection.MADE:
        return _no_connection(outcome, words, asked, parts.scheme, host, port, environ)
    cause = failure.__cause__
    if parts.scheme == "https":
        return _tls_failed(cause, asked, host, port)
    if isinstance(cause, TimeoutError):
        text = f"{asked.address} takes connections and gives no answer."
        return met(conditions.NO_ANSWER, text, address=asked.address)
    if wire.speaks_http2(host, port):
        text = f"{asked.address} is a gRPC port; the agent speaks OTLP over HTTP."
        return met(conditions.GRPC_PORT, text, suggestion=asked.suggestion)
    if wire.speaks_tls(host, port):
        return met(conditions.TLS_EXPECTED, f"{asked.address} speaks TLS, and the endpoint says http://.")
    if isinstance(cause, HTTPException | OSError | ValueError):
        text = f"What listens at {asked.address} speaks no HTTP ({type(cause).__name__})."
        return met(conditions.WRONG_PORT, text, suggestion=asked.suggestion)
    return met(conditions.NO_ANSWER, f"{asked.address}: {failure}.", address=asked.address)


def _no_connection(
    outcome: wire.Connection,
    words: str,
    asked: Asked,
    scheme: str,
    host: str,
    port: int,
    environ: Mapping[str, str],
) -> Finding:
    variable = "" if host in _LOOPBACK else wire.proxy_for(scheme, host, port, environ)
    if variable:
        text = (
            f"{variable} is set, and the agent sends directly, not through a proxy; directly, {asked.address} "
            f"cannot be reached ({words})."
        )
        return met(conditions.PROXY_IGNORED, text)
    if outcome is wire.Connection.NO_NAME:
        return met(conditions.NAME_UNRESOLVED, f"The host name {host!r} has no address ({words}).", host=host)
    if outcome is wire.Connection.REFUSED:
        within = " Inside a container that is the container itself." if _contained(host) else ""
        return met(conditions.COLLECTOR_REFUSED, f"Nothing listens at {asked.address}.{within}")
    text = f"{asked.address} does not answer ({words})."
    return met(conditions.NO_ANSWER, text, address=asked.address)


def _contained(host: str) -> bool:
    return host in _LOOPBACK and os.path.exists("/.dockerenv")


def _tls_failed(cause: BaseException | None, asked: Asked, host: str, port: int) -> Finding:
    if isinstance(cause, ssl.SSLCertVerificationError):
        text = f"The certificate of {asked.address} cannot be verified ({cause.verify_message})."
        return met(conditions.CERTIFICATE_UNTRUSTED, text)
    if isinstance(cause, FileNotFoundError):
        text = "The file that OTEL_EXPORTER_OTLP_CERTIFICATE names cannot be read."
        return met(conditions.CERTIFICATE_UNTRUSTED, text)
    if isinstance(cause, TimeoutError):
        text = f"{asked.address} takes connections and gives no answer to TLS."
        return met(conditions.NO_ANSWER, text, address=asked.address)
    reason = getattr(cause, "reason", None) or type(cause).__name__
    if wire.speaks_tls(host, port):
        text = f"{asked.address} speaks TLS and breaks off before it answers ({reason})."
        return met(conditions.NO_ANSWER, text, address=asked.address)
    return met(
        conditions.TLS_NOT_SPOKEN,
        f"{asked.address} does not speak TLS, and the endpoint says https:// ({reason}).",
    )
