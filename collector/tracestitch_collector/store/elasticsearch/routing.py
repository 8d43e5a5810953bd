"""Which data stream an item goes to: `<type>-<dataset>.otel-<namespace>`, as Elastic's exporter routes, except
that telemetry cannot name an index of its own (it is hostile text, and could name any).
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any, Literal

DATASET = "data_stream.dataset"
NAMESPACE = "data_stream.namespace"
SUFFIX = ".otel"
MAX_CHARACTERS = 100
MAX_STREAMS = 200
"""Streams that one process makes; items for further ones go to the default."""

_RECEIVER = re.compile(r"/receiver/(\w*receiver)")
_NOT_IN_DATASET = re.compile(r"[^a-z0-9._]")
_NOT_IN_NAMESPACE = re.compile(r"[^a-z0-9._-]")


@dataclass(frozen=True, slots=True, kw_only=True)
class Stream:
    """One data stream of each type."""

    dataset: str
    """With its suffix."""
    namespace: str

    def name(self, kind: Literal["traces", "logs"]) -> str:
        return f"{kind}-{self.dataset}-{self.namespace}"


@dataclass(slots=True, kw_only=True)
class Router:
    """Remembers the streams it has sent to, so that telemetry cannot make ever more of them."""

    namespace: str
    _known: dict[tuple[str, str], Stream] = field(default_factory=dict)

    def stream(
        self,
        attributes: Mapping[str, Any],
        scope_name: str,
        scope: Mapping[str, Any],
        resource: Mapping[str, Any],
    ) -> Stream:
        places = (attributes, scope, resource)
        dataset = _named(places, DATASET)
        if not dataset and (receiver := _RECEIVER.search(scope_name)):
            dataset = receiver[1]
        key = (dataset, _named(places, NAMESPACE))
        found = self._known.get(key)
        if found is None:
            if len(self._known) >= MAX_STREAMS:
                return self._made("", "")
            found = self._known[key] = self._made(*key)
        return found

    def _made(self, dataset: str, namespace: str) -> Stream:
        longest = MAX_CHARACTERS - len(SUFFIX)
        return Stream(
            dataset=(_NOT_IN_DATASET.sub("_", dataset.lower())[:longest] or "generic") + SUFFIX,
            namespace=_NOT_IN_NAMESPACE.sub("_", namespace.lower())[:MAX_CHARACTERS] or self.namespace,
        )


def _named(places: tuple[Mapping[str, Any], ...], key: str) -> str:
    for place in places:
        value = place.get(key) if place else None
        if isinstance(value, str) and value:
            return value
    return ""
