"""Which terms a row group's rows have: what `conditions.py` asks the filters for is put into them here, and nowhere
else. A new kind of condition that is to be answered without reading adds its terms here.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import lru_cache
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.columns import from_plain
from tracestitch_collector.model import AttributeValue
from tracestitch_collector.store.embedded import phrases, terms
from tracestitch_collector.store.embedded.layout import original_name
from tracestitch_collector.store.embedded.terms import Hashes

SERVICE, OPERATION, EVENT, KEY = "\0service", "\0operation", "\0event", "\0key"
FAILING, ELSEWHERE = "\0failing", "\0elsewhere"
"""Kinds of terms beside the attributes' keys, in which no NUL begins a key that anybody sends in earnest."""
ANY_KEY = terms.of_text(KEY, "\0any")
"""In the filters of rows whose odd attributes are too many to be looked into."""
ANY_ELSEWHERE = (terms.of_text(ELSEWHERE, "\0any"), terms.of_text(ELSEWHERE, "\0any\0"))
MAX_ODD_TEXTS = 256


def of_rows(table: pa.Table) -> Hashes:
    """Every term of the rows, each at least once. Dictionaries in the table are taken to hold what occurs, once."""
    found = [_of_column(SERVICE, table["service_name"])]
    if "name" in table.column_names:
        found.append(_of_column(OPERATION, table["name"]))
        found.append(_of_failing(table))
    if "event_name" in table.column_names:
        found.append(_of_column(EVENT, table["event_name"]))
        found.append(phrases.of_bodies(table["body"]))
    for name in table.column_names:
        if name.startswith("attr."):
            found += _of_attribute(original_name(name)[len("attr.s.") :], table[name])
    found += [_of_resource(text) for text in _distinct(table["resource"]).to_pylist()]
    found.append(_of_others(_distinct(table["attributes_other"]).to_pylist()))
    return np.unique(np.concatenate(found))


def _of_failing(table: pa.Table) -> Hashes:
    """The services that have a failing span, and that there is one at all."""
    failing = table["service_name"].filter(pc.equal(table["status_code"], 2)).unique()
    if not len(failing):
        return np.empty(0, np.uint64)
    if pa.types.is_dictionary(failing.type):
        failing = failing.dictionary.take(failing.indices)
    return np.append(_of_column(FAILING, failing), np.uint64(terms.of_text(FAILING, "")))


def elsewhere(name: str) -> tuple[int, int]:
    """Two terms of rows that have the key in their resource or among what has no column: a filter that says yes for
    nothing costs another column here, of all row groups that are read together."""
    return terms.of_text(ELSEWHERE, name), terms.of_text(ELSEWHERE, f"{name}\0")


@lru_cache(maxsize=4096)
def key(name: str) -> int:
    """The term of rows that have an attribute of this key, whatever its value."""
    return terms.of_text(KEY, name)


def _distinct(column: pa.ChunkedArray) -> pa.Array:
    """The column's values, each once, without null."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole.dictionary if pa.types.is_dictionary(whole.type) else pc.drop_null(pc.unique(whole))


def _of_column(kind: str, column: pa.ChunkedArray) -> Hashes:
    return terms.of_texts(kind, _distinct(column))


def _of_attribute(name: str, column: pa.ChunkedArray) -> list[Hashes]:
    values = _distinct(column)
    if not len(values):
        return []
    present = np.array([key(name)], np.uint64)
    if pa.types.is_string(values.type):
        return [present, terms.of_texts(name, values)]
    if pa.types.is_boolean(values.type):
        return [present, terms.of_numbers(name, values.cast(pa.int64()).to_numpy())]
    return [present, terms.of_numbers(name, values.to_numpy())]


@lru_cache(maxsize=1024)
def _of_resource(text: str) -> Hashes:
    return _of_pairs(json.loads(text)["attributes"])


def _of_others(texts: list[str]) -> Hashes:
    if len(texts) > MAX_ODD_TEXTS:
        return np.array([ANY_KEY, *ANY_ELSEWHERE], np.uint64)
    return np.concatenate([np.empty(0, np.uint64), *(_of_pairs(json.loads(text)) for text in texts)])


def _of_pairs(pairs: list[list[Any]]) -> Hashes:
    return np.array([term for name, plain in pairs for term in _of_pair(name, from_plain(plain))], np.uint64)


def _of_pair(name: str, value: AttributeValue) -> Iterator[int]:
    yield key(name)
    yield from elsewhere(name)
    if isinstance(value, str):
        yield terms.of_text(name, value)
    elif isinstance(value, (bool, int)) and abs(value) < 2**63:
        yield terms.of_number(name, int(value))
    elif isinstance(value, float):
        yield terms.of_number(name, value)
