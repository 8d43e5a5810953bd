"""What a reader sees: spans, log records and traces as frozen objects, made only when read.

Times are integer nanoseconds since the epoch, ids lower-case hex, attribute names
OpenTelemetry's stable semantic conventions. Nothing here does I/O.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

AttributeValue: TypeAlias = (
    "str | bool | int | float | bytes | tuple[AttributeValue, ...] | Mapping[str, AttributeValue] | None"
)
"""Any OTLP AnyValue: arrays are tuples, kvlists are mappings, the empty value is None."""

Attributes: TypeAlias = Mapping[str, AttributeValue]

SpanKind: TypeAlias = Literal["unspecified", "internal", "server", "client", "producer", "consumer"]
SPAN_KINDS: tuple[SpanKind, ...] = ("unspecified", "internal", "server", "client", "producer", "consumer")
"""Indexed by OTLP's number."""

StatusCode: TypeAlias = Literal["unset", "ok", "error"]
STATUS_CODES: tuple[StatusCode, ...] = ("unset", "ok", "error")
"""Indexed by OTLP's number."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Resource:
    """The process that sent the item."""

    attributes: Attributes = field(default_factory=dict)
    schema_url: str = ""
    dropped_attributes_count: int = 0

    def text(self, key: str, default: str = "") -> str:
        """The attribute as text, or the default when it is absent or not text."""
        value = self.attributes.get(key)
        return value if isinstance(value, str) else default

    @property
    def service(self) -> str:
        return self.text("service.name", "unknown_service")

    @property
    def environment(self) -> str:
        return self.text("deployment.environment.name")


@dataclass(frozen=True, slots=True, kw_only=True)
class Scope:
    """The instrumentation that made the item."""

    name: str = ""
    version: str = ""
    attributes: Attributes = field(default_factory=dict)
    schema_url: str = ""
    dropped_attributes_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanEvent:
    time_ns: int
    name: str
    attributes: Attributes = field(default_factory=dict)
    dropped_attributes_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class SpanLink:
    trace_id: str
    span_id: str
    trace_state: str = ""
    flags: int = 0
    attributes: Attributes = field(default_factory=dict)
    dropped_attributes_count: int = 0


@dataclass(frozen=True, slots=True, kw_only=True)
class Span:
    """One span as it was received. `duration_ns` is negative when it says it ended before it began."""

    trace_id: str
    span_id: str
    parent_span_id: str = ""
    """Empty for a root."""
    name: str
    kind: SpanKind = "internal"
    start_ns: int
    duration_ns: int
    status_code: StatusCode = "unset"
    status_message: str = ""
    trace_state: str = ""
    flags: int = 0
    attributes: Attributes = field(default_factory=dict)
    duplicate_attributes: tuple[tuple[str, AttributeValue], ...] = ()
    """Further values of a key that was sent more than once; the first is in `attributes`."""
    dropped_attributes_count: int = 0
    events: tuple[SpanEvent, ...] = ()
    dropped_events_count: int = 0
    links: tuple[SpanLink, ...] = ()
    dropped_links_count: int = 0
    resource: Resource = field(default_factory=Resource)
    scope: Scope = field(default_factory=Scope)
    received_ns: int = 0
    copies: int = 1
    """How often the same span arrived with equal content."""
    conflicting: bool = False
    """Another span with the same ids but different content is in the trace too."""

    @property
    def end_ns(self) -> int:
        return self.start_ns + self.duration_ns

    @property
    def service(self) -> str:
        return self.resource.service

    @property
    def is_error(self) -> bool:
        return self.status_code == "error"

    def text(self, key: str, default: str = "") -> str:
        """The attribute as text, or the default when it is absent or not text."""
        value = self.attributes.get(key)
        return value if isinstance(value, str) else default

    def number(self, key: str) -> int | float | None:
        """The attribute as a number, or None when it is absent or not one (booleans are not)."""
        value = self.attributes.get(key)
        return value if isinstance(value, (int, float)) and not isinstance(value, bool) else None


@dataclass(frozen=True, slots=True, kw_only=True)
class LogRecord:
    time_ns: int
    """The record's own time; the observed time where it has none."""
    observed_ns: int = 0
    severity_number: int = 0
    severity_text: str = ""
    body: AttributeValue = None
    event_name: str = ""
    trace_id: str = ""
    span_id: str = ""
    flags: int = 0
    attributes: Attributes = field(default_factory=dict)
    duplicate_attributes: tuple[tuple[str, AttributeValue], ...] = ()
    dropped_attributes_count: int = 0
    resource: Resource = field(default_factory=Resource)
    scope: Scope = field(default_factory=Scope)
    received_ns: int = 0

    @property
    def service(self) -> str:
        return self.resource.service

    def text(self, key: str, default: str = "") -> str:
        """The attribute as text, or the default when it is absent or not text."""
        value = self.attributes.get(key)
        return value if isinstance(value, str) else default


@dataclass(frozen=True, slots=True, kw_only=True)
class Trace:
    """One trace: its spans by (start, span id), its log records by time."""

    trace_id: str
    spans: tuple[Span, ...]
    logs: tuple[LogRecord, ...] = ()
    partial: str = ""
    """Why this is not all there is (a row cap, a deadline), in words; empty when it is whole."""
