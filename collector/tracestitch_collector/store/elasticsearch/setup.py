"""Index templates: what Elasticsearch must know before the first document. A template that is not ours is never
touched, and one that is ours is only replaced by a newer version.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from importlib import resources
from typing import Any, Literal

from elasticsearch import ApiError, Elasticsearch, NotFoundError

from tracestitch_collector.errors import BadConfiguration
from tracestitch_collector.store.elasticsearch.client import answering, connect
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings

VERSION = 3
"""Raise it with every change of the templates."""
OWNER = "tracestitch"

Flavour = Literal["native", "portable"]

PORTABLE_TYPES: Mapping[str, str] = {
    "constant_keyword": "keyword",
    "match_only_text": "text",
    "wildcard": "keyword",
    "version": "keyword",
}
"""For servers without the modules that bring the types on the left."""
NATIVE_MODULES = frozenset({"constant-keyword", "mapper-extras", "mapper-version", "wildcard"})

Template = dict[str, Any]


def install(settings: ElasticsearchSettings) -> list[str]:
    """Installs what is missing or older, and tells in words what it did or left alone. Raises `Unavailable`."""
    client = connect(settings)
    try:
        with answering(settings):
            return install_templates(client)
    finally:
        client.close()


def install_templates(client: Elasticsearch) -> list[str]:
    flavour = probe(client)
    done = [_install_component(client, name, body) for name, body in templates("components", flavour).items()]
    done += [_install_index(client, name, body) for name, body in templates("indices", flavour).items()]
    return [f"{line} ({flavour})" if "installed" in line else line for line in done]


def probe(client: Elasticsearch) -> Flavour:
    """Which field types every node knows."""
    answer = client.nodes.info(metric="plugins", filter_path="nodes.*.modules.name")
    nodes = answer.get("nodes", {}).values()
    modules = [{module["name"] for module in node.get("modules", ())} for node in nodes]
    return "native" if modules and all(each >= NATIVE_MODULES for each in modules) else "portable"


def templates(kind: Literal["components", "indices"], flavour: Flavour) -> dict[str, Template]:
    """By name, as they are sent."""
    text = resources.files(__package__).joinpath("templates", f"{kind}.json").read_text()
    found: dict[str, Template] = json.loads(text)
    return found if flavour == "native" else {name: _portable(body) for name, body in found.items()}


def _portable(part: Any) -> Any:
    if isinstance(part, dict):
        return {
            key: PORTABLE_TYPES.get(value, value)
            if key == "type" and isinstance(value, str)
            else _portable(value)
            for key, value in part.items()
        }
    return [_portable(item) for item in part] if isinstance(part, list) else part


def _install_component(client: Elasticsearch, name: str, body: Template) -> str:
    try:
        found = client.cluster.get_component_template(name=name)["component_templates"]
    except NotFoundError:
        found = []
    present = found[0]["component_template"] if found else None
    if left := _left_alone(name, present):
        return left
    client.cluster.put_component_template(name=name, template=body, version=VERSION, meta=_meta())
    return f"{name}: installed version {VERSION}"


def _install_index(client: Elasticsearch, name: str, body: Template) -> str:
    try:
        found = client.indices.get_index_template(name=name)["index_templates"]
    except NotFoundError:
        found = []
    present = found[0]["index_template"] if found else None
    if left := _left_alone(name, present):
        return left
    try:
        client.indices.put_index_template(name=name, version=VERSION, meta=_meta(), **body)
    except ApiError as error:
        if error.meta.status == 400 and "same priority" in str(error):
            raise BadConfiguration(
                f"Another index template with priority {body['priority']} covers {body['index_patterns']}: "
                f"{error.message}. Give it another priority."
            ) from error
        raise
    return f"{name}: installed version {VERSION}"


def _left_alone(name: str, present: Mapping[str, Any] | None) -> str:
    """Why the template is not to be written; empty when it is."""
    if present is None:
        return ""
    if (present.get("_meta") or {}).get("managed_by") != OWNER:
        return f"{name}: left as it is, somebody else made it"
    version = present.get("version") or 0
    return f"{name}: version {version} is there already" if version >= VERSION else ""


def _meta() -> dict[str, Any]:
    return {
        "managed_by": OWNER,
        "description": "Telemetry as Tracestitch writes it; see docs/elasticsearch.md",
    }
