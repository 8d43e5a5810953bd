"""The columns in which telemetry travels from the decoder to every output: the Arrow schemas, and the
text form of values that have no column of their own.

A table has the fixed columns of its schema, then one column per attribute key and type, named
`attr.<type>.<key>`: `attr.s.http.route` (string), `attr.i.http.response.status_code` (int64),
`attr.d.<key>` (double), `attr.b.<key>` (bool); null where the row has no such attribute. What does not fit
(arrays, kvlists, bytes, empty values, the second value of a repeated key, keys beyond the cap) is in
`attributes_other`: a JSON list of [key, value] pairs in their order, values in the form of `value_text`.

Columns in REPEATING may come as dictionaries of their type: nobody should copy a resource of half a kilobyte for
every row.
"""

from __future__ import annotations

import base64
import json
import math
from collections.abc import Mapping
from typing import Any

import pyarrow as pa

from tracestitch_collector.model import AttributeValue

ATTRIBUTE_TYPES: Mapping[str, pa.DataType] = {
    "s": pa.string(),
    "i": pa.int64(),
    "d": pa.float64(),
    "b": pa.bool_(),
}

MAX_ATTRIBUTE_COLUMNS = 400
"""Attribute columns per table; further keys go to `attributes_other`."""

SPANS = pa.schema(
    [
        ("request_digest", pa.binary(16)),  # identity of the request after inflation
        ("request_index", pa.int32()),  # which span of that request
        ("received_ns", pa.int64()),
        ("trace_id", pa.binary(16)),
        ("span_id", pa.binary(8)),
        ("parent_span_id", pa.binary(8)),  # null for a root
        ("trace_state", pa.string()),
        ("flags", pa.uint32()),
        ("name", pa.string()),
        ("kind", pa.int8()),
        ("start_ns", pa.int64()),
        ("duration_ns", pa.int64()),
        ("status_code", pa.int8()),
        ("status_message", pa.string()),
        ("service_name", pa.string()),
        ("environment", pa.string()),
        ("resource", pa.string()),  # JSON: see resource_text
        ("scope", pa.string()),  # JSON: see scope_text
        (
            "events",
            pa.string(),
        ),  # JSON list of {time_ns, name, attributes: [[key, value]…], dropped}; null when none
        ("links", pa.string()),  # JSON list of {trace_id, span_id, trace_state, flags, attributes, dropped}
        ("dropped_attributes_count", pa.uint32()),
        ("dropped_events_count", pa.uint32()),
        ("dropped_links_count", pa.uint32()),
        ("attributes_other", pa.string()),
    ]
)

REPEATING = ("request_digest", "service_name", "environment", "resource", "scope")

LOGS = pa.schema(
    [
        ("request_digest", pa.binary(16)),
        ("request_index", pa.int32()),
        ("received_ns", pa.int64()),
        ("time_ns", pa.int64()),
        ("observed_ns", pa.int64()),
        ("severity_number", pa.int8()),
        ("severity_text", pa.string()),
        ("body", pa.string()),  # plain text when the body is a string, else its value_text
        ("body_is_text", pa.bool_()),
        ("event_name", pa.string()),
        ("trace_id", pa.binary(16)),  # null when none
        ("span_id", pa.binary(8)),  # null when none
        ("flags", pa.uint32()),
        ("service_name", pa.string()),
        ("environment", pa.string()),
        ("resource", pa.string()),
        ("scope", pa.string()),
        ("dropped_attributes_count", pa.uint32()),
        ("attributes_other", pa.string()),
    ]
)

FINDINGS = pa.schema(
    [
        ("evaluated_ns", pa.int64()),
        ("fingerprint", pa.string()),
        ("check", pa.string()),
        ("pitfall", pa.string()),
        ("severity", pa.string()),
        ("service_name", pa.string()),
        ("first_seen_ns", pa.int64()),
        ("last_seen_ns", pa.int64()),
        ("document", pa.string()),  # the finding as JSON, in the form of design.md §8
    ]
)


def to_plain(value: AttributeValue) -> Any:
    """A value as JSON that keeps its type. Text, booleans, integers, lists and null are themselves; a double
    is {"double": text} when it is not finite, else a JSON number that has a point or an exponent; bytes are
    {"bytes": base64}; a kvlist is {"kvlist": [[key, value]…]}."""
    if isinstance(value, float):
        return value if math.isfinite(value) else {"double": str(value)}
    if isinstance(value, bytes):
        return {"bytes": base64.b64encode(value).decode()}
    if isinstance(value, tuple):
        return [to_plain(item) for item in value]
    if isinstance(value, Mapping):
        return {"kvlist": [[key, to_plain(item)] for key, item in value.items()]}
    return value


def from_plain(plain: Any) -> AttributeValue:
    """The inverse of `to_plain`."""
    if isinstance(plain, list):
        return tuple(from_plain(item) for item in plain)
    if isinstance(plain, dict):
        if "kvlist" in plain:
            return {key: from_plain(item) for key, item in plain["kvlist"]}
        if "bytes" in plain:
            return base64.b64decode(plain["bytes"])
        return float(plain["double"])
    value: AttributeValue = plain
    return value


def value_text(value: AttributeValue) -> str:
    return json.dumps(to_plain(value), ensure_ascii=False, separators=(",", ":"))


def resource_text(
    attributes: list[tuple[str, AttributeValue]], schema_url: str, dropped_attributes_count: int
) -> str:
    """{"attributes": [[key, value]…], "schema_url": …, "dropped": n}, equal for equal resources."""
    return json.dumps(
        {
            "attributes": [[key, to_plain(value)] for key, value in attributes],
            "schema_url": schema_url,
            "dropped": dropped_attributes_count,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )


def scope_text(
    name: str,
    version: str,
    attributes: list[tuple[str, AttributeValue]],
    schema_url: str,
    dropped_attributes_count: int,
) -> str:
    """{"name": …, "version": …, "attributes": [[key, value]…], "schema_url": …, "dropped": n}."""
    return json.dumps(
        {
            "name": name,
            "version": version,
            "attributes": [[key, to_plain(value)] for key, value in attributes],
            "schema_url": schema_url,
            "dropped": dropped_attributes_count,
        },
        ensure_ascii=False,
        separators=(",", ":"),
    )
