"""Attributes as spans and logs carry them: sets that many of them share, and the limits of OpenTelemetry."""

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from opentelemetry.attributes import BoundedAttributes

from tracestitch.scrub import MAX_TEXT, Scrubbed

_DEFAULT_COUNT = 128
# Values that are what they say; everything else is looked into, as OpenTelemetry does.
PLAIN_TYPES = frozenset({str, int, float, bool, Scrubbed})


class Shared(dict[str, Any]):
    """A set of attributes that many spans or logs have alike: never changed once made, and encoded only once."""

    __slots__ = ("log_bytes", "size", "span_bytes", "written")

    def __init__(self, attributes: Mapping[str, Any]) -> None:
        super().__init__(attributes)
        self.span_bytes: bytes | None = None
        self.log_bytes: bytes | None = None
        # Of a statement, what its spans say alike: before their ids and times, and after these.
        self.written: tuple[bytes, bytes] | None = None
        self.size = sum(60 + len(value) if isinstance(value, str) else 60 for value in attributes.values())


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """How much one span may carry; None: no limit."""

    attributes: int | None
    value_length: int | None
    events: int | None
    links: int | None
    event_attributes: int | None
    link_attributes: int | None
    nested_value_length: int | None

    def cleaned(self, key: str, value: Any) -> Any:
        """A value that is neither text nor number, as OpenTelemetry would keep it: sequences as tuples, the odd as text."""
        kept = BoundedAttributes(attributes={key: value}, immutable=False, max_value_len=self.value_length)
        return kept.get(key)

    def of_event(self, attributes: Mapping[str, Any] | None) -> BoundedAttributes:
        return BoundedAttributes(
            self.event_attributes, _cut(attributes, self.nested_value_length), max_value_len=None
        )

    def of_link(self, attributes: Mapping[str, Any] | None) -> BoundedAttributes:
        return BoundedAttributes(
            self.link_attributes, _cut(attributes, self.nested_value_length), max_value_len=None
        )


def limits_of(environ: Mapping[str, str]) -> Limits:
    """Those of OTEL_SPAN_* and OTEL_ATTRIBUTE_*; what is no number counts as not set."""
    counted = _number(environ, "OTEL_ATTRIBUTE_COUNT_LIMIT", _DEFAULT_COUNT)
    length = _number(environ, "OTEL_ATTRIBUTE_VALUE_LENGTH_LIMIT", None)
    return Limits(
        attributes=_number(environ, "OTEL_SPAN_ATTRIBUTE_COUNT_LIMIT", counted),
        value_length=_number(
            environ, "OTEL_SPAN_ATTRIBUTE_VALUE_LENGTH_LIMIT", MAX_TEXT if length is None else length
        ),
        events=_number(environ, "OTEL_SPAN_EVENT_COUNT_LIMIT", _DEFAULT_COUNT),
        links=_number(environ, "OTEL_SPAN_LINK_COUNT_LIMIT", _DEFAULT_COUNT),
        event_attributes=_number(environ, "OTEL_EVENT_ATTRIBUTE_COUNT_LIMIT", counted),
        link_attributes=_number(environ, "OTEL_LINK_ATTRIBUTE_COUNT_LIMIT", counted),
        nested_value_length=length,
    )


def _cut(attributes: Mapping[str, Any] | None, length: int | None) -> Mapping[str, Any] | None:
    """Here and not by OpenTelemetry, which writes a line into the app's log for each value that it cuts."""
    if length is None or not attributes:
        return attributes
    return {key: value[:length] if isinstance(value, str) else value for key, value in attributes.items()}


def _number(environ: Mapping[str, str], name: str, default: int | None) -> int | None:
    text = environ.get(name, "").strip()
    return int(text) if text.isascii() and text.isdecimal() else default
