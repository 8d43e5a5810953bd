"""Resources and scopes as parts of a document. They repeat in every row of a process, so each is rendered once and
then copied as bytes.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import orjson

from tracestitch_collector.store.elasticsearch.enrichment import resource_attributes
from tracestitch_collector.store.elasticsearch.fields import ENRICHED_RESOURCE, REMOVED_ATTRIBUTES
from tracestitch_collector.store.elasticsearch.values import (
    can_be_a_field,
    can_be_indexed,
    is_simple,
    rendered,
)

SERVICE_NAME = "service.name"
MAX_KEPT = 2000
"""Resources, and as many scopes, that are remembered."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Origin:
    """A rendered resource or scope."""

    document: orjson.Fragment
    attributes: Mapping[str, Any]
    name: str = ""
    """Of a scope."""
    kept: Mapping[str, Any]
    """What goes into the document's `tracestitch` object so that nothing is lost."""


@dataclass(slots=True, kw_only=True)
class Origins:
    """Remembers each resource and scope that it rendered, within bounds."""

    _resources: dict[tuple[str, str], Origin] = field(default_factory=dict)
    _scopes: dict[str, Origin] = field(default_factory=dict)

    def resource(self, text: str, service_name: str) -> Origin:
        found = self._resources.get((text, service_name))
        if found is None:
            if len(self._resources) >= MAX_KEPT:
                self._resources.clear()
            found = self._resources[text, service_name] = _resource(text, service_name)
        return found

    def scope(self, text: str) -> Origin:
        found = self._scopes.get(text)
        if found is None:
            if len(self._scopes) >= MAX_KEPT:
                self._scopes.clear()
            found = self._scopes[text] = _scope(text)
        return found


def _resource(text: str, service_name: str) -> Origin:
    plain = orjson.loads(text)
    attributes, whole = _fields(plain["attributes"])
    kept: dict[str, Any] = {}
    if attributes.get(SERVICE_NAME) != service_name:
        # Services are counted by this field, so it is there even when the sender named none.
        whole = whole and SERVICE_NAME not in attributes
        kept["unnamed"] = True
        attributes[SERVICE_NAME] = service_name
    if sent := sorted(ENRICHED_RESOURCE & attributes.keys()):
        kept["resource_sent"] = sent
    if not whole:
        kept = {"resource": text}
    document: dict[str, Any] = {"attributes": {**resource_attributes(attributes), **attributes}}
    _add_rest(document, plain)
    return Origin(document=orjson.Fragment(orjson.dumps(document)), attributes=_all_text(plain), kept=kept)


def _scope(text: str) -> Origin:
    plain = orjson.loads(text)
    attributes, whole = _fields(plain["attributes"])
    document: dict[str, Any] = {}
    for key in ("name", "version"):
        if plain[key]:
            document[key] = plain[key]
    if attributes:
        document["attributes"] = attributes
    _add_rest(document, plain)
    return Origin(
        document=orjson.Fragment(orjson.dumps(document)),
        attributes=_all_text(plain),
        name=plain["name"],
        kept={} if whole else {"scope": text},
    )


def _add_rest(document: dict[str, Any], plain: Mapping[str, Any]) -> None:
    if plain["schema_url"]:
        document["schema_url"] = plain["schema_url"]
    if plain["dropped"]:
        document["dropped_attributes_count"] = plain["dropped"]


def _fields(pairs: list[list[Any]]) -> tuple[dict[str, Any], bool]:
    """The attributes as fields, and whether they can be read back from those as they were."""
    attributes: dict[str, Any] = {}
    whole = True
    for key, value in pairs:
        if not can_be_a_field(key) or key in REMOVED_ATTRIBUTES or key in attributes:
            whole = False
            continue
        whole = whole and is_simple(value)
        if can_be_indexed(value):
            attributes[key] = rendered(value)
    return attributes, whole


def _all_text(plain: Mapping[str, Any]) -> dict[str, Any]:
    """Attributes for routing, whose instructions are not part of the document."""
    return {key: value for key, value in plain["attributes"] if isinstance(value, str)}
