"""The body of a log record as the fields `body.text` and `body.structured`."""

from __future__ import annotations

from typing import Any

import orjson

from tracestitch_collector.store.elasticsearch.values import can_be_indexed, is_simple, rendered


def body_fields(body: str | None, is_text: bool) -> tuple[dict[str, Any], str | None]:
    """The fields, and what must be kept beside them: the exact value where it is not plain text, else None."""
    if body is None:
        return {}, None
    if is_text:
        return {"text": body}, None
    plain = orjson.loads(body)
    if plain is None:
        return {}, None
    if is_simple(plain):
        return {"text": plain}, body
    if isinstance(plain, list) and not all(isinstance(item, dict) and "kvlist" in item for item in plain):
        plain = {"kvlist": [["value", plain]]}
    elif isinstance(plain, dict) and "kvlist" not in plain:
        return {"text": rendered(plain) or str(plain.get("double"))}, body
    if can_be_indexed(plain):
        return {"structured": rendered(plain)}, body
    return {"text": body}, body
