"""The seeded pitfalls, read from the comments `# pitfall: <check-id>` at their lines, so that the expectation
cannot drift from the code.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from pathlib import Path

PACKAGE = Path(__file__).parent

DEPENDENCY_DRIFT = "dependency-drift"
"""The one pitfall that has no line: pricing runs in an environment of its own."""

_MARK = re.compile(r"#\s*pitfall:\s*([a-z-]+)\s*$")


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Seed:
    check: str
    file: str
    """Relative to the folder that holds the package: `tracestitch_demo/pricing/payments.py`."""
    line: int

    @property
    def service(self) -> str:
        return Path(self.file).parts[1]


def seeded(package: Path = PACKAGE) -> tuple[Seed, ...]:
    """Every marked line, by check, file and line."""
    found = []
    for path in package.rglob("*.py"):
        for number, text in enumerate(path.read_text(encoding="utf-8").splitlines(), start=1):
            mark = _MARK.search(text)
            if mark:
                file = path.relative_to(package.parent).as_posix()
                found.append(Seed(check=mark.group(1), file=file, line=number))
    return tuple(sorted(found))
