"""The index templates that Elasticsearch's own plugin for OpenTelemetry installs (8.19), with core types in the place
of those that the test distribution lacks: what Elastic's exporter writes into.
"""

from __future__ import annotations

from typing import Any

KEYWORD = {"type": "keyword"}
SHORT = {"type": "keyword", "ignore_above": 1024}
LONG = {"type": "long"}


def _alias(path: str) -> dict[str, str]:
    return {"type": "alias", "path": path}


def _passthrough(priority: int, **properties: Any) -> dict[str, Any]:
    return {"type": "passthrough", "dynamic": True, "priority": priority, "properties": properties}


_SHARED: dict[str, Any] = {
    "@timestamp": {"type": "date"},
    "data_stream": {"properties": {"type": KEYWORD, "dataset": KEYWORD, "namespace": KEYWORD}},
    "attributes": _passthrough(20),
    "dropped_attributes_count": LONG,
    "trace_id": KEYWORD,
    "span_id": KEYWORD,
    "trace": {"properties": {"id": _alias("trace_id")}},
    "scope": {
        "properties": {
            "name": SHORT,
            "version": KEYWORD,
            "schema_url": SHORT,
            "dropped_attributes_count": LONG,
            "attributes": _passthrough(30),
        }
    },
    "resource": {
        "properties": {
            "schema_url": SHORT,
            "dropped_attributes_count": LONG,
            "attributes": _passthrough(40, **{"host.name": SHORT, "service.instance.id": SHORT}),
        }
    },
}
_TRACES: dict[str, Any] = {
    "trace_state": KEYWORD,
    "parent_span_id": KEYWORD,
    "parent": {"properties": {"id": _alias("parent_span_id")}},
    "span": {"properties": {"id": _alias("span_id"), "name": _alias("name")}},
    "name": KEYWORD,
    "kind": KEYWORD,
    "duration": {"type": "long", "meta": {"unit": "nanos"}},
    "dropped_events_count": LONG,
    "dropped_links_count": LONG,
    "links": {
        "properties": {
            "trace_id": KEYWORD,
            "span_id": KEYWORD,
            "trace_state": KEYWORD,
            "attributes": {"type": "object", "subobjects": False, "dynamic": True},
            "dropped_attributes_count": LONG,
        }
    },
    "status": {"properties": {"message": KEYWORD, "code": KEYWORD}},
}
_LOGS: dict[str, Any] = {
    "span": {"properties": {"id": _alias("span_id")}},
    "observed_timestamp": {"type": "date_nanos"},
    "severity_number": {"type": "byte"},
    "severity_text": KEYWORD,
    "event_name": KEYWORD,
    "body": {"properties": {"text": {"type": "text"}, "structured": {"type": "flattened"}}},
    "message": _alias("body.text"),
}


def template(signal: str, pattern: str, *, logsdb: bool = False) -> dict[str, Any]:
    """For `_index_template`, over all others."""
    index: dict[str, Any] = {
        "codec": "best_compression",
        "mapping": {"ignore_malformed": True, "total_fields": {"limit": 2000}},
    }
    if logsdb:
        index["mode"] = "logsdb"
        index["sort"] = {"field": ["resource.attributes.host.name", "@timestamp"]}
    return {
        "index_patterns": [pattern],
        "priority": 301 if logsdb else 300,  # patterns that could overlap may not share one
        "data_stream": {},
        "template": {
            "settings": {"index": index},
            "mappings": {
                "date_detection": False,
                "dynamic": False,
                "dynamic_templates": [
                    {
                        "complex_attributes": {
                            "path_match": ["resource.attributes.*", "scope.attributes.*", "attributes.*"],
                            "match_mapping_type": "object",
                            "mapping": {"type": "flattened"},
                        }
                    },
                    {"all_strings_to_keywords": {"match_mapping_type": "string", "mapping": SHORT}},
                ],
                "properties": {**_SHARED, **(_TRACES if signal == "traces" else _LOGS)},
            },
        },
    }
