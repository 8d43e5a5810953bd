"""Where the embedded store keeps what in the data folder, how a file becomes durable, and how columns are
named in it.
"""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

from tracestitch_collector.files import DISK, Files

UNFINISHED = ".unfinished"


@dataclass(frozen=True, slots=True)
class Layout:
    data: Path
    files: Files = DISK
    """How the writer writes; readers read as they like."""

    @property
    def manifest(self) -> Path:
        return self.data / "manifest.json"

    @property
    def hot(self) -> Path:
        return self.data / "hot"

    @property
    def segments(self) -> Path:
        return self.data / "segments"

    @property
    def damaged(self) -> Path:
        return self.data / "damaged"


def place(files: Files, path: Path, write: Callable[[Path], None], *, durable: bool) -> None:
    """Writes a file under another name and renames it into place, so that nobody sees half of it. A durable
    one survives a power cut once its folder is synced too."""
    unfinished = unfinished_name(path)
    try:
        files.fill(unfinished, write)
        settle(files, path, durable=durable)
    except OSError:  # a full disk needs the room
        unfinished.unlink(missing_ok=True)
        raise


def remove(files: Files, path: Path) -> bool:
    """Tidies up a file that nobody needs any more; whether it is gone. What cannot be removed waits for the next
    start: it must not stop what is new."""
    try:
        files.remove(path)
    except OSError:
        return False
    return True


def unfinished_name(path: Path) -> Path:
    return path.with_name(path.name + UNFINISHED)


def settle(files: Files, path: Path, *, durable: bool) -> None:
    """Renames the finished file into place."""
    unfinished = unfinished_name(path)
    if durable:
        files.sync_file(unfinished)
    files.rename(unfinished, path)


_ESCAPED = re.compile(r"[A-Z^\0]")
_ESCAPE = re.compile(r"\^(.)")


def stored_name(column: str) -> str:
    """The column's name in a file. DuckDB holds names equal that differ in case only, and attribute keys are
    anybody's: capitals become `^` and the small letter, `^` becomes `^^`."""
    return _ESCAPED.sub(lambda match: "^" + {"^": "^", "\0": "0"}.get(match[0], match[0].lower()), column)


def original_name(column: str) -> str:
    return _ESCAPE.sub(lambda match: {"^": "^", "0": "\0"}.get(match[1], match[1].upper()), column)
