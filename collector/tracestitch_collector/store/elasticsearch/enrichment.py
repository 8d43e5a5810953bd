"""What Kibana's APM pages need on top of OpenTelemetry: the attributes that Elastic's own collector adds
(elasticapmprocessor). A value that the sender gave is never replaced. Pure functions.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlsplit

HAS_IS_REMOTE = 0x100
IS_REMOTE = 0x200
"""OTLP's span flags."""

_SERVER, _CLIENT, _PRODUCER, _CONSUMER, _INTERNAL = 2, 3, 4, 5, 1

_HTTP_KEYS = frozenset(
    (
        "http.request.method",
        "http.response.status_code",
        "url.full",
        "url.scheme",
        "url.path",
        "url.query",
        "url.domain",
        "http.method",
        "http.status_code",
        "http.url",
        "http.target",
    )
)
_DB_KEYS = frozenset(
    (
        "db.system.name",
        "db.system",
        "db.query.text",
        "db.statement",
        "db.namespace",
        "db.name",
        "db.user",
    )
)
_MESSAGING_KEYS = frozenset(
    (
        "messaging.system",
        "messaging.destination.name",
        "messaging.operation.name",
        "messaging.operation",
    )
)
_RPC_KEYS = frozenset(("rpc.system", "rpc.system.name", "rpc.service", "rpc.method", "rpc.grpc.status_code"))

_TEMPORARY = "messaging.destination.temporary"

URL_KEYS = ("url.full", "http.url")
"""Of these only the host and port are looked at."""
READ_KEYS = (
    "processor.event",
    "type",
    "service.peer.name",
    "peer.service",
    "messaging.operation.name",
    "messaging.operation",
    "messaging.system",
    "messaging.destination.name",
    "db.system.name",
    "db.system",
    "db.namespace",
    "db.name",
    "rpc.system.name",
    "rpc.system",
    "rpc.service",
    "rpc.method",
    "rpc.grpc.status_code",
    "http.response.status_code",
    "http.status_code",
    *URL_KEYS,
    "url.domain",
    "url.port",
    "server.address",
    "server.port",
)
"""Attributes whose values decide what is added to a span."""
SEEN_KEYS = tuple(
    tuple(sorted(keys - set(READ_KEYS)))
    for keys in (_HTTP_KEYS, _DB_KEYS, _MESSAGING_KEYS, _RPC_KEYS, {_TEMPORARY})
)
"""Attributes of which only the presence does; those of a line decide the same."""


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanFacts:
    """The part of a span that enrichment looks at."""

    span_id: str
    is_root: bool
    kind: int
    flags: int
    name: str
    start_ns: int
    duration_ns: int
    status: int
    trace_state: str
    attributes: Mapping[str, Any]

    @property
    def is_transaction(self) -> bool:
        if self.is_root or self.attributes.get("processor.event") == "transaction":
            return True
        if not self.flags & HAS_IS_REMOTE:
            return self.kind in (_SERVER, _CONSUMER)
        return bool(self.flags & IS_REMOTE)


def span_attributes(span: SpanFacts) -> dict[str, Any]:
    """What to add to a span."""
    count = representative_count(span.trace_state)
    failed = span.status == 2 or (span.status != 1 and _http_status(span.attributes) >= 500)
    added: dict[str, Any] = {
        "timestamp.us": span.start_ns // 1000,
        "event.outcome": "failure" if failed else "success",
        "event.success_count": 0 if failed else int(count),
    }
    is_transaction = span.is_transaction
    is_exit = is_transaction and span.kind in (_CLIENT, _PRODUCER)
    if not is_transaction or is_exit:
        added |= _as_span(span, count)
    if is_transaction:
        added |= _as_transaction(span, count)
        if is_exit and "type" not in span.attributes:
            added["transaction.type"] = ".".join(
                text for text in (added["span.type"], added.get("span.subtype", "")) if text
            )
    return added


def _as_transaction(span: SpanFacts, count: float) -> dict[str, Any]:
    added = {
        "processor.event": "transaction",
        "transaction.id": span.span_id,
        "transaction.sampled": True,
        "transaction.root": span.is_root,
        "transaction.representative_count": count,
        "transaction.duration.us": microseconds(span.duration_ns),
        "transaction.type": transaction_type(span.attributes),
        "transaction.result": _result(span),
    }
    if span.name:
        added["transaction.name"] = span.name
    return added


def _as_span(span: SpanFacts, count: float) -> dict[str, Any]:
    added: dict[str, Any] = {
        "processor.event": "span",
        "span.representative_count": count,
        "span.duration.us": microseconds(span.duration_ns),
    }
    action = _text(span.attributes, "messaging.operation.name", "messaging.operation")
    kind, subtype = _type(span)
    target_type, target_name = _target(span.attributes)
    destination = _destination(span.attributes)
    found = {
        "span.action": action,
        "span.type": kind,
        "span.subtype": subtype,
        "span.destination.service.resource": destination,
    }
    added |= {key: value for key, value in found.items() if value}
    if target_type or target_name:
        added["service.target.type"] = target_type
        added["service.target.name"] = target_name
    return added


def transaction_type(attributes: Mapping[str, Any]) -> str:
    if named := _text(attributes, "type"):
        return named
    if _has(attributes, _MESSAGING_KEYS):
        return "messaging"
    return "request" if _has(attributes, _RPC_KEYS) or _has(attributes, _HTTP_KEYS) else "unknown"


def _result(span: SpanFacts) -> str:
    grpc = span.attributes.get("rpc.grpc.status_code")
    if isinstance(grpc, int) and 0 <= grpc < len(_GRPC_STATUSES):
        return _GRPC_STATUSES[grpc]
    if status := _http_status(span.attributes):
        return f"HTTP {status // 100}xx" if 100 <= status < 600 else f"HTTP {status}"
    return "Error" if span.status == 2 else "Success"


def _type(span: SpanFacts) -> tuple[str, str]:
    attributes = span.attributes
    if _has(attributes, _DB_KEYS):
        return "db", _text(attributes, "db.system.name", "db.system")
    if _has(attributes, _MESSAGING_KEYS):
        return "messaging", _text(attributes, "messaging.system")
    if _has(attributes, _RPC_KEYS):
        return "external", _text(attributes, "rpc.system.name", "rpc.system") or "grpc"
    if _has(attributes, _HTTP_KEYS):
        return "external", "http"
    return ("app", "internal") if span.kind == _INTERNAL else ("unknown", "")


def _target(attributes: Mapping[str, Any]) -> tuple[str, str]:
    peer = _text(attributes, "service.peer.name", "peer.service")
    if _has(attributes, _DB_KEYS):
        return (
            _text(attributes, "db.system.name", "db.system") or "db",
            _text(attributes, "db.namespace", "db.name") or peer,
        )
    if _has(attributes, _MESSAGING_KEYS):
        temporary = _TEMPORARY in attributes
        queue = "" if temporary else _text(attributes, "messaging.destination.name")
        return _text(attributes, "messaging.system") or "messaging", queue or peer
    if _has(attributes, _RPC_KEYS):
        service = _text(attributes, "rpc.service", "rpc.method")
        return _text(attributes, "rpc.system.name", "rpc.system") or "external", service or peer
    if _has(attributes, _HTTP_KEYS):
        return "http", _host_and_port(attributes) or peer
    return "", peer


def _destination(attributes: Mapping[str, Any]) -> str:
    peer = _text(attributes, "service.peer.name", "peer.service")
    if _has(attributes, _DB_KEYS):
        return peer or _text(attributes, "db.system.name", "db.system")
    if _has(attributes, _MESSAGING_KEYS):
        found = peer or _text(attributes, "messaging.system")
        queue = _text(attributes, "messaging.destination.name")
        return f"{found}/{queue}" if found and queue else found
    if _has(attributes, _RPC_KEYS) or _has(attributes, _HTTP_KEYS):
        return peer or _host_and_port(attributes) or _text(attributes, "rpc.service")
    return peer


def exception_attributes(
    event_attributes: Mapping[str, Any], name: str, time_ns: int, identity: str, span: SpanFacts
) -> dict[str, Any]:
    """What to add to a span event."""
    added: dict[str, Any] = {"timestamp.us": time_ns // 1000}
    if name != "exception":
        return added
    added["processor.event"] = "error"
    kind = _text(event_attributes, "exception.type")
    message = _text(event_attributes, "exception.message")
    if kind or message:
        # Elastic's own id is random; ours must be the same when the request is sent again.
        added["error.id"] = hashlib.blake2b(identity.encode(), digest_size=16).hexdigest()
        added["error.exception.handled"] = event_attributes.get("exception.escaped") is not True
        added["error.grouping_key"] = hashlib.md5(
            (kind or message).encode(), usedforsecurity=False
        ).hexdigest()
        if message:
            added["error.grouping_name"] = message
        if span.is_transaction:
            added["transaction.sampled"] = True
            added["transaction.type"] = transaction_type(span.attributes)
    return added


def resource_attributes(attributes: Mapping[str, Any]) -> dict[str, Any]:
    """What to add to a resource."""
    language = _text(attributes, "telemetry.sdk.language")
    distribution = _text(attributes, "telemetry.distro.name")
    name = _text(attributes, "telemetry.sdk.name") or "otlp"
    version = _text(attributes, "telemetry.sdk.version")
    if distribution:
        name = f"{name}/{language or 'unknown'}/{distribution}"
        version = _text(attributes, "telemetry.distro.version")
    elif language:
        name = f"{name}/{language}"
    added = {"agent.name": name, "agent.version": version or "unknown"}
    if environment := _text(attributes, "deployment.environment.name"):
        added["deployment.environment"] = environment
    if instance := _text(attributes, "container.id", "host.name"):
        added["service.instance.id"] = instance
    return added


_THRESHOLD = re.compile(r"(?:^|,)\s*ot=[^,]*\bth:([0-9a-f]{1,14})")


def representative_count(trace_state: str) -> float:
    """How many requests one sampled span stands for, from OpenTelemetry's sampling threshold."""
    found = _THRESHOLD.search(trace_state) if trace_state else None
    if found is None:
        return 1.0
    threshold = int(found[1].ljust(14, "0"), 16)
    return float(1 << 56) / ((1 << 56) - threshold)


def _text(attributes: Mapping[str, Any], *keys: str) -> str:
    for key in keys:
        value = attributes.get(key)
        if isinstance(value, str) and value:
            return value
    return ""


def _has(attributes: Mapping[str, Any], keys: frozenset[str]) -> bool:
    return not keys.isdisjoint(attributes)


def _http_status(attributes: Mapping[str, Any]) -> int:
    for key in ("http.response.status_code", "http.status_code"):
        value = attributes.get(key)
        if isinstance(value, int) and not isinstance(value, bool):
            return value
    return 0


def _host_and_port(attributes: Mapping[str, Any]) -> str:
    if host := _host(_text(attributes, *URL_KEYS)):
        return host
    for address, port in (("url.domain", "url.port"), ("server.address", "server.port")):
        if found := _text(attributes, address):
            number = attributes.get(port)
            return f"{found}:{number}" if isinstance(number, int) and number else found
    return ""


def _host(url: str) -> str:
    try:
        return urlsplit(url).netloc.rpartition("@")[2]
    except ValueError:
        return ""


def without_path(url: Any) -> Any:
    """A URL that decides the same and is the same for all of one host."""
    if not isinstance(url, str) or not url:
        return url
    host = _host(url)
    return f"//{host}" if host else "nowhere"


def microseconds(duration_ns: int) -> int:
    return int(duration_ns / 1000) if abs(duration_ns) < 2**53 else duration_ns // 1000


_GRPC_STATUSES = (
    "OK",
    "Canceled",
    "Unknown",
    "InvalidArgument",
    "DeadlineExceeded",
    "NotFound",
    "AlreadyExists",
    "PermissionDenied",
    "ResourceExhausted",
    "FailedPrecondition",
    "Aborted",
    "OutOfRange",
    "Unimplemented",
    "Internal",
    "Unavailable",
    "DataLoss",
    "Unauthenticated",
)
