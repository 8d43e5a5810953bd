"""Numbers and names as a reader expects them in a sentence."""

from __future__ import annotations

from collections.abc import Sequence

LONGEST = 2_000
"""Characters of a statement or message in a finding: telemetry may be megabytes."""


def duration(ns: float) -> str:
    """`320 ms`, `1.24 s`, `0.4 ms`, `12 min`."""
    ms = ns / 1_000_000
    if ms >= 120 * 60_000:
        return f"{ms / 3_600_000:.1f} h"
    if ms >= 60_000:
        return f"{ms / 60_000:.0f} min" if ms >= 10 * 60_000 else f"{ms / 60_000:.1f} min".replace(".0 ", " ")
    if ms >= 1_000:
        return f"{ms / 1_000:.1f} s" if ms >= 10_000 else f"{ms / 1_000:.2f} s"
    return f"{ms:.0f} ms" if ms >= 10 else f"{ms:.1f} ms"


def counted(count: int, noun: str, plural: str = "") -> str:
    return f"{count:,} {noun if count == 1 else plural or noun + 's'}"


def listed(words: Sequence[str], at_most: int = 4) -> str:
    """`a`, `a and b`, `a, b and c`, `a, b, c and 5 more`."""
    shown = list(words[:at_most])
    if len(words) > at_most:
        shown.append(f"{len(words) - at_most} more")
    return shown[0] if len(shown) == 1 else ", ".join(shown[:-1]) + f" and {shown[-1]}" if shown else ""


def share(affected: int, eligible: int) -> str:
    """`25 of 25 requests`."""
    return f"{affected:,} of {counted(eligible, 'request')}"


def shortened(text: str, longest: int = LONGEST) -> str:
    return text if len(text) <= longest else text[: longest - 1] + "…"
