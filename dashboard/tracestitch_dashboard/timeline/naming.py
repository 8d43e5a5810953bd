"""What a span, a log record or an event is called in the user's terms, and which icon stands for it."""

from __future__ import annotations

from tracestitch_collector.model import AttributeValue, LogRecord, Span, SpanEvent
from tracestitch_collector.plain import value_to_json
from tracestitch_collector.traces.repeats import callee_of, method_and_route
from tracestitch_collector.traces.tree import Node
from tracestitch_dashboard import figures

LONGEST = 200
"""Characters of a name in a row: telemetry may be megabytes."""
LONGEST_OPEN_MS = 7 * 86_400_000
CACHES = ("redis", "memcached", "valkey")
ICONS = {
    "server": "request handled",
    "client": "outgoing call",
    "database": "database",
    "cache": "cache",
    "queue": "message or task",
    "template": "template",
    "function": "function",
    "log": "log record",
    "error": "error",
    "finding": "finding",
    "gap": "not instrumented",
    "missing": "missing parent",
    "event": "event",
}
"""Icon to its text alternative."""
_LEVELS = ("TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")


def name_of(node: Node) -> str:
    return shortened(_name(node)) or "(no name)"


def _name(node: Node) -> str:
    span = node.span
    if span.text("db.system.name") or span.text("db.query.text"):
        return _query_name(span)
    if span.kind in ("producer", "consumer"):
        return _task_name(span)
    if span.kind == "client" and span.text("http.request.method"):
        return _call_name(node)
    if span.kind == "server" and span.text("http.request.method"):
        return method_and_route(span)
    return span.name


def _query_name(span: Span) -> str:
    made = f"{span.text('db.operation.name')} {span.text('db.collection.name')}".strip()
    return span.text("db.query.summary") or made or span.name


def _task_name(span: Span) -> str:
    task = span.text("tracestitch.celery.task")
    if not task:
        return span.name
    short = task.rpartition(".")[2]
    return f"send {short}" if span.kind == "producer" else short


def _call_name(node: Node) -> str:
    span = node.span
    callee = callee_of(node)
    if callee is not None:
        return f"{method_and_route(callee)} → {callee.service}"
    where = span.text("url.full").split("?", 1)[0].partition("://")[2]
    return f"{span.text('http.request.method')} {where or span.text('server.address')}".strip()


def icon_of(span: Span) -> str:
    if span.text("db.system.name") in CACHES:
        return "cache"
    if span.text("db.system.name") or span.text("db.query.text"):
        return "database"
    if span.kind in ("producer", "consumer"):
        return "queue"
    if span.kind in ("server", "client"):
        return span.kind
    return "template" if "template" in span.name.lower() else "function"


def detail_of(span: Span) -> str:
    """What stands beside the bar after the duration: the status where it is no success, a missing limit, a
    transaction that is held open meanwhile or was until now."""
    status = span.number("http.response.status_code")
    words = [str(status)] if status is not None and status >= 400 else []
    if span.attributes.get("tracestitch.timeout.missing") is True:
        words.append("no timeout")
    words += _transaction(span)
    retries = span.number("tracestitch.celery.retries")
    if retries:
        words.append(figures.counted(int(retries), "retry", "retries"))
    return " · ".join(words)


def _transaction(span: Span) -> list[str]:
    if span.attributes.get("tracestitch.db.in_transaction") is True and not span.text("db.system.name"):
        return ["inside a transaction"]
    open_ms = span.number("tracestitch.transaction.open_ms")
    if open_ms is None or not 0 <= open_ms < LONGEST_OPEN_MS:
        return []
    calls = span.number("tracestitch.transaction.calls")
    inside = [f"{figures.counted(calls, 'call')} inside"] if isinstance(calls, int) and calls > 0 else []
    return [f"open for {figures.duration(int(open_ms * 1_000_000))}", *inside]


def level_of(record: LogRecord) -> str:
    """TRACE to FATAL; the record's own word where it has no number."""
    if 1 <= record.severity_number <= 24:
        return _LEVELS[(record.severity_number - 1) // 4]
    return shortened(record.severity_text.upper(), 10) or "LOG"


def level_class(level: str) -> str:
    if level in ("ERROR", "FATAL", "CRITICAL"):
        return "error"
    return "warn" if level.startswith("WARN") else "info"


def log_text(record: LogRecord) -> str:
    """The body as text, else what was logged with the exception, else the event's name."""
    return text_of(record.body) or record.text("exception.message") or record.event_name


def text_of(value: AttributeValue) -> str:
    if value is None:
        return ""
    return value if isinstance(value, str) else str(value_to_json(value))


def event_text(event: SpanEvent) -> str:
    kind = text_of(event.attributes.get("exception.type"))
    message = text_of(event.attributes.get("exception.message"))
    if kind or message:
        return f"{kind}: {message}" if kind and message else kind or message
    return event.name


def is_exception(event: SpanEvent) -> bool:
    return event.name in ("exception", "tracestitch.exception.swallowed")


def shortened(text: str, longest: int = LONGEST) -> str:
    """One line of it, at most so long."""
    line = " ".join(text[: longest * 2].split())
    return line if len(line) <= longest and len(text) <= longest * 2 else line[: longest - 1] + "…"
