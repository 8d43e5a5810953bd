"""The stack of an exception as structured frames, from what the agent recorded."""

from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any

from tracestitch_collector.model import Attributes, Resource
from tracestitch_collector.traces.code import relative

MOST = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Frame:
    file: str
    line: int
    function: str
    in_app: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Variables:
    """What the variables of one frame held when the exception was raised."""

    place: str
    function: str
    values: tuple[tuple[str, str], ...]


def variables_of(attributes: Attributes, resource: Resource) -> tuple[Variables, ...]:
    """Innermost last; empty unless the agent was asked for them."""
    root = resource.text("tracestitch.app.root")
    return tuple(
        Variables(
            place=f"{relative(str(item.get('file', '')), root)}:{item.get('line', 0)}",
            function=str(item.get("function", "")),
            values=tuple((str(name), str(value)) for name, value in item["values"].items()),
        )
        for item in _listed(attributes, "tracestitch.exception.locals")
        if isinstance(item.get("values"), dict)
    )


def frames_of(attributes: Attributes, resource: Resource) -> tuple[Frame, ...]:
    """Innermost last; empty when there are none or they are not what the agent sends."""
    root = resource.text("tracestitch.app.root")
    return tuple(_frame(item, root) for item in _listed(attributes, "tracestitch.exception.frames"))


def _listed(attributes: Attributes, key: str) -> list[dict[str, Any]]:
    text = attributes.get(key)
    if not isinstance(text, str):
        return []
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return []
    return [item for item in listed[-MOST:] if isinstance(item, dict)] if isinstance(listed, list) else []


def _frame(item: dict[str, Any], root: str) -> Frame:
    line = item.get("line")
    return Frame(
        file=relative(str(item.get("file", "")), root),
        line=line if isinstance(line, int) else 0,
        function=str(item.get("function", "")),
        in_app=item.get("in_app") is True,
    )
