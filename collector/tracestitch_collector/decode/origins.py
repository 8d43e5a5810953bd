"""Resources and scopes of the requests: where rows come from, as text that is made once and repeated by number."""

from __future__ import annotations

from typing import Final

from tracestitch_collector.columns import resource_text, scope_text
from tracestitch_collector.decode.cuts import RESOURCE_BYTES, SHORT_BYTES, Cuts
from tracestitch_collector.decode.names import stable
from tracestitch_collector.decode.values import key_value, skip, span_of, varint
from tracestitch_collector.model import AttributeValue

MAX_ORIGINS: Final = 1_000


class Origins:
    """Resources and scopes: each one's text is made once, however many requests repeat its bytes."""

    def __init__(self) -> None:
        self.cuts = Cuts()
        """Of everything that is decoded with these origins."""
        self.resources: list[str] = []
        self.services: list[str] = []
        self.environments: list[str] = []
        self.scopes: list[str] = []
        self._resource_codes: dict[tuple[bytes, str], int] = {}
        self._scope_codes: dict[tuple[bytes, str], int] = {}

    def begin(self) -> None:
        if len(self.resources) > MAX_ORIGINS:
            self.resources, self.services, self.environments, self._resource_codes = [], [], [], {}
        if len(self.scopes) > MAX_ORIGINS:
            self.scopes, self._scope_codes = [], {}

    def resource(self, raw: bytes, schema_url: str) -> int:
        code = self._resource_codes.get((raw, schema_url))
        if code is None:
            attributes, _, _, dropped = _described(raw, self.cuts, attributes_tag=0x0A, dropped_tag=0x10)
            code = self._resource_codes[raw, schema_url] = len(self.resources)
            self.resources.append(resource_text(attributes, schema_url, dropped))
            self.services.append(_text_of(attributes, "service.name") or "unknown_service")
            self.environments.append(_text_of(attributes, "deployment.environment.name"))
        return code

    def scope(self, raw: bytes, schema_url: str) -> int:
        code = self._scope_codes.get((raw, schema_url))
        if code is None:
            attributes, name, version, dropped = _described(
                raw, self.cuts, attributes_tag=0x1A, dropped_tag=0x20
            )
            code = self._scope_codes[raw, schema_url] = len(self.scopes)
            self.scopes.append(scope_text(name, version, attributes, schema_url, dropped))
        return code


def _described(
    raw: bytes, cuts: Cuts, attributes_tag: int, dropped_tag: int
) -> tuple[list[tuple[str, AttributeValue]], str, str, int]:
    """Attributes, name, version and dropped count of a Resource or an InstrumentationScope."""
    if len(raw) > RESOURCE_BYTES:
        raw = cuts.slimmed(raw, 0, len(raw), attributes_tag, RESOURCE_BYTES)
    at, end = 0, len(raw)
    attributes: list[tuple[str, AttributeValue]] = []
    name, version, dropped = "", "", 0
    while at < end:
        tag = raw[at]
        if tag == attributes_tag:
            at, stop = span_of(raw, at + 1, end)
            key, value = key_value(raw, at, stop)
            if stop - at > SHORT_BYTES:
                key, value = cuts.pair(key, value, "resource value")
            attributes += _renamed_unless_sent(key, value, raw)
            at = stop
        elif tag == 0x0A:
            at, stop = span_of(raw, at + 1, end)
            name, at = cuts.text("scope", raw[at:stop]), stop
        elif tag == 0x12:
            at, stop = span_of(raw, at + 1, end)
            version, at = cuts.text("scope", raw[at:stop]), stop
        elif tag == dropped_tag:
            dropped, at = varint(raw, at + 1)
        else:
            at = skip(raw, at)
    return attributes, name, version, dropped % 2**32


def _renamed_unless_sent(
    key: str, value: AttributeValue, raw: bytes
) -> tuple[tuple[str, AttributeValue], ...]:
    """A resource's attribute under its stable names; under its own where the sender sent both."""
    renamed = stable(key, value)
    if not renamed or any(name.encode() in raw for name, _ in renamed):
        return ((key, value),)
    return renamed


def _text_of(attributes: list[tuple[str, AttributeValue]], key: str) -> str:
    for name, value in attributes:
        if name == key:
            return value if isinstance(value, str) else ""
    return ""
