"""The table of docs/agent-matrix.md: a row for each cell, those that did not run now as they were."""

import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.matrix.cell import Cell, NotInstallable
from tests.support.agent import REPOSITORY

PAGE = REPOSITORY / "docs" / "agent-matrix.md"
_HEAD = ("| group | cell | versions | result |", "|---|---|---|---|")


@dataclass(frozen=True, slots=True, kw_only=True)
class Result:
    cell: Cell
    text: str

    @classmethod
    def of(cls, report: pytest.TestReport, cell: Cell) -> "Result":
        return cls(cell=cell, text=_in_words(report, cell))

    def row(self) -> str:
        try:
            versions = self.cell.environment.versions()
        except NotInstallable:
            versions = ", ".join(
                ("Python " + self.cell.environment.python, *self.cell.environment.requirements)
            )
        return f"| {self.cell.group} | {self.cell.name} | {_plain(versions)} | {_plain(self.text)} |"


def _in_words(report: pytest.TestReport, cell: Cell) -> str:
    if report.outcome == "passed":
        return "green"
    if hasattr(report, "wasxfail"):
        return f"red: {cell.why_red}"
    if report.outcome == "skipped":
        reason = report.longrepr[2] if isinstance(report.longrepr, tuple) else str(report.longrepr)
        return reason.removeprefix("Skipped: ")
    crash = getattr(report.longrepr, "reprcrash", None)
    return "red: " + (crash.message if crash is not None else "it ended before it was asked")


def _plain(text: str) -> str:
    """One line that breaks no table and names no folder or address of a machine."""
    text = re.sub(r"https?://\S+|(?<![\w.])/[\w./-]+", "…", text)
    return " ".join(text.replace("|", "/").split())[:300]


def rewrite(results: Mapping[str, Result], cells: Sequence[Cell], page: Path = PAGE) -> None:
    lines = page.read_text().splitlines()
    begin = lines.index(_HEAD[0])
    end = next((at for at in range(begin, len(lines)) if not lines[at].startswith("|")), len(lines))
    before = {tuple(row.split(" | ")[:2]): row for row in lines[begin + 2 : end]}
    rows = []
    for cell in cells:
        known = before.get((f"| {cell.group}", cell.name))
        if cell.id in results:
            rows.append(results[cell.id].row())
        elif known is not None:
            rows.append(known)
    page.write_text("\n".join([*lines[:begin], *_HEAD, *rows, *lines[end:]]) + "\n")
