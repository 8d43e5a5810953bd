"""Numbers, durations and times as people read them: three significant figures and a unit."""

from __future__ import annotations

from collections.abc import Iterable
from datetime import UTC, datetime
from itertools import pairwise

_UNITS = (("ns", 1.0), ("µs", 1e3), ("ms", 1e6), ("s", 1e9), ("min", 60e9), ("h", 3600e9), ("d", 86_400e9))
_SIZES = ("B", "kB", "MB", "GB", "TB", "PB")
THIN = "\u202f"
"""Between thousands: narrow, and never a line break."""
SECOND_NS = 1_000_000_000
AHEAD_S = 10


def duration(ns: float) -> str:
    """`84 µs`, `318 ms`, `1.24 s`, `2.1 min`; a negative one keeps its sign."""
    if ns == 0:
        return "0 ms"
    if ns < 0:
        return f"−{duration(-ns)}"
    for (unit, size), (_, larger) in pairwise(_UNITS):
        text = significant(ns / size)
        if float(text) * size < larger:
            return f"{text} {unit}"
    return f"{count(ns / _UNITS[-1][1])} d"


def significant(value: float) -> str:
    """Three significant figures below a thousand, without trailing zeros."""
    if value >= 100:
        return f"{value:.0f}"
    text = f"{value:.1f}" if value >= 9.995 else f"{value:.2f}" if value >= 0.095 else f"{value:.3g}"
    return text.rstrip("0").rstrip(".") if "." in text and "e" not in text else text


def count(value: float) -> str:
    """`18 204`"""
    return f"{value:,.0f}".replace(",", THIN)


def counted(value: int, noun: str, plural: str = "") -> str:
    return f"{count(value)} {noun if value == 1 else plural or noun + 's'}"


def share(part: float, whole: float = 1.0) -> str:
    """`38 %`, `0.4 %`; 0 % and 100 % only where they are exact."""
    if whole <= 0:
        return "–"
    percent = 100 * part / whole
    if percent in (0.0, 100.0):
        return f"{percent:.0f} %"
    if percent < 0.1:
        return "<0.1 %"
    if percent > 99.9:
        return ">99.9 %"
    return f"{percent:.1f} %" if percent < 10 or percent > 99 else f"{percent:.0f} %"


def rate(number: float, seconds: float) -> str:
    """Events a second: `21.4/s`; a slow one by the minute or hour."""
    if number <= 0 or seconds <= 0:
        return "0/s"
    for unit, size in (("s", 1), ("min", 60), ("h", 3600)):
        value = number / seconds * size
        if value >= 0.1:
            return f"{significant(value) if value < 1000 else count(value)}/{unit}"
    return f"{significant(number / seconds * 86_400)}/d"


def rate_unit(numbers: Iterable[float], seconds: float) -> str:
    """The unit for a column of rates: `s`; `min` where none of them reaches one a second."""
    most = max(numbers, default=0)
    return "s" if seconds <= 0 or most <= 0 or most >= seconds else "min"


def rate_in(number: float, seconds: float, unit: str) -> str:
    """The bare number for a column whose head names the unit."""
    if number <= 0 or seconds <= 0:
        return "0"
    value = number / seconds * (60 if unit == "min" else 1)
    return (
        "<0.01"
        if value < 0.01
        else f"{value:.2f}"
        if value < 10
        else f"{value:.1f}"
        if value < 1000
        else count(value)
    )


def sentence(text: str) -> str:
    """The text as the beginning of a line: its first letter is a capital one."""
    return text[:1].upper() + text[1:]


def size(number: float) -> str:
    """`1.2 GB`, in steps of a thousand."""
    for unit in _SIZES:
        if number < 1000 or unit == _SIZES[-1]:
            break
        number /= 1000
    return f"{significant(number)} {unit}"


def ago(time_ns: int, now_ns: int) -> str:
    """`now`, `12 s ago`, `4 min ago`, `in 3 min`; `never` for 0. Clocks of other machines run ahead a little, and
    a page is drawn before it is read: some seconds to come are now."""
    if time_ns <= 0:
        return "never"
    seconds = (now_ns - time_ns) // SECOND_NS
    if seconds < -AHEAD_S:
        return f"in {_coarse(-seconds)}"
    return "now" if seconds < 2 else f"{_coarse(seconds)} ago"


def _coarse(seconds: int) -> str:
    for unit, size in (("d", 86_400), ("h", 3600), ("min", 60)):
        if seconds >= size:
            return f"{seconds // size} {unit}"
    return f"{seconds} s"


def moment(time_ns: int) -> datetime | None:
    """The time in UTC; None where a calendar has no day for it."""
    try:
        return datetime.fromtimestamp(time_ns / SECOND_NS, UTC)
    except (OverflowError, ValueError, OSError):
        return None


def iso(time_ns: int) -> str:
    """`2026-11-24T12:04:31.120Z`; the bare nanoseconds where no calendar reaches."""
    when = moment(time_ns)
    if when is None:
        return f"{time_ns} ns"
    return f"{when:%Y-%m-%dT%H:%M:%S}.{time_ns // 1_000_000 % 1000:03d}Z"


def clock(time_ns: int) -> str:
    """`12:04:31.120`, in UTC: the page's script turns it into local time."""
    when = moment(time_ns)
    return f"{when:%H:%M:%S}.{time_ns // 1_000_000 % 1000:03d}" if when else f"{time_ns} ns"


def date_and_clock(time_ns: int) -> str:
    when = moment(time_ns)
    return f"{when:%Y-%m-%d} {clock(time_ns)}" if when else f"{time_ns} ns"
