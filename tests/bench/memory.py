"""Memory of a process and everything it started, from /proc."""

from __future__ import annotations

from pathlib import Path


def family_rss(pid: int) -> dict[str, int]:
    """Resident bytes of the process and its descendants, by what they run."""
    parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    family = {pid}
    while grown := {child for child, parent in parents.items() if parent in family} - family:
        family |= grown
    return {_program(member): _rss(member) for member in sorted(family)}


def _program(pid: int) -> str:
    """The module or program, short."""
    try:
        words = Path(f"/proc/{pid}/cmdline").read_text().split("\0")
    except OSError:
        return "gone"
    module = words[words.index("-m") + 1] if "-m" in words else Path(words[0]).name
    return module.rpartition(".")[2]


def _parent(path: Path) -> int:
    try:
        return int((path / "stat").read_text().rpartition(")")[2].split()[1])
    except OSError:
        return 0


def _rss(pid: int) -> int:
    try:
        fields = Path(f"/proc/{pid}/statm").read_text().split()
    except OSError:
        return 0
    return int(fields[1]) * 4096
