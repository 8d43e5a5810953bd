"""Reading row groups of segments, several at a time. What a file's footer says is kept while it is asked for often:
parsing it takes as long as reading a column.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any, TypeVar

import pyarrow as pa
import pyarrow.parquet as pq

from tracestitch_collector.store.embedded.segments import check_names

Item = TypeVar("Item")
Answer = TypeVar("Answer")

READERS = min(os.cpu_count() or 1, 4)
KEPT_BYTES = 64_000_000
"""Of footers as they stand in the files; parsed they take some times as much."""
KEPT_PARSED_RATIO = 4
EVERY_TEXT = "attr.s."
ANY_COLUMN = "service_name"
"""Small, and in every file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    metadata: Any
    names: frozenset[str]
    texts: tuple[str, ...]
    """Columns of strings, which are read as dictionaries."""


class Footers:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="row groups")
        self._lock = threading.Lock()
        self._known: OrderedDict[Path, Footer] = OrderedDict()
        self._bytes = 0

    def close(self) -> None:
        self._pool.shutdown()

    def each(self, read: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
        """What is read of each of the items, several at a time."""
        return list(self._pool.map(read, items)) if len(items) > 1 else [read(item) for item in items]

    def footer(self, path: Path) -> Footer:
        with self._lock:
            known = self._known.get(path)
            if known is not None:
                self._known.move_to_end(path)
                return known
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
        check_names(path, schema.names)
        found = Footer(
            metadata=metadata,
            names=frozenset(schema.names),
            texts=tuple(field.name for field in schema if pa.types.is_string(field.type)),
        )
        with self._lock:
            self._known[path] = found
            self._bytes += metadata.serialized_size * KEPT_PARSED_RATIO
            while self._bytes > KEPT_BYTES and len(self._known) > 1:
                _, gone = self._known.popitem(last=False)
                self._bytes -= gone.metadata.serialized_size * KEPT_PARSED_RATIO
        return found

    def read(self, path: Path, row_groups: list[int], columns: Collection[str] | None = None) -> pa.Table:
        """These row groups with these of the columns that the file has, or all. A flipped bit is an error."""
        footer = self.footer(path)
        texts = footer.texts if columns is None else [name for name in footer.texts if asked(name, columns)]
        wanted = None if columns is None else [name for name in footer.names if asked(name, columns)]
        with pq.ParquetFile(
            path, metadata=footer.metadata, read_dictionary=texts, page_checksum_verification=True
        ) as file:
            return file.read_row_groups(row_groups, columns=wanted, use_threads=False)

    def read_whole(self, path: Path, row_group: int) -> pa.Table:
        """All columns, the readers sharing them. Not for use within `each`, whose readers it would wait for."""
        names = sorted(self.footer(path).names)
        shares = [names[first::READERS] for first in range(READERS)]
        parts = self.each(lambda share: self.read(path, [row_group], share), shares)
        return pa.table({name: part[name] for part in parts for name in part.column_names})


class TableRows:
    """Rows that are in memory."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def columns(self, names: Collection[str]) -> pa.Table:
        return self._table.select([name for name in self._table.column_names if asked(name, names)])


class FileRows:
    """Rows of row groups of one file; each column is read once."""

    def __init__(self, footers: Footers, path: Path, row_groups: list[int]) -> None:
        self._footers = footers
        self._path = path
        self._row_groups = row_groups
        self._read: dict[str, pa.ChunkedArray] = {}

    def columns(self, names: Collection[str]) -> pa.Table:
        there = [name for name in self._footers.footer(self._path).names if asked(name, names)]
        missing = [name for name in there if name not in self._read]
        if missing or not there:  # a table without columns has its length all the same
            more = self._footers.read(self._path, self._row_groups, missing or (ANY_COLUMN,))
            self._read |= dict(zip(more.column_names, more.columns, strict=True))
        chosen = there or [ANY_COLUMN]
        return pa.table({name: self._read[name] for name in chosen})

    def everything(self) -> pa.Table:
        return self._footers.read(self._path, self._row_groups)


def asked(name: str, columns: Collection[str]) -> bool:
    return name in columns or (EVERY_TEXT in columns and name.startswith(EVERY_TEXT))
