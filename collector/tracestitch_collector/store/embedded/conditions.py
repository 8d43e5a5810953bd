"""What a query asks for, as SQL conditions over the columns, and the same for values that have no column."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from tracestitch_collector.columns import from_plain
from tracestitch_collector.model import AttributeValue
from tracestitch_collector.store.embedded.engine import quoted
from tracestitch_collector.store.embedded.layout import stored_name
from tracestitch_collector.store.embedded.snapshot import Source
from tracestitch_collector.store.store import AttributeFilter

Ask = Callable[[str, str, Mapping[str, Any]], list[str]]
"""Distinct texts of a column of the source, among rows that meet a condition with these parameters."""

COMPARISONS: Mapping[str, Callable[[float, float], bool]] = {
    "<": lambda value, limit: value < limit,
    "<=": lambda value, limit: value <= limit,
    ">": lambda value, limit: value > limit,
    ">=": lambda value, limit: value >= limit,
}
TRUTH = {"true": True, "false": False}


class Conditions:
    """Gathers conditions, their parameters and the columns they need."""

    def __init__(self) -> None:
        self.parameters: dict[str, Any] = {}
        self.columns: set[str] = set()
        self._parts: list[str] = []

    def add(self, condition: str, /, *columns: str, **parameters: Any) -> None:
        self._parts.append(condition)
        self.columns.update(columns)
        self.parameters.update(parameters)

    @property
    def sql(self) -> str:
        return " AND ".join(f"({part})" for part in self._parts) or "TRUE"

    def add_text(self, source: Source, text: str, columns: Iterable[str]) -> None:
        """A case-insensitive substring of any of these columns or any string attribute."""
        named = [*columns, *sorted(name for name in source.attributes if name.startswith("attr.s."))]
        self.add(
            " OR ".join(f"contains(lower({quoted(name)}), lower($text))" for name in named), *named, text=text
        )

    def add_attribute(self, source: Source, item: AttributeFilter, number: int, ask: Ask) -> None:
        """The item's own attribute decides; where it has none, its resource's does."""
        condition = _Attribute(item, f"filter{number}")
        cases = [
            f"WHEN {quoted(name)} IS NOT NULL THEN {condition.on_column(name, letter)}"
            for letter in "sidb"
            if (name := stored_name(f"attr.{letter}.{item.key}")) in source.attributes
        ]
        self.columns.update(
            name
            for letter in "sidb"
            if (name := stored_name(f"attr.{letter}.{item.key}")) in source.attributes
        )
        needle = "[" + json.dumps(item.key, ensure_ascii=False) + ","
        others = ask(
            "attributes_other",
            f"contains(attributes_other, ${condition.name}_key)",
            {f"{condition.name}_key": needle},
        )
        with_key = [text for text in others if has_key(text, item.key)]
        if with_key:
            matching = [text for text in with_key if matches(value_of(text, item.key), item)]
            cases.append(
                f"WHEN attributes_other {condition.among('other', with_key)} THEN attributes_other {condition.among('fit', matching)}"
            )
            self.columns.add("attributes_other")
        resources = [text for text in ask("resource", "TRUE", {}) if resource_matches(text, item)]
        self.columns.add("resource")
        fallback = f"resource {condition.among('resource', resources)}"
        text = f"CASE {' '.join(cases)} ELSE {fallback} END" if cases else fallback
        self.add(text, **condition.parameters)


@dataclass
class _Attribute:
    """One filter's SQL and parameters."""

    item: AttributeFilter
    name: str

    def __post_init__(self) -> None:
        self.parameters: dict[str, Any] = {}

    def among(self, what: str, texts: list[str]) -> str:
        key = f"{self.name}_{what}"
        self.parameters[key] = texts or [""]
        return f"IN (SELECT unnest(${key}::VARCHAR[]))"

    def on_column(self, column: str, letter: str) -> str:
        """Over a column that is not null."""
        operator, value, name = self.item.operator, self.item.value, quoted(column)
        if operator == "exists":
            return "TRUE"
        if letter == "s":
            return self._on_text(name)
        unlike = "TRUE" if operator == "!=" else "FALSE"
        if letter == "b":
            if operator not in ("=", "!=") or value.lower() not in TRUTH:
                return unlike
            return f"{name} {operator} {self._bound(TRUTH[value.lower()])}"
        number = number_of(value)
        if operator == "contains" or number is None:
            return unlike
        sane = f"NOT isnan({name}) AND " if letter == "d" and operator in COMPARISONS else ""
        return f"{sane}{name} {operator} {self._bound(number)}"

    def _on_text(self, name: str) -> str:
        operator = self.item.operator
        if operator == "contains":
            return f"contains(lower({name}), lower({self._bound(self.item.value)}))"
        return f"{name} {operator} {self._bound(self.item.value)}" if operator in ("=", "!=") else "FALSE"

    def _bound(self, value: Any) -> str:
        key = f"{self.name}_{type(value).__name__}"
        self.parameters[key] = value
        return f"${key}"


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
    if item.operator in COMPARISONS:
        limit = number_of(item.value)
        is_number = isinstance(value, (int, float)) and not isinstance(value, bool)
        return is_number and limit is not None and COMPARISONS[item.operator](value, limit)  # type: ignore[arg-type]  # is_number says so
    return _equal(value, item.value) == (item.operator == "=")


def _equal(value: AttributeValue, text: str) -> bool:
    if isinstance(value, bool):
        return TRUTH.get(text.lower()) == value
    if isinstance(value, (int, float)):
        return number_of(text) == value
    return isinstance(value, str) and value == text


def has_key(pairs_text: str, key: str) -> bool:
    return any(pair[0] == key for pair in json.loads(pairs_text))


def value_of(pairs_text: str, key: str) -> AttributeValue:
    """The first value of the key."""
    return next(from_plain(pair[1]) for pair in json.loads(pairs_text) if pair[0] == key)


def resource_matches(resource: str, item: AttributeFilter) -> bool:
    """Whether the resource meets the filter, for items without such an attribute of their own."""
    for key, plain in json.loads(resource)["attributes"]:
        if key == item.key:
            return matches(from_plain(plain), item)
    return item.operator == "!="
