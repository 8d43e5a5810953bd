"""What leaves of a log record of texts and numbers alone: its line of code, level and template are written out once, and
again only its time, ids and arguments. Such values cannot change, so it is done by the exporter's thread."""

import re
import struct
from collections.abc import Mapping
from typing import Any

from tracestitch import frames
from tracestitch.attributes import Shared
from tracestitch.encode import Encoder, field, text_item
from tracestitch.frames import CodeLocation
from tracestitch.scrub import MAX_TEXT, REDACTED, Scrubbed, is_secret_key, scrub_text
from tracestitch.secret_paths import SERVED_PATHS

LONGEST_ARGUMENT, MOST_ARGUMENTS, MOST_PLACES = 256, 20, 2_000
_COLOURS = re.compile(r"\x1b\[[0-9;]{0,16}m")
_SIMPLE = (int, float, bool, type(None))
_SHORT_OF_A_CARD = 10**11  # no secret is told by the shape of a number of so few digits
_SEVERITIES = (1, 5, 9, 13, 17)
_times = struct.Struct("<BQBQ").pack
_ids = struct.Struct("<BI2s16s2s8s").pack
_ARGUMENTS_KEY = field(b"\x0a", b"tracestitch.log.arguments")


class Line:
    """One that logs at one level, on one logger and thread."""

    __slots__ = ("_last", "_level_name", "_number", "_thread", "location", "scope")

    def __init__(
        self, location: CodeLocation, level: int, level_name: str, scope: str, thread: str | None
    ) -> None:
        self.location = location
        self.scope = scope
        self._number = severity_number(level)
        self._level_name = level_name
        self._thread = thread
        # The template of the last record, whether it had arguments, and what is the same in each such record.
        self._last: tuple[str, bool, bytes] = ("", False, b"")

    def encoded(
        self,
        encoder: Encoder,
        time_ns: int,
        template: str,
        arguments: tuple[Any, ...] | None,
        trace_id: int,
        span_id: int,
        trace_flags: int,
    ) -> bytes:
        last, had_arguments, known = self._last
        # Which paths are secret changes.
        may_hide = bool(SERVED_PATHS.known) and not arguments and "/" in template
        if may_hide or not known or last != template or had_arguments is not bool(arguments):
            known = self._written_out(encoder, template, bool(arguments))
        record = _times(9, time_ns, 0x59, time_ns) + known
        if arguments:
            record += _with_arguments(template, arguments)
        if trace_id:
            record += _ids(
                0x45, trace_flags, b"\x4a\x10", trace_id.to_bytes(16, "big"), b"\x52\x08",
                span_id.to_bytes(8, "big"),
            )  # fmt: skip
        return record

    def _written_out(self, encoder: Encoder, template: str, has_arguments: bool) -> bytes:
        shared = PLACES.said(self.location, template[:MAX_TEXT] if has_arguments else None)
        known = b"\x10" + bytes((self._number,)) + encoder.name(b"\x1a", self._level_name)
        known += encoder.of_log(shared)
        if self._thread:
            known += encoder.log_attributes({"thread.name": self._thread})
        if not has_arguments:
            body = cleaned(template)[0]
            known += _body(body) + encoder.log_attributes({"tracestitch.log.template": body})
        self._last = (template, has_arguments, known)
        return known


# A record that is written out only when it is sent: the arguments of `Line.encoded` without the encoder.
Deferred = tuple[Line, int, str, tuple[Any, ...] | None, int, int, int]


class Places:
    """The lines that log: where they are, and what their records say alike."""

    def __init__(self) -> None:
        self._said: dict[tuple[int, str | None], tuple[Shared, CodeLocation]] = {}

    def said(self, location: CodeLocation, template: str | None) -> Shared:
        key = (id(location), template)
        known = self._said.get(key)
        if known is None:
            attributes = dict(frames.location_attributes(location))
            if template is not None:
                attributes["tracestitch.log.template"] = template
            if len(self._said) >= MOST_PLACES:
                self._said.clear()
            # The location is kept, so that no other gets its address.
            known = self._said[key] = (Shared(attributes), location)
        return known[0]


# One process has one; every record asks it.
PLACES = Places()


def _with_arguments(template: str, values: tuple[Any, ...]) -> bytes:
    try:
        message = template % values
    except Exception:
        message = template
    body, rendered = cleaned(message)
    items = b"".join([text_item(item) for item in arguments(values, rendered, body)])
    return _body(body) + field(b"\x32", _ARGUMENTS_KEY + field(b"\x12", field(b"\x2a", items)))


def _body(text: str) -> bytes:
    return field(b"\x2a", field(b"\x0a", text.encode("utf-8", "replace")))


def severity_number(level: int) -> int:
    """OTLP's number for a level of `logging`, whose levels may lie anywhere between the named ones."""
    if level >= 50:
        return 21
    if level >= 10:
        return _SEVERITIES[level // 10] + min((level % 10) // 3, 3)
    return 1


def cleaned(rendered: str) -> tuple[str, str]:
    """(scrubbed, as it was)"""
    rendered = rendered[: 2 * MAX_TEXT]
    if "\x1b" in rendered:
        rendered = _COLOURS.sub("", rendered)
    body = scrub_text(rendered)
    if SERVED_PATHS.known and "/" in body:
        body = SERVED_PATHS.cleaned(body)
    return body, rendered


def arguments(values: Any, rendered: str, body: str) -> Scrubbed:
    items = values.items() if isinstance(values, Mapping) else [("", value) for value in values]
    return Scrubbed(
        [_argument(key, value, rendered, body) for key, value in list(items)[:MOST_ARGUMENTS]],
    )


def _argument(key: Any, value: Any, rendered: str, body: str) -> str:
    """Bounded, and without running code of the app: the repr of a queryset would go to the database."""
    if isinstance(key, str) and key and is_secret_key(key):
        return REDACTED
    if type(value) is int and -_SHORT_OF_A_CARD < value < _SHORT_OF_A_CARD and body == rendered:
        return str(value)
    if isinstance(value, str):
        text = value[: LONGEST_ARGUMENT * 4]
    elif isinstance(value, _SIMPLE):
        text = str(value)
    elif isinstance(value, BaseException):
        text = f"{type(value).__name__}: {value}"
    else:
        return f"<{type(value).__name__}>"
    if "\x1b" in text:
        text = _COLOURS.sub("", text)
    if body != rendered and text and text in rendered and text not in body:
        return REDACTED  # what scrubbing took out of the message is a secret here too
    return scrub_text(text)[:LONGEST_ARGUMENT]
