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


def frames_of(attributes: Attributes, resource: Resource) -> tuple[Frame, ...]:
    """Innermost last; empty when there are none or they are not what the agent sends."""
    text = attributes.get("tracestitch.exception.frames")
    if not isinstance(text, str):
        return ()
    try:
        listed = json.loads(text)
    except (ValueError, RecursionError):
        return ()
    if not isinstance(listed, list):
        return ()
    root = resource.text("tracestitch.app.root")
    return tuple(_frame(item, root) for item in listed[-MOST:] if isinstance(item, dict))


def _frame(item: dict[str, Any], root: str) -> Frame:
    line = item.get("line")
    return Frame(
        file=relative(str(item.get("file", "")), root),
        line=line if isinstance(line, int) else 0,
        function=str(item.get("function", "")),
        in_app=item.get("in_app") is True,
    )
