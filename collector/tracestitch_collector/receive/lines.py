"""Log lines as Filebeat, Logstash and Python's formatters for them write them, in ECS or as Logstash events, made into OTLP.
A line that is no JSON object is kept as the text that it is.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import orjson

MAX_LINE_BYTES = 1024 * 1024
"""What is beyond of one line is left out, and counted."""
TOKEN = "tracestitch.token"  # noqa: S105  # a name
"""The field in which senders that cannot send headers show the server's token; it is not kept."""
MAX_DEPTH = 8
"""Of objects whose fields get names of their own; deeper ones stay JSON."""

Event = dict[str, Any]
"""Fields by their dotted names."""

_WRAPPERS = ("extra.", "@fields.")
"""Where Python's Logstash formatters put what the app said; the names in it are as good as those beside it."""
_BODY = ("message", "@message", "msg", "log.original", "event.original")
_TIME = ("@timestamp", "timestamp", "time")
_LEVEL = ("log.level", "level", "levelname", "severity", "log_level")
_TRACE = ("trace.id", "trace_id", "traceId", "traceid", "otelTraceID")
_SPAN = ("span.id", "span_id", "spanId", "spanid", "otelSpanID", "transaction.id")
_LOGGER = ("log.logger", "logger_name", "logger")
_SERVICE = ("service.name", "service", "otelServiceName", "application", "app", "program")
_DROPPED = frozenset({"@version", "ecs.version", "log.original", "event.original", TOKEN})
"""Of the format, not of the app. The originals only repeat the message."""

_RESOURCE = {
    "service.version": "service.version",
    "service.namespace": "service.namespace",
    "service.node.name": "service.instance.id",
    "service.environment": "deployment.environment.name",
    "environment": "deployment.environment.name",
    "host.name": "host.name",
    "host": "host.name",
    "logsource": "host.name",
    "@source_host": "host.name",
    "process.pid": "process.pid",
    "pid": "process.pid",
    "container.id": "container.id",
    "container.name": "container.name",
    "kubernetes.pod.name": "k8s.pod.name",
    "kubernetes.namespace": "k8s.namespace.name",
}
_ATTRIBUTES = {
    "error.type": "exception.type",
    "error_type": "exception.type",
    "error.message": "exception.message",
    "error.stack_trace": "exception.stacktrace",
    "stack_trace": "exception.stacktrace",
    "exc_info": "exception.stacktrace",
    "log.origin.file.name": "code.file.path",
    "path": "code.file.path",
    "@source_path": "code.file.path",
    "log.origin.file.line": "code.line.number",
    "line": "code.line.number",
    "lineno": "code.line.number",
    "log.origin.function": "code.function.name",
    "func_name": "code.function.name",
    "funcName": "code.function.name",
    "process.thread.id": "thread.id",
    "process.thread.name": "thread.name",
    "thread_name": "thread.name",
}
_SEVERITIES = {
    "trace": 1,
    "debug": 5,
    "info": 9,
    "information": 9,
    "notice": 10,
    "warn": 13,
    "warning": 13,
    "err": 17,
    "error": 17,
    "exception": 17,
    "critical": 21,
    "crit": 21,
    "alert": 21,
    "emergency": 21,
    "emerg": 21,
    "fatal": 21,
}
_HEX32 = re.compile(r"[0-9a-fA-F]{32}")
_HEX16 = re.compile(r"[0-9a-fA-F]{16}")


@dataclass(frozen=True, slots=True, kw_only=True)
class Converted:
    body: bytes
    """A request in OTLP's JSON."""
    records: int
    unread: int
    """How many of them were no JSON object and are kept as text."""


def events(lines: Iterable[bytes]) -> list[Event]:
    """Each line's fields; of one that is no JSON object, its text. Empty lines are none."""
    return [event(line) for line in lines if line.strip()]


def event(line: bytes) -> Event:
    try:
        document = orjson.loads(line)
    except orjson.JSONDecodeError:
        document = None
    if isinstance(document, dict):
        return flat(document)
    return {"message": line.decode("utf-8", "replace").rstrip("\r\n"), _UNREAD: True}


def documents(body: bytes) -> list[Event] | None:
    """The objects of a body that is one object or a list of them; None of any other."""
    try:
        found = orjson.loads(body)
    except orjson.JSONDecodeError:
        return None
    if isinstance(found, dict):
        return [flat(found)]
    if isinstance(found, list) and all(isinstance(each, dict) for each in found):
        return [flat(each) for each in found]
    return None


_UNREAD = ""
"""A name that no field can have: the line was no JSON object."""


def flat(document: Mapping[str, Any]) -> Event:
    """With dotted names, as ECS's and Logstash's readers take both forms. Of two fields with one name the first counts."""
    found: Event = {}
    _flatten(document, "", found, MAX_DEPTH)
    for name in [name for name in found if name.startswith(_WRAPPERS)]:
        value = found.pop(name)
        found.setdefault(name.partition(".")[2], value)
    return {name: value for name, value in found.items() if name and not name.startswith("@metadata.")}


def _flatten(document: Mapping[str, Any], prefix: str, found: Event, depth: int) -> None:
    for key, value in document.items():
        name = prefix + key
        if isinstance(value, dict) and depth:
            _flatten(value, name + ".", found, depth - 1)
        elif value is not None:
            found.setdefault(name, value)


def converted(found: Sequence[Event], now_ns: int) -> Converted:
    """A request with a log record for each, in their order within one service and logger."""
    resources: dict[bytes, tuple[list[Any], dict[str, list[Any]]]] = {}
    for item in found:
        resource, scope, record = _record(dict(item), now_ns)
        key = orjson.dumps(resource)
        scopes = resources.setdefault(key, (resource, {}))[1]
        scopes.setdefault(scope, []).append(record)
    request = {
        "resourceLogs": [
            {
                "resource": {"attributes": resource},
                "scopeLogs": [
                    {"scope": {"name": name}, "logRecords": records} for name, records in scopes.items()
                ],
            }
            for resource, scopes in resources.values()
        ]
    }
    return Converted(
        body=orjson.dumps(request), records=len(found), unread=sum(_UNREAD in item for item in found)
    )


def _record(fields: Event, now_ns: int) -> tuple[list[Any], str, dict[str, Any]]:
    """Takes the fields apart; what has no place of its own becomes an attribute under its own name."""
    fields.pop(_UNREAD, None)
    record: dict[str, Any] = {
        "timeUnixNano": str(_nanoseconds(_first(fields, _TIME)) or now_ns),
        "observedTimeUnixNano": str(now_ns),
        "body": _value(_first(fields, _BODY) or ""),
    }
    text, number = _severity(_first(fields, _LEVEL))
    if number:
        record |= {"severityText": text, "severityNumber": number}
    trace, span = _matching(fields, _TRACE, _HEX32), _matching(fields, _SPAN, _HEX16)
    if trace:
        record["traceId"] = trace
    if trace and span:
        record["spanId"] = span
    scope = str(_first(fields, _LOGGER) or "")
    resource = _resource(fields)
    names = {_ATTRIBUTES.get(name, name): value for name, value in fields.items() if name not in _DROPPED}
    record["attributes"] = _pairs(names)
    return resource, scope, record


def _resource(fields: Event) -> list[Any]:
    service = str(_first(fields, _SERVICE) or "")
    found: dict[str, Any] = {
        "service.name": service.replace("\\", "/").rpartition("/")[2].removesuffix(".py") or "logs"
    }
    for name, attribute in _RESOURCE.items():
        value = fields.pop(name, None)
        if value is not None:
            found.setdefault(attribute, value)
    return _pairs(found)


def _first(fields: Event, names: Sequence[str]) -> Any:
    """Taken out of the fields; the others of these names stay."""
    return next((fields.pop(name) for name in names if fields.get(name) not in (None, "")), None)


def _matching(fields: Event, names: Sequence[str], pattern: re.Pattern[str]) -> str:
    for name in names:
        value = fields.get(name)
        if isinstance(value, str) and pattern.fullmatch(value) and value.strip("0"):
            del fields[name]
            return value.lower()
    return ""


def _pairs(fields: Mapping[str, Any]) -> list[Any]:
    return [{"key": key, "value": _value(value)} for key, value in fields.items()]


def _value(value: Any) -> dict[str, Any]:
    match value:
        case str():
            return {"stringValue": value}
        case bool():
            return {"boolValue": value}
        case int() if -(2**63) <= value < 2**63:
            return {"intValue": str(value)}
        case float():
            return {"doubleValue": value}
        case list() if all(isinstance(each, str | bool | int | float) for each in value):
            return {"arrayValue": {"values": [_value(each) for each in value]}}
    return {"stringValue": orjson.dumps(value).decode()}


def _severity(level: Any) -> tuple[str, int]:
    """Names of any system, and the numbers of Python's levels."""
    if isinstance(level, str):
        return level.upper(), _SEVERITIES.get(level.strip().lower(), 0) or 9
    if isinstance(level, int) and 0 < level <= 60:
        number = next(
            (n for least, n in ((50, 21), (40, 17), (30, 13), (20, 9), (10, 5)) if level >= least), 1
        )
        return str(level), number
    return "", 0


def _nanoseconds(value: Any) -> int:
    """An ISO 8601 time (of UTC where it names no zone), or a number of seconds, milli-, micro- or nanoseconds."""
    if isinstance(value, str):
        try:
            moment = datetime.fromisoformat(value)
        except ValueError:
            return 0
        moment = moment.replace(tzinfo=moment.tzinfo or UTC)
        since = moment - datetime(1970, 1, 1, tzinfo=UTC)
        found = (since.days * 86_400 + since.seconds) * 1_000_000_000 + since.microseconds * 1000
        return found if 0 < found < 2**63 else 0
    if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < 2**63:
        return 0
    scale = next((scale for most, scale in ((1e11, 1e9), (1e14, 1e6), (1e17, 1e3)) if value < most), 1)
    return int(value * int(scale))
