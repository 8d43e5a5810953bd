"""The attributes of many rows as text, `,"key":value` after `,"key":value`: what fields hold as it stands. Rows with
anything else among their attributes are told apart; attributes.py renders those.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.store.elasticsearch.attributes import NOT_FIELDS, PREFIX
from tracestitch_collector.store.elasticsearch.fields import ENRICHED_ATTRIBUTES
from tracestitch_collector.store.elasticsearch.texts import Codes, decimal, flat, joined
from tracestitch_collector.store.elasticsearch.values import can_be_a_field

ODD_KEYS = NOT_FIELDS | ENRICHED_ATTRIBUTES

Rows: TypeAlias = npt.NDArray[np.int64]
Mask: TypeAlias = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One attribute key of one type."""

    key: str
    rows: Rows
    """Where it stands."""
    codes: Codes
    """Which of the values stands there."""
    values: pa.Array
    """Distinct."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Pairs:
    """The attribute columns of a table."""

    count: int
    columns: tuple[Column, ...]
    odd: Mask
    """Rows that attributes.py must render."""
    by_key: dict[str, list[Column]] = field(default_factory=dict)

    def text(self) -> pa.Array:
        """Of each row, odd ones included: drop those."""
        present = [column for column in self.columns if len(column.rows)]
        if not present:
            return pa.array([b""] * self.count, pa.binary())
        pieces, codes, base = [], [], 0
        for column in present:
            pieces.append(_pieces(column))
            codes.append(column.codes + np.int32(base))
            base += len(column.values)
        rows = np.concatenate([column.rows for column in present])
        narrow = rows.astype(np.uint16) if self.count <= 2**16 else rows  # sorted by radix then
        order = np.argsort(narrow, kind="stable")
        texts = pa.concat_arrays(pieces).take(pa.array(np.concatenate(codes)[order]))
        ends = np.cumsum(np.bincount(rows, minlength=self.count))
        offsets = pa.array(np.concatenate(([0], ends)).astype(np.int32))
        return pc.binary_join(pa.ListArray.from_arrays(offsets, texts), b"")

    def values(self, key: str) -> tuple[Codes, list[Any]]:
        """Which of its values each row has, -1 for none, and these."""
        codes = np.full(self.count, -1, np.int32)
        values: list[Any] = []
        for column in self.by_key.get(key, ()):
            codes[column.rows] = column.codes + np.int32(len(values))
            values += column.values.to_pylist()
        return codes, values

    def presence(self, key: str) -> Mask:
        present = np.zeros(self.count, np.bool_)
        for column in self.by_key.get(key, ()):
            present[column.rows] = True
        return present


def pairs_of(table: pa.Table) -> Pairs:
    columns = tuple(_columns(table))
    by_key: dict[str, list[Column]] = defaultdict(list)
    for column in columns:
        by_key[column.key].append(column)
    odd = flat(table.column("attributes_other")).fill_null("").to_numpy(zero_copy_only=False) != ""
    for key, found in by_key.items():
        if key in ODD_KEYS or not can_be_a_field(key):
            for column in found:
                odd[column.rows] = True
        times = np.zeros(table.num_rows, np.int8)
        for column in found:
            if len(found) > 1:
                times[column.rows] += 1
            if pa.types.is_floating(column.values.type):
                finite = np.isfinite(column.values.to_numpy())
                odd[column.rows[~finite[column.codes]]] = True
        odd |= times > 1
    return Pairs(count=table.num_rows, columns=columns, odd=odd, by_key=dict(by_key))


def _columns(table: pa.Table) -> Iterator[Column]:
    for name in table.column_names:
        if name.startswith(PREFIX):
            array = flat(table.column(name))
            rows = np.arange(len(array))
            if array.null_count:
                rows = pc.indices_nonzero(array.is_valid()).to_numpy().astype(np.int64)
                array = array.drop_null()
            encoded = array if isinstance(array, pa.DictionaryArray) else array.dictionary_encode()
            yield Column(
                key=name[len(PREFIX) + 2 :],
                rows=rows,
                codes=encoded.indices.to_numpy().astype(np.int32),
                values=encoded.dictionary,
            )


def _pieces(column: Column) -> pa.Array:
    """`,"key":value` of each distinct value."""
    before = b"," + orjson.dumps(column.key) + b":"
    if pa.types.is_integer(column.values.type):
        return joined(before, decimal(column.values))
    return pa.array([before + orjson.dumps(value) for value in column.values.to_pylist()], pa.binary())
