"""Which checks a source line switches off: `# tracestitch: ignore[check-id] reason`.

Read by the exporter's thread, once per file, so that no request pays for it.
"""

import os
import re
import tokenize
from collections.abc import Mapping

_COMMENT = re.compile(r"#\s*tracestitch:\s*ignore\[([\w*, -]{1,200})\]\s*([^\r\n]{0,300})")
_DEFINITION = ("def ", "async def ", "class ")
_LARGEST_FILE = 4 * 1024 * 1024


class Ignores:
    def __init__(self) -> None:
        self._files: dict[str, Mapping[int, tuple[str, ...]]] = {}

    def at(self, file: str, line: int) -> tuple[str, ...]:
        """`("n-plus-one-db the list is short", …)` for this line, often empty."""
        known = self._files.get(file)
        if known is None:
            known = self._files[file] = _read(file)
        return known.get(line, ())


def _read(file: str) -> Mapping[int, tuple[str, ...]]:
    try:
        if os.path.getsize(file) > _LARGEST_FILE:
            return {}
        with tokenize.open(file) as source:
            text = source.read()
    except (OSError, SyntaxError, ValueError):
        return {}
    return ignores_in(text) if "tracestitch:" in text else {}


def ignores_in(text: str) -> dict[int, tuple[str, ...]]:
    """By line number; a comment at a `def` counts for the decorators above it too, and the other way round."""
    found: dict[int, tuple[str, ...]] = {}
    for number, line in enumerate(text.splitlines(), start=1):
        comment = _COMMENT.search(line)
        if comment:
            reason = comment[2].strip()
            ids = [part.strip() for part in comment[1].split(",")]
            found[number] = tuple(f"{check} {reason}".strip() for check in ids if check)
    return _spread_over_decorators(text.splitlines(), found)


def _spread_over_decorators(
    lines: list[str], found: dict[int, tuple[str, ...]]
) -> dict[int, tuple[str, ...]]:
    first: int | None = None
    for number, line in enumerate(lines, start=1):
        start = line.lstrip()
        if start.startswith("@") and first is None:
            first = number
        elif first is not None and start.startswith(_DEFINITION):
            block = range(first, number + 1)
            together = tuple(dict.fromkeys(item for at in block for item in found.get(at, ())))
            if together:
                found.update(dict.fromkeys(block, together))
            first = None
    return found
