"""Columns of row groups that were read lately, within so many bytes: what one question read the next one often needs,
and a search needs some of its columns twice.
"""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from dataclasses import dataclass, field

import pyarrow as pa

KEPT_BYTES = 32_000_000
OVERHEAD_BYTES = 500
"""Of an array beside its values."""

Place = tuple[str, int]
Columns = Mapping[str, pa.ChunkedArray]


@dataclass
class _Kept:
    columns: dict[str, pa.ChunkedArray] = field(default_factory=dict)
    bytes: int = 0


class KeptColumns:
    """Safe to use from several threads. Files never change, so nothing here is ever wrong."""

    def __init__(self, limit: int = KEPT_BYTES) -> None:
        self._limit = limit
        self._lock = threading.Lock()
        self._places: OrderedDict[Place, _Kept] = OrderedDict()
        self._bytes = 0

    @property
    def bytes(self) -> int:
        return self._bytes

    def of(self, place: Place) -> Columns:
        """Those of the row group that are kept."""
        with self._lock:
            kept = self._places.get(place)
            if kept is None:
                return {}
            self._places.move_to_end(place)
            return dict(kept.columns)

    def keep(self, place: Place, columns: Columns) -> None:
        """What was used longest ago goes where there is too much."""
        size = sum(column.get_total_buffer_size() + OVERHEAD_BYTES for column in columns.values())
        with self._lock:
            kept = self._places.setdefault(place, _Kept())
            self._places.move_to_end(place)
            if not kept.columns.keys() & columns.keys():  # else another thread has read the same
                kept.columns.update(columns)
                kept.bytes += size
                self._bytes += size
            while self._bytes > self._limit:
                _, gone = self._places.popitem(last=False)
                self._bytes -= gone.bytes

    def forget(self) -> None:
        with self._lock:
            self._places.clear()
            self._bytes = 0
