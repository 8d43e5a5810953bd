"""Small builders of traces: spans that name their parent by the builder's own words, times in milliseconds."""

from __future__ import annotations

import hashlib
from collections.abc import Mapping

from tracestitch_collector.model import (
    Attributes,
    AttributeValue,
    LogRecord,
    Resource,
    Span,
    SpanEvent,
    SpanKind,
    StatusCode,
    Trace,
)

MS = 1_000_000
EPOCH_NS = 1_790_000_000_000_000_000
"""When the traces of these tests take place."""


def hex_id(word: str, length: int = 16) -> str:
    """A stable id for a readable word."""
    return hashlib.blake2b(word.encode(), digest_size=length // 2).hexdigest()


def resource(service: str, environment: str = "", **attributes: AttributeValue) -> Resource:
    known: dict[str, AttributeValue] = {"service.name": service, "tracestitch.app.root": f"/srv/{service}"}
    if environment:
        known["deployment.environment.name"] = environment
    known.update({key.replace("__", "."): value for key, value in attributes.items()})
    return Resource(attributes=known)


def code(service: str, file: str, line: int, function: str = "view", ignore: str = "") -> Attributes:
    attributes: dict[str, AttributeValue] = {
        "code.file.path": f"/srv/{service}/{file}",
        "code.line.number": line,
        "code.function.name": function,
    }
    if ignore:
        attributes["tracestitch.ignore"] = (ignore,)
    return attributes


class TraceBuilder:
    """Collects the spans of one trace; `name` doubles as the word by which later spans name their parent."""

    def __init__(self, word: str = "trace", environment: str = "", offset_ms: float = 0) -> None:
        self.trace_id = hex_id(word, 32)
        self.environment = environment
        self.base_ns = EPOCH_NS + round(offset_ms * MS)
        self.spans: list[Span] = []
        self.logs: list[LogRecord] = []

    def span(
        self,
        word: str,
        *,
        parent: str = "",
        service: str = "shop",
        name: str = "",
        kind: SpanKind = "internal",
        at: float = 0,
        ms: float = 1,
        status: StatusCode = "unset",
        attributes: Attributes | None = None,
        events: tuple[SpanEvent, ...] = (),
        span_id: str = "",
        of: Resource | None = None,
    ) -> Span:
        span = Span(
            trace_id=self.trace_id,
            span_id=span_id or self.id(word),
            parent_span_id=self.id(parent) if parent else "",
            name=name or word,
            kind=kind,
            start_ns=self.base_ns + round(at * MS),
            duration_ns=round(ms * MS),
            status_code=status,
            attributes=attributes or {},
            events=events,
            resource=of or resource(service, self.environment),
            received_ns=self.base_ns + round((at + ms) * MS),
        )
        self.spans.append(span)
        return span

    def server(
        self,
        word: str,
        route: str,
        *,
        method: str = "GET",
        status_code: int = 200,
        parent: str = "",
        service: str = "shop",
        at: float = 0,
        ms: float = 1,
        attributes: Attributes | None = None,
        of: Resource | None = None,
    ) -> Span:
        return self.span(
            word,
            parent=parent,
            service=service,
            name=f"{method} {route}",
            kind="server",
            at=at,
            ms=ms,
            status="error" if status_code >= 500 else "unset",
            of=of,
            attributes={
                "http.request.method": method,
                "http.route": route,
                "url.path": route,
                "http.response.status_code": status_code,
                **(attributes or {}),
            },
        )

    def call(
        self,
        word: str,
        url: str,
        *,
        method: str = "GET",
        status_code: int = 200,
        parent: str = "",
        service: str = "shop",
        at: float = 0,
        ms: float = 1,
        attributes: Attributes | None = None,
        of: Resource | None = None,
    ) -> Span:
        """An outgoing HTTP request."""
        host = url.split("://", 1)[1].split("/", 1)[0]
        return self.span(
            word,
            parent=parent,
            service=service,
            name=method,
            kind="client",
            at=at,
            ms=ms,
            status="error" if status_code >= 400 else "unset",
            of=of,
            attributes={
                "http.request.method": method,
                "url.full": url,
                "server.address": host.split(":")[0],
                "http.response.status_code": status_code,
                "tracestitch.http.client": "requests",
                **(attributes or {}),
            },
        )

    def query(
        self,
        word: str,
        statement: str,
        *,
        parent: str = "",
        service: str = "shop",
        at: float = 0,
        ms: float = 1,
        namespace: str = "shop.db",
        system: str = "postgresql",
        attributes: Attributes | None = None,
        of: Resource | None = None,
    ) -> Span:
        operation = statement.partition(" ")[0].upper()
        return self.span(
            word,
            parent=parent,
            service=service,
            name=operation,
            kind="client",
            at=at,
            ms=ms,
            of=of,
            attributes={
                "db.system.name": system,
                "db.namespace": namespace,
                "db.query.text": statement,
                "db.operation.name": operation,
                **(attributes or {}),
            },
        )

    def log(
        self,
        body: str,
        *,
        span: str = "",
        service: str = "shop",
        at: float = 0,
        severity: int = 9,
        attributes: Mapping[str, AttributeValue] | None = None,
    ) -> LogRecord:
        record = LogRecord(
            time_ns=self.base_ns + round(at * MS),
            severity_number=severity,
            severity_text="ERROR" if severity >= 17 else "INFO",
            body=body,
            trace_id=self.trace_id,
            span_id=self.id(span) if span else "",
            attributes=attributes or {},
            resource=resource(service, self.environment),
            received_ns=self.base_ns + round(at * MS),
        )
        self.logs.append(record)
        return record

    def id(self, word: str) -> str:
        """The span id that a word stands for in this trace."""
        return hex_id(f"{self.trace_id}/{word}")

    def build(self) -> Trace:
        return Trace(
            trace_id=self.trace_id,
            spans=tuple(sorted(self.spans, key=lambda span: (span.start_ns, span.span_id))),
            logs=tuple(sorted(self.logs, key=lambda record: record.time_ns)),
        )
