"""Text for a terminal: telemetry made harmless, columns, and colour where somebody is looking."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import TextIO

_STYLES = {"bold": "1", "dim": "2", "red": "31", "yellow": "33", "cyan": "36"}


def clean(text: str, longest: int = 500) -> str:
    """One line without anything a terminal would obey: escape sequences, line breaks and right-to-left tricks are
    shown as escapes."""
    shortened = text if len(text) <= longest else text[: longest - 1] + "…"
    return "".join(character if character.isprintable() else _escaped(character) for character in shortened)


def clean_lines(text: str, longest: int = 4_000) -> list[str]:
    return [clean(line, longest) for line in text[:longest].split("\n")]


def _escaped(character: str) -> str:
    named = {"\n": "\\n", "\r": "\\r", "\t": " "}.get(character)
    code = ord(character)
    return named or (
        f"\\x{code:02x}" if code < 256 else f"\\u{code:04x}" if code < 65536 else f"\\U{code:08x}"
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Paint:
    enabled: bool

    def __call__(self, style: str, text: str) -> str:
        return f"\x1b[{_STYLES[style]}m{text}\x1b[0m" if self.enabled and text else text


def paint_for(stream: TextIO, environment: Mapping[str, str]) -> Paint:
    return Paint(enabled=stream.isatty() and not environment.get("NO_COLOR"))


def columns(rows: Sequence[Sequence[str]], right: frozenset[int] = frozenset()) -> list[str]:
    """Rows as aligned lines; the columns in `right` are aligned to the right, the last one is left as it is."""
    if not rows:
        return []
    widths = [max(len(row[index]) for row in rows) for index in range(len(rows[0]))]
    return [
        "  ".join(
            cell.rjust(widths[index])
            if index in right
            else cell
            if index == len(row) - 1
            else cell.ljust(widths[index])
            for index, cell in enumerate(row)
        ).rstrip()
        for row in rows
    ]


def moment(time_ns: int) -> str:
    """`2026-11-24 12:04:31.120` in UTC; the number itself where no calendar reaches."""
    try:
        return datetime.fromtimestamp(time_ns // 10**6 / 1000, UTC).strftime("%Y-%m-%d %H:%M:%S.%f")[:-3]
    except (ValueError, OverflowError, OSError):
        return str(time_ns)
