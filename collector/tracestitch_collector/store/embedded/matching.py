"""Which rows of a table meet a query's conditions. A text column is looked at once per distinct value where the
table holds it as a dictionary, as tables read from segments do.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.columns import from_plain
from tracestitch_collector.model import AttributeValue
from tracestitch_collector.store.embedded.layout import stored_name
from tracestitch_collector.store.store import AttributeFilter

Mask = npt.NDArray[np.bool_]
Test = Callable[[pa.Array], pa.Array]
"""Of values that are not null, which pass."""
COMPARISONS: dict[str, Callable[[Any, Any], Any]] = {
    "<": pc.less,
    "<=": pc.less_equal,
    ">": pc.greater,
    ">=": pc.greater_equal,
}
PLAIN: dict[str, Callable[[float, float], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
TRUTH = {"true": True, "false": False}
LARGEST = 2**63 - 1


def passing(column: pa.ChunkedArray, test: Test) -> Mask:
    """Rows whose value passes; null never does."""
    parts = [_chunk_passing(chunk, test) for chunk in column.chunks]
    return np.concatenate(parts) if parts else np.empty(0, bool)


def _chunk_passing(chunk: pa.Array, test: Test) -> Mask:
    if not pa.types.is_dictionary(chunk.type):
        return _plain(test(chunk))
    passed = _plain(test(chunk.dictionary))
    if not passed.any():
        return np.zeros(len(chunk), bool)
    indices = chunk.indices
    if indices.null_count:
        indices, passed = pc.fill_null(indices, len(passed)), np.append(passed, False)
    found: Mask = passed[indices.to_numpy()]
    return found


def _plain(found: pa.Array) -> Mask:
    mask: Mask = pc.fill_null(found, False).to_numpy(zero_copy_only=False)
    return mask


def present(column: pa.ChunkedArray) -> Mask:
    mask: Mask = column.is_valid().to_numpy()
    return mask


def equals(value: Any) -> Test:
    return lambda values: pc.equal(values, pa.scalar(value, values.type))


def contains(text: str) -> Test:
    """In any case."""
    lowered = pc.utf8_lower(pa.scalar(text, pa.string())).as_py()
    return lambda values: pc.match_substring(pc.utf8_lower(values), lowered)


def has_text(table: pa.Table, text: str, columns: Iterable[str]) -> Mask:
    """Rows that have the text in one of these columns or in any string attribute."""
    test, found = contains(text), np.zeros(len(table), bool)
    for name in table.column_names:
        if name in columns or name.startswith("attr.s."):
            found |= passing(table[name], test)
    return found


def attribute_columns(key: str) -> list[str]:
    return [stored_name(f"attr.{letter}.{key}") for letter in "sidb"]


def has_attribute(table: pa.Table, item: AttributeFilter) -> Mask:
    """The item's own attribute decides; where it has none, its resource's does. Columns that the table lacks hold
    nothing of that key."""
    found, open_ = np.zeros(len(table), bool), np.ones(len(table), bool)
    for letter, name in zip("sidb", attribute_columns(item.key), strict=True):
        if name in table.column_names and table[name].null_count < len(table):
            there = present(table[name])
            found |= open_ & there & passing(table[name], _test(item, letter))
            open_ &= ~there
    if "attributes_other" in table.column_names and open_.any():
        others = table["attributes_other"]
        found |= open_ & passing(others, _on_texts(lambda text: _odd_matches(text, item)))
        open_ &= ~passing(others, _on_texts(lambda text: has_key(text, item.key)))
    if "resource" in table.column_names and open_.any():
        found |= open_ & passing(table["resource"], _on_texts(lambda text: resource_matches(text, item)))
    elif item.operator == "!=":
        found |= open_
    return found


def _on_texts(meets: Callable[[str], bool]) -> Test:
    def test(values: pa.Array) -> pa.Array:
        distinct = values.dictionary_encode()
        answers = pa.array([meets(text) for text in distinct.dictionary.to_pylist()], pa.bool_())
        return answers.take(distinct.indices)

    return test


def _test(item: AttributeFilter, letter: str) -> Test:
    """Over a column of this type."""
    if item.operator == "exists":
        return lambda values: values.is_valid()
    if letter == "s":
        return _test_text(item)
    wanted = _wanted(item, letter)
    if wanted is None:  # no value of this type can be equal, so each is unlike
        return lambda values: pa.repeat(item.operator == "!=", len(values))
    if item.operator in COMPARISONS:
        return lambda values: COMPARISONS[item.operator](values, wanted)
    if item.operator == "!=":
        return lambda values: pc.not_equal(values, pa.scalar(wanted, values.type))
    return equals(wanted)


def _wanted(item: AttributeFilter, letter: str) -> bool | int | float | None:
    """The filter's value as one to compare a column of this type with; None where none can be."""
    if letter == "b":
        return TRUTH.get(item.value.lower()) if item.operator in ("=", "!=") else None
    number = number_of(item.value)
    if number is None or item.operator == "contains":
        return None
    if letter == "d":
        return _double(number)
    if item.operator in COMPARISONS:
        return number if abs(number) <= LARGEST else _double(number)
    return int(number) if abs(number) <= LARGEST and number == int(number) else None


def _double(number: float) -> float:
    try:
        return float(number)
    except OverflowError:
        return float("inf") if number > 0 else float("-inf")


def _test_text(item: AttributeFilter) -> Test:
    if item.operator == "contains":
        return contains(item.value)
    if item.operator == "=":
        return equals(item.value)
    if item.operator == "!=":
        return lambda values: pc.not_equal(values, pa.scalar(item.value, values.type))
    return lambda values: pa.repeat(False, len(values))


# Values that have no column of their own


def number_of(text: str) -> int | float | None:
    try:
        return int(text)
    except ValueError:
        pass
    try:
        number = float(text)
    except ValueError:
        return None
    return None if number != number else number


def matches(value: AttributeValue, item: AttributeFilter) -> bool:
    """Whether a present value meets the filter."""
    if item.operator == "exists":
        return True
    if item.operator == "contains":
        return isinstance(value, str) and item.value.lower() in value.lower()
    if item.operator in PLAIN:
        limit = number_of(item.value)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and limit is not None and PLAIN[item.operator](value, limit)  # type: ignore[arg-type]  # is_number says so
    return _equal(value, item.value) == (item.operator == "=")


def _equal(value: AttributeValue, text: str) -> bool:
    if isinstance(value, bool):
        return TRUTH.get(text.lower()) == value
    if isinstance(value, (int, float)):
        return number_of(text) == value
    return isinstance(value, str) and value == text


def has_key(pairs_text: str, key: str) -> bool:
    return any(pair[0] == key for pair in json.loads(pairs_text))


def _odd_matches(pairs_text: str, item: AttributeFilter) -> bool:
    """Whether the first value of the key meets the filter."""
    for key, plain in json.loads(pairs_text):
        if key == item.key:
            return matches(from_plain(plain), item)
    return False


def resource_matches(resource: str, item: AttributeFilter) -> bool:
    """Whether the resource meets the filter, for items without such an attribute of their own."""
    for key, plain in json.loads(resource)["attributes"]:
        if key == item.key:
            return matches(from_plain(plain), item)
    return item.operator == "!="
