"""The shape of an error answer, keys and types but never a value, so that services can be compared. Pure."""

import json
from collections.abc import Mapping
from typing import Any

LARGEST_BODY = 64 * 1024
_MOST_KEYS = 50
_LONGEST_KEY = 64
_NAMES: Mapping[type, str] = {
    bool: "bool",
    int: "int",
    float: "float",
    str: "str",
    list: "list",
    dict: "dict",
    type(None): "null",
}


def content_type(header: str | None) -> str:
    """Without parameters: `application/json`."""
    return (header or "").partition(";")[0].strip().lower()


def body_shape(media_type: str, body: bytes) -> str | None:
    """`code:int,detail:str` of a JSON object, `list` or `str` of other JSON, None of anything else."""
    if (
        not (media_type == "application/json" or media_type.endswith("+json"))
        or not 0 < len(body) <= LARGEST_BODY
    ):
        return None
    try:
        value = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(value, dict):
        return _name(value)
    pairs = sorted(f"{key[:_LONGEST_KEY]}:{_name(item)}" for key, item in value.items())
    return ",".join(pairs[:_MOST_KEYS])


def _name(value: Any) -> str:
    return _NAMES.get(type(value), "str")
