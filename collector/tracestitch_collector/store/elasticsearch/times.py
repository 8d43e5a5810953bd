"""Nanoseconds since the epoch as the text of `@timestamp`, and back, without losing one."""

from __future__ import annotations

from datetime import UTC, datetime, timedelta
from functools import lru_cache

EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
SECOND = 1_000_000_000


def rfc3339(time_ns: int) -> str:
    second, fraction = divmod(time_ns, SECOND)
    return f"{second_text(second)}.{fraction:09d}Z"


@lru_cache(maxsize=1024)
def second_text(second: int) -> str:
    return (EPOCH + timedelta(seconds=second)).strftime("%Y-%m-%dT%H:%M:%S")


def nanoseconds(timestamp: object) -> int:
    """Of RFC 3339 text, of milliseconds as a number, or of Elastic's exporter's "milliseconds.nanoseconds"; 0 for
    anything else."""
    if isinstance(timestamp, bool) or not isinstance(timestamp, (str, int, float)):
        return 0
    if not isinstance(timestamp, str):
        return round(timestamp * 1_000_000)
    try:
        if "T" not in timestamp:
            milliseconds, _, rest = timestamp.partition(".")
            return int(milliseconds) * 1_000_000 + int(rest or 0)
        whole, _, fraction = timestamp.removesuffix("Z").partition(".")
        seconds = round((datetime.fromisoformat(whole + "+00:00") - EPOCH).total_seconds())
        return seconds * SECOND + int(fraction.ljust(9, "0")[:9] or 0)
    except ValueError:
        return 0
