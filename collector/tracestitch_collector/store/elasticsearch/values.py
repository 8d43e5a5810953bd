"""Attribute values as the fields of a document: what Elasticsearch can index as it stands, and what can only be
kept beside. Values come in the plain form of columns.py.
"""

from __future__ import annotations

import base64
import json
import math
from typing import Any

import orjson

MAX_KEY_CHARACTERS = 512
"""Longer names would only swell the cluster's state."""
MAX_DEPTH = 15
"""`flattened` refuses more than 20 levels."""
MAX_LEAF_BYTES = 8000
"""`flattened` refuses a term beyond 32,766 bytes, 8,191 with logsdb; the key counts too."""


def is_simple(plain: Any) -> bool:
    """Whether JSON says all about it: text, booleans, integers and finite doubles."""
    return isinstance(plain, (str, bool, int)) or (isinstance(plain, float) and math.isfinite(plain))


def can_be_a_field(key: str) -> bool:
    return bool(key.strip()) and len(key) <= MAX_KEY_CHARACTERS


def can_be_indexed(plain: Any) -> bool:
    """Whether `rendered(plain)` can be the value of a field whatever was there first: arrays of one type, and
    maps that `flattened` takes."""
    if plain is None or is_simple(plain) or "double" in plain or "bytes" in plain:
        return True
    if isinstance(plain, list):
        if all(isinstance(item, dict) and "kvlist" in item for item in plain):
            return all(_can_be_flattened(item, MAX_DEPTH) for item in plain)
        return all(is_simple(item) for item in plain) and len({type(item) for item in plain}) == 1
    return _can_be_flattened(plain, MAX_DEPTH)


def _can_be_flattened(plain: Any, depth: int) -> bool:
    if depth == 0:
        return False
    if isinstance(plain, list):
        return all(_can_be_flattened(item, depth - 1) for item in plain)
    if isinstance(plain, dict) and "kvlist" in plain:
        return all(
            key.strip() and "\0" not in key and len(key) <= MAX_KEY_CHARACTERS for key, _ in plain["kvlist"]
        ) and all(_can_be_flattened(item, depth - 1) for _, item in plain["kvlist"])
    return not isinstance(plain, str) or len(plain.encode()) <= MAX_LEAF_BYTES


def rendered(plain: Any) -> Any:
    """The value as Elastic's exporter writes it: bytes in hex, maps as objects, null for what is not a number."""
    if isinstance(plain, list):
        return [rendered(item) for item in plain]
    if isinstance(plain, dict):
        if "kvlist" in plain:
            return {key: rendered(item) for key, item in reversed(plain["kvlist"])}
        if "bytes" in plain:
            return base64.b64decode(plain["bytes"]).hex()
        return None
    if isinstance(plain, float) and not math.isfinite(plain):
        return None
    return plain


def as_text(plain: Any) -> str:
    """As JSON to keep; orjson goes less deep than a sender may."""
    try:
        return orjson.dumps(plain).decode()
    except TypeError:
        return json.dumps(plain, ensure_ascii=False, separators=(",", ":"))
