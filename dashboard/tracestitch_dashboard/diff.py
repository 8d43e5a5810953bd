"""The fix of a finding as a diff: which lines go and which come."""

from __future__ import annotations

import difflib
from dataclasses import dataclass

MOST_LINES = 400


@dataclass(frozen=True, slots=True, kw_only=True)
class Line:
    sign: str
    """`-`, `+` or a space."""
    text: str


def lines(before: str, after: str) -> tuple[Line, ...]:
    old, new = before.splitlines()[:MOST_LINES], after.splitlines()[:MOST_LINES]
    if not old or not new:
        sign = "+" if new else " "
        return tuple(Line(sign=sign, text=text) for text in old or new)
    return tuple(
        Line(sign=line[0], text=line[2:]) for line in difflib.ndiff(old, new) if not line.startswith("?")
    )
