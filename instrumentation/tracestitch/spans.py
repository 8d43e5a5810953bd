"""The agent's own span: what OpenTelemetry's does, for a seventh of its cost.

There is no lock in it: a span is used by the thread that made it, and where several threads add to one, each single
step is one operation of the interpreter.
"""

import sys
import traceback
from collections import deque
from collections.abc import Mapping, Sequence
from time import time_ns
from types import MappingProxyType, TracebackType
from typing import TYPE_CHECKING, Any

from opentelemetry import trace
from opentelemetry.trace import Link, SpanContext, SpanKind, Status, StatusCode, TraceFlags, TraceState
from opentelemetry.util.types import Attributes

from tracestitch.attributes import PLAIN_TYPES, Limits, Shared
from tracestitch.frames import type_name
from tracestitch.safety import guard

if TYPE_CHECKING:
    from tracestitch.provider import Tracer

UNSET = Status(StatusCode.UNSET)
_NONE: tuple[Any, ...] = ()
_ENDING = guard("ending a span")


class SpanEvent:
    """A moment of a span. Has the public face of the SDK's Event."""

    __slots__ = ("attributes", "name", "timestamp")

    def __init__(self, name: str, attributes: Mapping[str, Any], timestamp: int) -> None:
        self.name = name
        self.attributes = attributes
        self.timestamp = timestamp

    @property
    def dropped_attributes(self) -> int:
        return int(getattr(self.attributes, "dropped", 0))


class Rarities:
    """What few spans have, so that the others need no room for it."""

    __slots__ = ("dropped_attributes", "dropped_events", "dropped_links", "events", "links", "on_exit")

    def __init__(self, limits: Limits) -> None:
        self.events: deque[SpanEvent] = deque(maxlen=limits.events)
        self.links: deque[Link] = deque(maxlen=limits.links)
        self.dropped_attributes = self.dropped_events = self.dropped_links = 0
        # Whether leaving a `with` block by an exception records it, and sets the status.
        self.on_exit = (True, True)


class Span(trace.Span):
    """Attributes lie in two places: `shared` sets, which the encoder knows already, and the span's `own`."""

    __slots__ = (
        "_context",
        "_rare",
        "_status",
        "end_time",
        "flags",
        "kind",
        "name",
        "own",
        "parent_id",
        "parent_is_remote",
        "shared",
        "span_id",
        "start_time",
        "trace_id",
        "trace_state",
        "tracer",
    )

    def __init__(
        self, tracer: "Tracer", name: str, kind: SpanKind, trace_id: int, span_id: int, flags: int
    ) -> None:
        self.tracer = tracer
        self.name = name
        self.kind = kind
        self.trace_id = trace_id
        self.span_id = span_id
        self.flags = flags
        self.parent_id = 0
        self.parent_is_remote = False
        self.trace_state: TraceState | None = None
        self.shared: tuple[Shared, ...] = _NONE
        self.own: dict[str, Any] = {}
        self.start_time = 0
        self.end_time: int | None = None
        self._status = UNSET
        self._rare: Rarities | None = None
        self._context: SpanContext | None = None

    # What a program does with a span.

    def get_span_context(self) -> SpanContext:
        context = self._context
        if context is None:
            context = self._context = SpanContext(
                self.trace_id, self.span_id, False, TraceFlags(self.flags), self.trace_state
            )
        return context

    def is_recording(self) -> bool:
        return self.end_time is None

    def set_attribute(self, key: str, value: Any) -> None:
        if self.end_time is None:
            self._set(key, value)

    def set_attributes(self, attributes: Mapping[str, Any]) -> None:
        if self.end_time is not None:
            return
        if type(attributes) is Shared:
            if self.tracer.provider.shares:
                self.shared = (*self.shared, attributes)
            else:
                for key, value in attributes.items():
                    self._set(key, value)
            return
        for key, value in attributes.items():
            self._set(key, value)

    def share(self, attributes: Shared) -> None:
        """Adds a set that other spans have too."""
        if self.tracer.provider.shares:
            self.shared = (*self.shared, attributes)
            return
        for key, value in attributes.items():
            self._set(key, value)

    def add_event(self, name: str, attributes: Attributes = None, timestamp: int | None = None) -> None:
        if self.end_time is None:
            kept = self.tracer.provider.limits.of_event(attributes)
            self.add_late_event(SpanEvent(name, kept, time_ns() if timestamp is None else timestamp))

    def add_late_event(self, event: SpanEvent) -> None:
        """Also after the end, as long as the span has not been handed on."""
        rare = self._rarities()
        if len(rare.events) == rare.events.maxlen:
            rare.dropped_events += 1
        rare.events.append(event)

    def add_link(self, context: SpanContext, attributes: Attributes = None) -> None:
        if self.end_time is None and context and (context.is_valid or attributes or context.trace_state):
            rare = self._rarities()
            if len(rare.links) == rare.links.maxlen:
                rare.dropped_links += 1
            rare.links.append(Link(context, self.tracer.provider.limits.of_link(attributes)))

    def update_name(self, name: str) -> None:
        if self.end_time is None:
            self.name = name

    def set_status(self, status: Status | StatusCode, description: str | None = None) -> None:
        """OK is final, and UNSET changes nothing."""
        new = status if isinstance(status, Status) else Status(status, description)
        final = self._status.status_code is StatusCode.OK or new.status_code is StatusCode.UNSET
        if self.end_time is None and not final:
            self._status = new

    def record_exception(
        self,
        exception: BaseException,
        attributes: Attributes = None,
        timestamp: int | None = None,
        escaped: bool = False,
    ) -> None:
        told: dict[str, Any] = {
            "exception.type": type_name(type(exception)),
            "exception.message": str(exception),
            "exception.stacktrace": "".join(traceback.format_exception(exception)),
            "exception.escaped": str(escaped),
        }
        told.update(attributes or {})
        self.add_event("exception", told, timestamp)

    def end(self, end_time: int | None = None) -> None:
        if self.end_time is None:
            self.end_time = time_ns() if end_time is None else end_time
            try:
                self.tracer.provider.ended(self)
            except Exception as error:
                _ENDING.caught(error)

    def on_exit(self, *, records: bool, sets_status: bool) -> None:
        """What leaving a `with` block of this span by an exception does."""
        self._rarities().on_exit = (records, sets_status)

    def __exit__(
        self,
        exc_type: type[BaseException] | None,
        exc_val: BaseException | None,
        exc_tb: TracebackType | None,
    ) -> None:
        if exc_val is not None and self.end_time is None:
            records, sets_status = self._rare.on_exit if self._rare is not None else (True, True)
            if records:
                self.record_exception(exc_val, escaped=True)
            if sets_status:
                self.set_status(Status(StatusCode.ERROR, f"{type(exc_val).__name__}: {exc_val}"))
        self.end()

    # What a processor reads of it, by the names of the SDK's ReadableSpan.

    @property
    def context(self) -> SpanContext:
        return self.get_span_context()

    @property
    def parent(self) -> SpanContext | None:
        if not self.parent_id:
            return None
        return SpanContext(
            self.trace_id, self.parent_id, self.parent_is_remote, TraceFlags(self.flags), self.trace_state
        )

    @property
    def attributes(self) -> Mapping[str, Any]:
        return MappingProxyType(self.all_attributes())

    @property
    def events(self) -> Sequence[SpanEvent]:
        return tuple(self._rare.events) if self._rare is not None else _NONE

    @property
    def links(self) -> Sequence[Link]:
        return tuple(self._rare.links) if self._rare is not None else _NONE

    @property
    def status(self) -> Status:
        return self._status

    @property
    def dropped_attributes(self) -> int:
        return self._rare.dropped_attributes if self._rare is not None else 0

    @property
    def dropped_events(self) -> int:
        return self._rare.dropped_events if self._rare is not None else 0

    @property
    def dropped_links(self) -> int:
        return self._rare.dropped_links if self._rare is not None else 0

    @property
    def resource(self) -> Any:
        return self.tracer.provider.resource

    @property
    def instrumentation_scope(self) -> Any:
        from opentelemetry.sdk.util.instrumentation import InstrumentationScope

        return InstrumentationScope(self.tracer.scope_name, self.tracer.scope_version, self.tracer.schema_url)

    def readable(self) -> Any:
        """A real ReadableSpan for processors that users bring; without the SDK in the process, this span itself."""
        if "opentelemetry.sdk.trace" not in sys.modules:
            return self
        from opentelemetry.sdk.trace import Event, ReadableSpan

        return ReadableSpan(
            name=self.name,
            context=self.get_span_context(),
            parent=self.parent,
            resource=self.resource,
            attributes=self.all_attributes(),
            events=[Event(event.name, event.attributes, event.timestamp) for event in self.events],
            links=self.links,
            kind=self.kind,
            status=self._status,
            start_time=self.start_time,
            end_time=self.end_time,
            instrumentation_scope=self.instrumentation_scope,
        )

    def to_json(self, indent: int | None = 4) -> str:
        import opentelemetry.sdk.trace  # noqa: F401 - who wants its format has it

        return str(self.readable().to_json(indent))

    def all_attributes(self) -> dict[str, Any]:
        everything: dict[str, Any] = {}
        for part in (*self.shared, self.own):
            everything.update(part)
        return everything

    def _rarities(self) -> Rarities:
        if self._rare is None:
            self._rare = Rarities(self.tracer.provider.limits)
        return self._rare

    def _set(self, key: str, value: Any) -> None:
        own, limits = self.own, self.tracer.provider.limits
        if not key or type(key) is not str:
            self._rarities().dropped_attributes += 1
            return
        if type(value) is str:
            if limits.value_length is not None and len(value) > limits.value_length:
                value = value[: limits.value_length]
        elif type(value) not in PLAIN_TYPES:
            value = limits.cleaned(key, value)
        if key in own:
            del own[key]  # what is set again is the youngest
        elif limits.attributes is not None and len(own) >= limits.attributes:
            self._rarities().dropped_attributes += 1
            if not limits.attributes:
                return
            del own[next(iter(own))]
        own[key] = value
