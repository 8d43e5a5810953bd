"""Reading row groups of segments, several at a time, and of them only columns that hold anything. What opening a file
takes is as much as reading some columns, so files stay open while they are asked for often.
"""

from __future__ import annotations

import os
import threading
from collections import OrderedDict
from collections.abc import Callable, Collection, Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any, TypeVar

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from tracestitch_collector.store.embedded import empty, row_terms
from tracestitch_collector.store.embedded.kept_columns import Columns, KeptColumns
from tracestitch_collector.store.embedded.layout import original_name
from tracestitch_collector.store.embedded.manifest import Signal
from tracestitch_collector.store.embedded.row_groups import RowGroups
from tracestitch_collector.store.embedded.segments import check_names

Item = TypeVar("Item")
Answer = TypeVar("Answer")

READERS = min(os.cpu_count() or 1, 4)
KEPT_BYTES = 64_000_000
"""Of footers as they stand in the files; parsed they take some times as much."""
KEPT_PARSED_RATIO = 4
KEPT_FILES = 32
KEPT_IDLE = 2
"""Of one file, for readers that come at once."""
MANY = 4
"""Of so many attributes it pays to ask first which of them are there."""
EVERY_TEXT = "attr.s."
ATTRIBUTE = "attr."
ANY_COLUMN = "service_name"
"""Small, and in every file."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Footer:
    metadata: Any
    types: dict[str, pa.DataType]
    """Of each column, texts as the dictionaries that they are read as."""
    texts: tuple[str, ...]
    idle: list[pq.ParquetFile] = field(default_factory=list)
    """Open, and nobody reads from them: a file serves one reader at a time."""


class Footers:
    """Safe to use from several threads."""

    def __init__(self) -> None:
        self._pool = ThreadPoolExecutor(READERS, thread_name_prefix="row groups")
        self._lock = threading.Lock()
        self._known: OrderedDict[str, Footer] = OrderedDict()
        self._bytes = 0
        self.kept = KeptColumns()

    def close(self) -> None:
        self._pool.shutdown()
        for footer in self._known.values():
            _close(footer)

    def keep(self, paths: Collection[str]) -> None:
        """Closes all others: a file that is open takes its room on the disk even when it was removed."""
        with self._lock:
            for path in [path for path in self._known if path not in paths]:
                self._drop(path)

    def each(self, read: Callable[[Item], Answer], items: Sequence[Item]) -> list[Answer]:
        """What is read of each of the items, several at a time."""
        return list(self._pool.map(read, items)) if len(items) > 1 else [read(item) for item in items]

    def begin(self, read: Callable[[], Answer]) -> Callable[[], Answer]:
        """Begins reading beside what the caller does; what is returned waits for the answer."""
        return self._pool.submit(read).result

    def footer(self, path: str) -> Footer:
        with self._lock:
            known = self._known.get(path)
            if known is not None:
                self._known.move_to_end(path)
                return known
        metadata = pq.read_metadata(path)
        schema = metadata.schema.to_arrow_schema()
        check_names(Path(path), schema.names)
        texts = tuple(each.name for each in schema if pa.types.is_string(each.type))
        found = Footer(
            metadata=metadata, texts=texts, types={each.name: _read_type(each.type) for each in schema}
        )
        with self._lock:
            known = self._known.setdefault(path, found)
            if known is found:
                self._bytes += metadata.serialized_size * KEPT_PARSED_RATIO
                self._shrink()
        return known

    def _shrink(self) -> None:
        for path in list(self._known)[:-KEPT_FILES]:
            _close(self._known[path])
        while self._bytes > KEPT_BYTES and len(self._known) > 1:
            self._drop(next(iter(self._known)))

    def _drop(self, path: str) -> None:
        gone = self._known.pop(path)
        self._bytes -= gone.metadata.serialized_size * KEPT_PARSED_RATIO
        _close(gone)

    @contextmanager
    def _opened(self, path: str, footer: Footer) -> Iterator[pq.ParquetFile]:
        """A flipped bit is an error. Where reading fails the file is not used again."""
        try:
            file = footer.idle.pop()
        except IndexError:
            file = pq.ParquetFile(
                path,
                metadata=footer.metadata,
                read_dictionary=footer.texts,
                page_checksum_verification=True,
                pre_buffer=False,
            )
        try:
            yield file
        except BaseException:
            file.close()
            raise
        if len(footer.idle) < KEPT_IDLE:
            footer.idle.append(file)
        else:
            file.close()

    def read(
        self,
        path: str,
        row_groups: Sequence[int],
        columns: Collection[str] | None = None,
        told: RowGroups | None = None,
    ) -> pa.Table:
        """These row groups with these of the columns that the file has, or all. Of attributes that no row has some
        may be left out, where facts are told."""
        parts = [self._group(path, group, columns, told) for group in row_groups]
        if len(parts) == 1:
            return pa.table(parts[0])
        types = self.footer(path).types
        names = dict.fromkeys(name for part in parts for name in part)
        lengths = [len(next(iter(part.values()))) for part in parts]
        return pa.table({name: _joined(name, types[name], parts, lengths) for name in names})

    def _group(
        self, path: str, group: int, columns: Collection[str] | None, told: RowGroups | None
    ) -> dict[str, Any]:
        footer = self.footer(path)
        wanted = [name for name in footer.types if columns is None or asked(name, columns)] or [ANY_COLUMN]
        found: dict[str, Any] = {}
        if told is not None and told.is_known:
            signal, fact = _signal(path), told.facts[group]
            for name in empty.names(signal, int(fact["empty"])):
                if name in wanted:
                    found[name] = empty.column(signal, name, int(fact["rows"]))
            wanted = _without_absent(wanted, group, told) or [ANY_COLUMN]
        found |= self._kept_or_read(path, group, footer, [name for name in wanted if name not in found])
        return {name: found[name] for name in wanted}

    def _kept_or_read(self, path: str, group: int, footer: Footer, names: list[str]) -> Columns:
        kept = self.kept.of((path, group))
        missing = [name for name in names if name not in kept]
        if not missing:
            return kept
        with self._opened(path, footer) as file:
            table = file.read_row_group(group, columns=missing, use_threads=False)
        more = dict(zip(table.column_names, table.columns, strict=True))
        self.kept.keep((path, group), more)
        return {**kept, **more}

    def read_whole(self, path: str, row_group: int, told: RowGroups) -> pa.Table:
        """All columns, the readers sharing them. Not for use within `each`, whose readers it would wait for."""
        names = sorted(self.footer(path).types)
        shares = [names[first::READERS] for first in range(READERS)]
        others = [self.begin(partial(self.read, path, [row_group], share, told)) for share in shares[1:]]
        parts = [self.read(path, [row_group], shares[0], told), *(answer() for answer in others)]
        return pa.table({name: part[name] for part in parts for name in part.column_names})


def _close(footer: Footer) -> None:
    while footer.idle:
        footer.idle.pop().close()


def _read_type(kind: pa.DataType) -> pa.DataType:
    return pa.dictionary(pa.int32(), pa.string()) if pa.types.is_string(kind) else kind


def _signal(path: str) -> Signal:
    return "spans" if path.endswith(".spans.parquet") else "logs"


def _without_absent(names: list[str], group: int, told: RowGroups) -> list[str]:
    """A segment has the attributes of a whole day, a row group few of them."""
    attributes = [name for name in names if name.startswith(ATTRIBUTE)]
    if len(attributes) < MANY:
        return names
    keys = [row_terms.key(original_name(name)[len(EVERY_TEXT) :]) for name in attributes]
    held = told.hold(np.array(keys, np.uint64), [group])[:, 0].tolist()
    absent = {name for name, is_held in zip(attributes, held, strict=True) if not is_held}
    return [name for name in names if name not in absent]


def _joined(name: str, kind: pa.DataType, parts: list[dict[str, Any]], lengths: list[int]) -> pa.ChunkedArray:
    chunks: list[pa.Array] = []
    for part, rows in zip(parts, lengths, strict=True):
        column = part.get(name)
        if column is None:
            chunks.append(pa.nulls(rows, kind))
        else:
            chunks += column.chunks if isinstance(column, pa.ChunkedArray) else [column]
    return pa.chunked_array(chunks, kind)


class TableRows:
    """Rows that are in memory."""

    def __init__(self, table: pa.Table) -> None:
        self._table = table

    def columns(self, names: Collection[str]) -> pa.Table:
        return self._table.select([name for name in self._table.column_names if asked(name, names)])


class FileRows:
    """Rows of row groups of one file; each column is read once."""

    def __init__(self, footers: Footers, path: str, row_groups: Sequence[int], told: RowGroups) -> None:
        self._footers = footers
        self._path = path
        self._row_groups = row_groups
        self._told = told
        self._read: dict[str, pa.ChunkedArray] = {}
        self._asked: set[str] = set()

    def columns(self, names: Collection[str]) -> pa.Table:
        there = [name for name in self._footers.footer(self._path).types if asked(name, names)]
        self._look_for([name for name in there if name not in self._asked])
        chosen = [name for name in there if name in self._read]
        if not chosen:  # a table without columns has its length all the same
            self._look_for([ANY_COLUMN])
        return pa.table({name: self._read[name] for name in chosen or [ANY_COLUMN]})

    def _look_for(self, names: list[str]) -> None:
        if names:
            more = self._footers.read(self._path, self._row_groups, names, self._told)
            self._read |= dict(zip(more.column_names, more.columns, strict=True))
            self._asked.update(names)

    def everything(self) -> pa.Table:
        return self._footers.read(self._path, self._row_groups, None, self._told)


def asked(name: str, columns: Collection[str]) -> bool:
    return name in columns or (EVERY_TEXT in columns and name.startswith(EVERY_TEXT))
