"""Memory and processor time of a process and everything it started, from /proc."""

from __future__ import annotations

import os
from pathlib import Path


def family_rss(pid: int) -> dict[str, int]:
    """Resident bytes of the process and its descendants, by what they run."""
    return {_program(member): _rss(member) for member in family(pid)}


def family_cpu_s(pid: int) -> dict[str, float]:
    """Seconds of processor time that each of them has used."""
    return {_program(member): _cpu_s(member) for member in family(pid)}


def family(pid: int) -> list[int]:
    """The process and its descendants."""
    parents = {int(path.name): _parent(path) for path in Path("/proc").iterdir() if path.name.isdecimal()}
    found = {pid}
    while grown := {child for child, parent in parents.items() if parent in found} - found:
        found |= grown
    return sorted(found)


def _cpu_s(pid: int) -> float:
    try:
        fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    except OSError:
        return 0.0
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


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
