"""What the demo says on the terminal: steps, a progress line, the table of one round."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from typing import TextIO

from tracestitch_demo.verification import Row

BAR = 30
SIGNS = {"ok": "✓", "missing": "✗", "skipped": "–"}


class Screen:
    def __init__(self, out: TextIO = sys.stdout) -> None:
        self._out = out
        self._live = out.isatty()
        self._said = 0

    def say(self, text: str = "") -> None:
        print(text, file=self._out, flush=True)

    def progress(self, done: int, total: int) -> None:
        """One line that is written over on a terminal; four lines in a file."""
        if self._live:
            filled = BAR * done // total
            end = "\n" if done == total else ""
            line = f"\r  {'█' * filled}{'·' * (BAR - filled)} {done}/{total} requests"
            print(line, end=end, file=self._out, flush=True)
            return
        quarter = 4 * done // total
        if quarter > self._said:
            self._said = quarter
            self.say(f"  {done}/{total} requests")

    def table(self, rows: Sequence[Row]) -> None:
        width = max(len(row.what) for row in rows)
        for row in rows:
            self.say(f"  {SIGNS[row.outcome]} {row.what:<{width}}  {row.found}".rstrip())
