"""How far this machine's clock is from the collector's, by the time in the collector's answer. Pure."""

from collections.abc import Mapping
from typing import Any


def offset_ms(answer: Mapping[str, Any], asked_ns: int, answered_ns: int) -> float | None:
    """Positive where this clock is ahead; known to half the time that the question took."""
    time_ns = answer.get("time_ns")
    if not isinstance(time_ns, int) or time_ns <= 0:
        return None
    return round(((asked_ns + answered_ns) / 2 - time_ns) / 1_000_000, 1)
