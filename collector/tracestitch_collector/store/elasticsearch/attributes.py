"""The attributes of a table's rows as fields of documents, with everything beside that a field cannot hold."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.store.elasticsearch.fields import (
    ENRICHED_ATTRIBUTES,
    OWN_ATTRIBUTES,
    REMOVED_ATTRIBUTES,
)
from tracestitch_collector.store.elasticsearch.values import (
    as_text,
    can_be_a_field,
    can_be_indexed,
    is_simple,
    rendered,
)

Pair = tuple[str, Any]
"""A key and a value in the plain form of columns.py."""

PREFIX = "attr."
NOT_FIELDS = OWN_ATTRIBUTES | REMOVED_ATTRIBUTES


@dataclass(slots=True, kw_only=True)
class RowAttributes:
    """One row's attributes."""

    fields: dict[str, Any] = field(default_factory=dict)
    routing: dict[str, str] = field(default_factory=dict)
    kept: list[Pair] = field(default_factory=list)
    """Values that the fields do not carry, or not exactly."""
    duplicates: list[Pair] = field(default_factory=list)
    unindexed: list[str] = field(default_factory=list)
    _kept_keys: set[str] = field(default_factory=set)

    def add(self, key: str, value: Any, hidden: frozenset[str] = NOT_FIELDS) -> None:
        """The next pair in the order they were sent."""
        if key in self.fields or key in self._kept_keys:
            self.duplicates.append((key, value))
        elif key in hidden:
            self._keep(key, value)
            if key in REMOVED_ATTRIBUTES and isinstance(value, str):
                self.routing[key] = value
        elif not can_be_a_field(key) or not can_be_indexed(value):
            self._keep(key, value)
            self.unindexed.append(key)
        else:
            self.fields[key] = shown = rendered(value)
            if shown is None:
                self.unindexed.append(key)
            if not is_simple(value):
                self._keep(key, value)

    def _keep(self, key: str, value: Any) -> None:
        self.kept.append((key, value))
        self._kept_keys.add(key)

    def to_keep(self) -> dict[str, Any]:
        """For the document's `tracestitch` object. As text, so that nothing in it can meet a limit of the server."""
        kept: dict[str, Any] = {}
        if self.kept:
            kept["attributes"] = as_text(self.kept)
        if self.duplicates:
            kept["duplicates"] = as_text(self.duplicates)
        if sent := ENRICHED_ATTRIBUTES & self.fields.keys():
            kept["sent"] = sorted(sent)
        return kept


def row_attributes(table: pa.Table) -> list[RowAttributes]:
    """One per row, in order."""
    rows = [RowAttributes() for _ in range(table.num_rows)]
    for name in table.column_names:
        if name.startswith(PREFIX):
            _add_column(rows, name[len(PREFIX) + 2 :], table.column(name))
    for row, text in enumerate(table.column("attributes_other").to_pylist()):
        if text:
            for key, value in orjson.loads(text):
                rows[row].add(key, value)
    return rows


def _add_column(rows: list[RowAttributes], key: str, column: pa.ChunkedArray) -> None:
    indices = pc.indices_nonzero(column.is_valid()).to_pylist()
    values = column.drop_null().to_pylist()
    as_it_stands = key not in NOT_FIELDS and can_be_a_field(key) and not pa.types.is_floating(column.type)
    for row, value in zip(indices, values, strict=True):
        if as_it_stands and key not in rows[row].fields:
            rows[row].fields[key] = value
        else:
            rows[row].add(key, _plain(value))


def _plain(value: Any) -> Any:
    """A double that JSON has no word for, in the form of columns.py."""
    if isinstance(value, float) and not is_simple(value):
        return {"double": str(value)}
    return value


def event_attributes(pairs: Iterable[Pair]) -> RowAttributes:
    """Of a span event, whose name takes the place of an attribute `event.name`."""
    row = RowAttributes()
    for key, value in pairs:
        row.add(key, value, NOT_FIELDS | {"event.name"})
    return row
