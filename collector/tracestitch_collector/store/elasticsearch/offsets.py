"""How far the write-ahead logs are covered, in a file beside them: Elasticsearch has no place for it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path

from tracestitch_collector.errors import Unavailable

FILE = Path("outputs") / "elasticsearch.json"


def read_offsets(data: Path, file: Path = FILE) -> dict[str, int]:
    """Empty where nothing was written yet. A file that is no good counts as none: what is sent again is
    recognised by its identity."""
    try:
        found = json.loads((data / file).read_text())
        return {str(name): int(position) for name, position in found.items()}
    except (OSError, ValueError, AttributeError, TypeError):
        return {}


def write_offsets(data: Path, offsets: Mapping[str, int], file: Path = FILE) -> None:
    """Durable when it returns; a reader sees the old or the new file, never a part."""
    path = data / file
    fresh = path.with_suffix(".new")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        with fresh.open("w") as opened:
            json.dump(dict(offsets), opened)
            opened.flush()
            os.fsync(opened.fileno())
        fresh.replace(path)
        folder = os.open(path.parent, os.O_RDONLY)
        try:
            os.fsync(folder)
        finally:
            os.close(folder)
    except OSError as error:
        raise Unavailable(f"{path} cannot be written: {error.strerror}. Is the disk full?") from error
