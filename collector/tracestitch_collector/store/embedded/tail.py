"""The hot tail of one run of the writer: which hot files there are, small ones merged, and those that are just
being moved into a segment, which nothing touches meanwhile.
"""

from __future__ import annotations

import logging
from contextlib import suppress
from dataclasses import dataclass

import pyarrow as pa

from tracestitch_collector.errors import TracestitchError
from tracestitch_collector.store.embedded import hot
from tracestitch_collector.store.embedded.hot import FAN_IN, HotName, Tables
from tracestitch_collector.store.embedded.layout import Layout, remove

logger = logging.getLogger(__name__)

MERGED_ROWS = 32_768
"""Files that would become larger stay as they are: few of them are a segment, and soon."""


@dataclass(frozen=True, slots=True)
class _Hot:
    name: HotName
    level: int
    """0 for a batch, one more for each merge."""
    rows: int


class Tail:
    """Only names are kept: the rows are read back from the files, so that they are in memory once and briefly.
    `append` and `freeze` are the writing thread's; `forget` may come from another one."""

    def __init__(self, layout: Layout, run: int) -> None:
        self._layout = layout
        self._run = run
        self._growing: list[_Hot] = []
        self._frozen: tuple[HotName, ...] = ()
        self._batches = 0

    @property
    def batches(self) -> int:
        """How many this run has appended."""
        return self._batches

    def append(self, tables: Tables) -> None:
        """Makes a batch visible. Raises OSError with nothing of it left when it cannot be written."""
        number = self._batches + 1
        name = HotName(self._run, number, number)
        hot.write(self._layout, name, tables)
        self._batches = number
        self._growing.append(_Hot(name, 0, _rows(tables)))
        # A full disk, or a damaged file: the batch itself is in place, merging can wait.
        with suppress(OSError, pa.ArrowException, TracestitchError):
            while self._should_merge():
                self._merge_last()

    def _should_merge(self) -> bool:
        last = self._growing[-FAN_IN:]
        is_full = len(last) == FAN_IN and last[0].level == last[-1].level
        return is_full and sum(item.rows for item in last) <= MERGED_ROWS

    def _merge_last(self) -> None:
        parts = self._growing[-FAN_IN:]
        name = HotName(self._run, parts[0].name.first, parts[-1].name.last)
        tables = self._joined(tuple(part.name for part in parts))
        try:
            hot.write(self._layout, name, tables)
        except OSError:
            # It may be there all the same, and must not overlap with what is merged in its stead.
            remove(self._layout.files, self._layout.hot / name.file_name)
            raise
        self._growing[-FAN_IN:] = [_Hot(name, parts[0].level + 1, _rows(tables))]
        for part in parts:
            remove(self._layout.files, self._layout.hot / part.name.file_name)

    def freeze(self) -> tuple[HotName, ...]:
        """Every file there is now; none of them is merged any more. What was frozen before and never forgotten
        is among them."""
        self._frozen = (*self._frozen, *(item.name for item in self._growing))
        self._growing = []
        return self._frozen

    def read(self, names: tuple[HotName, ...]) -> Tables:
        """Their rows in one piece. A damaged file is set aside."""
        try:
            return self._joined(names)
        except FileNotFoundError as error:
            # No retry would bring it back. The logs still hold it: a new run reads them again.
            raise TracestitchError(
                f"{error.filename} is gone although the store still needs it; leave the data folder to Tracestitch"
            ) from error
        except pa.ArrowException as error:
            self._set_damaged_aside(names)
            raise TracestitchError(
                f"a file in {self._layout.hot} is damaged ({error}); it is made again from the logs"
            ) from error

    def _joined(self, names: tuple[HotName, ...]) -> Tables:
        return hot.merged([hot.read(self._layout.hot, name) for name in names])

    def _set_damaged_aside(self, names: tuple[HotName, ...]) -> None:
        for name in names:
            try:
                hot.read(self._layout.hot, name)
            except pa.ArrowException as error:
                logger.error("%s; it is set aside", error)  # noqa: TRY400 - no traceback
                self._layout.damaged.mkdir(exist_ok=True)
                path = self._layout.hot / name.file_name
                self._layout.files.rename(path, self._layout.damaged / path.name)

    def forget(self) -> None:
        """Removes what is frozen: segments hold it."""
        names, self._frozen = self._frozen, ()
        for name in names:
            remove(self._layout.files, self._layout.hot / name.file_name)


def _rows(tables: Tables) -> int:
    return len(tables.spans) + len(tables.logs) + len(tables.findings)
