"""Which terms a row group's rows have: what `conditions.py` asks the filters for is put into them here, and nowhere
else. A new kind of condition that is to be answered without reading adds its terms here.
"""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from functools import lru_cache
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.columns import from_plain
from tracestitch_collector.model import AttributeValue
from tracestitch_collector.store.embedded import pairs, phrases, terms
from tracestitch_collector.store.embedded.layout import original_name
from tracestitch_collector.store.embedded.pairs import Coded
from tracestitch_collector.store.embedded.terms import Hashes

SERVICE, OPERATION, EVENT, KEY = "\0service", "\0operation", "\0event", "\0key"
FAILING, SEVERE, ELSEWHERE = "\0failing", "\0severe", "\0elsewhere"
"""Kinds of terms beside the attributes' keys, in which no NUL begins a key that anybody sends in earnest."""
ANY_KEY = terms.of_text(KEY, "\0any")
"""In the filters of rows whose odd attributes are too many to be looked into."""
ANY_ELSEWHERE = (terms.of_text(ELSEWHERE, "\0any"), terms.of_text(ELSEWHERE, "\0any\0"))
FAILED = terms.of_text(FAILING, "")
SEVERITIES = (9, 13, 17, 21)
"""Where OpenTelemetry's levels begin that people ask for: info, warning, error, fatal."""
MAX_ODD_TEXTS = 256


def of_rows(table: pa.Table) -> Hashes:
    """Every term of the rows, each at least once. Dictionaries in the table are taken to hold what occurs, once."""
    named = {SERVICE: table["service_name"]}
    told, found = [], []
    if "name" in table.column_names:
        named[OPERATION] = table["name"]
        told = [_failing(table["status_code"])]
    if "event_name" in table.column_names:
        named[EVENT] = table["event_name"]
        told = _severe(table["severity_number"])
        found.append(phrases.of_bodies(table["body"]))
    attributes = [
        (original_name(name)[len("attr.s.") :], table[name])
        for name in table.column_names
        if name.startswith("attr.")
    ]
    columns = [*_coded([*named.items(), *attributes]), *told]
    found += [column.terms for column in columns]
    found.append(_keys(column.key for column in columns if len(column.terms)))
    found += [_of_resource(text) for text in _distinct(table["resource"])]
    found.append(_of_others(_distinct(table["attributes_other"])))
    return np.unique(np.concatenate([*found, pairs.of_columns(columns)]))


def _keys(names: Iterable[str]) -> Hashes:
    return np.array([key(name) for name in names], np.uint64)


def is_own(name: str) -> bool:
    """Whether it is one of the kinds above and no attribute's key."""
    return name.startswith("\0")


def severity_term(severity: int) -> int:
    return terms.of_number(SEVERE, severity)


def _coded(columns: Sequence[tuple[str, pa.ChunkedArray]]) -> list[Coded]:
    whole = [(name, _encoded(column)) for name, column in columns]
    texts = {name: column.dictionary for name, column in whole if pa.types.is_string(column.type.value_type)}
    of_texts = dict(zip(texts, terms.of_many_texts(list(texts), list(texts.values())), strict=True))
    found = []
    for name, column in whole:
        is_text = pa.types.is_string(column.type.value_type)
        hashed = of_texts[name] if is_text else _of_numbers(name, column.dictionary)
        found.append(Coded(name, column.indices, hashed))
    return found


def _encoded(column: pa.ChunkedArray) -> pa.DictionaryArray:
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    return whole if pa.types.is_dictionary(whole.type) else whole.dictionary_encode()


def _of_numbers(name: str, values: pa.Array) -> Hashes:
    plain = values.cast(pa.int64()) if pa.types.is_boolean(values.type) else values
    return terms.of_numbers(name, plain.to_numpy(zero_copy_only=False))


def _failing(column: pa.ChunkedArray) -> Coded:
    return _where(FAILING, column.to_numpy() == 2, FAILED)


def _severe(column: pa.ChunkedArray) -> list[Coded]:
    numbers = column.to_numpy()
    return [_where(severe(level), numbers >= level, severity_term(level)) for level in SEVERITIES]


def severe(level: int) -> str:
    return f"{SEVERE}{level}"


def _where(name: str, is_there: npt.NDArray[np.bool_], term: int) -> Coded:
    """A column that has one value, where it has any."""
    codes = pa.array(np.zeros(len(is_there), np.int32), mask=~is_there)
    return Coded(name, codes, np.array([term][: int(is_there.any())], np.uint64))


def elsewhere(name: str) -> tuple[int, int]:
    """Two terms of rows that have the key in their resource or among what has no column: a filter that says yes for
    nothing costs another column here, of all row groups that are read together."""
    return terms.of_text(ELSEWHERE, name), terms.of_text(ELSEWHERE, f"{name}\0")


@lru_cache(maxsize=4096)
def key(name: str) -> int:
    """The term of rows that have an attribute of this key, whatever its value."""
    return terms.of_text(KEY, name)


def _distinct(column: pa.ChunkedArray) -> list[str]:
    """The column's texts, each once, without null."""
    whole = column.combine_chunks() if isinstance(column, pa.ChunkedArray) else column
    values = whole.dictionary if pa.types.is_dictionary(whole.type) else pc.drop_null(pc.unique(whole))
    found: list[str] = values.to_pylist()
    return found


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
