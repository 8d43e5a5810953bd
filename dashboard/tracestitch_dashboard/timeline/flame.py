"""The profile of a slow request as a flame graph: boxes as wide as their share of the samples, callers on top.

All of it came over the wire, so nothing in it is taken for granted.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from typing import Any

from tracestitch_collector.model import Span
from tracestitch_collector.traces.code import relative

ATTRIBUTE = "tracestitch.profile"
ROW = 17
MOST_ROWS, MOST_BOXES = 60, 600
NARROWEST = 0.25
"""In percent: a thinner box cannot be pointed at."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Box:
    x: float
    width: float
    """Both in percent."""
    y: int
    text: str
    title: str
    in_app: bool


@dataclass(frozen=True, slots=True, kw_only=True)
class Flame:
    boxes: tuple[Box, ...]
    height: int
    summary: str


@dataclass(slots=True)
class _Node:
    samples: int = 0
    below: dict[tuple[str, str, bool], _Node] = field(default_factory=dict)


def flame_of(span: Span) -> Flame | None:
    """None where the span has no profile, or none that can be read."""
    try:
        profile = json.loads(span.text(ATTRIBUTE) or "null")
    except (ValueError, RecursionError):
        return None
    if not isinstance(profile, dict):
        return None
    root = _tree(profile, span.resource.text("tracestitch.app.root"))
    if not root.samples:
        return None
    boxes: list[Box] = []
    _lay(root, 0.0, 100.0, 0, root.samples, boxes)
    interval = profile.get("interval_ms")
    every = f", one each {interval:g} ms" if isinstance(interval, int | float) else ""
    height = max(box.y for box in boxes) + ROW if boxes else ROW
    return Flame(boxes=tuple(boxes), height=height, summary=f"{root.samples:,} samples{every}")


def _tree(profile: dict[str, Any], app_root: str) -> _Node:
    """Lines of one function are one box: what is asked for is which function took the time."""
    frames, stacks = profile.get("frames"), profile.get("stacks")
    root = _Node()
    if not isinstance(frames, list) or not isinstance(stacks, list):
        return root
    named = [_named(frame, app_root) for frame in frames]
    for entry in stacks:
        if not (isinstance(entry, list) and len(entry) == 2 and isinstance(entry[1], list)):
            continue
        count = entry[0]
        if type(count) is not int or not 0 < count < 1_000_000:
            continue
        root.samples += count
        node = root
        for number in entry[1][:MOST_ROWS]:
            if type(number) is not int or not 0 <= number < len(named):
                break
            node = node.below.setdefault(named[number], _Node())
            node.samples += count
    return root


def _named(frame: object, app_root: str) -> tuple[str, str, bool]:
    if not (isinstance(frame, list) and len(frame) == 4):
        return ("?", "", False)
    return (str(frame[2])[:200], relative(str(frame[0])[:500], app_root), frame[3] == 1)


def _lay(node: _Node, x: float, width: float, depth: int, whole: int, boxes: list[Box]) -> None:
    """The widest first, as deep as people read."""
    at = x
    for (function, file, in_app), child in sorted(node.below.items(), key=lambda item: -item[1].samples):
        share = width * child.samples / node.samples
        if share < NARROWEST or len(boxes) >= MOST_BOXES:
            return
        percent = 100 * child.samples / whole
        boxes.append(
            Box(
                x=round(at, 3),
                width=round(share, 3),
                y=depth * ROW,
                text=function if share >= 6 else "",
                title=f"{function} ({file}): {percent:.0f} % of the samples",
                in_app=in_app,
            )
        )
        _lay(child, at, share, depth + 1, whole, boxes)
        at += share
