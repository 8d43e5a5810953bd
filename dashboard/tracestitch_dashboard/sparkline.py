"""Small charts as the points and rectangles of an SVG."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

WIDTH, HEIGHT = 90, 18


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    x: float
    y: float
    width: float
    height: float
    title: str
    kind: str = ""
    """A class for its colour; the title says the same in words."""


def points(values: Sequence[float], width: float = WIDTH, height: float = HEIGHT) -> str:
    """For a polyline; a flat line at the bottom where all is 0, nothing for fewer than two values."""
    if len(values) < 2:
        return ""
    most = max(values)
    step = width / (len(values) - 1)
    scale = (height - 3) / most if most > 0 else 0
    return " ".join(
        f"{index * step:.1f},{height - 1.5 - value * scale:.1f}" for index, value in enumerate(values)
    )


def columns(
    stacks: Sequence[Sequence[tuple[float, str, str]]], width: float = 1000, height: float = 60
) -> tuple[Column, ...]:
    """One stack per slot, from the bottom up; each part is (value, class, title)."""
    most = max((sum(value for value, _, _ in stack) for stack in stacks), default=0)
    if most <= 0:
        return ()
    slot = width / len(stacks)
    found = []
    for index, stack in enumerate(stacks):
        top = height
        for value, kind, title in stack:
            if value <= 0:
                continue
            tall = max(value / most * height, 1.0)
            top -= tall
            found.append(
                Column(
                    x=round(index * slot + 1, 2),
                    y=round(max(top, 0), 2),
                    width=round(slot - 2, 2),
                    height=round(tall, 2),
                    title=title,
                    kind=kind,
                )
            )
    return tuple(found)
