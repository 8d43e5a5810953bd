"""The attributes of one table while it is being decoded: a sparse column per key and type, and the pairs that
have no column. Pairs are recognised by their bytes, so that a repeated one is decoded once.
"""

from __future__ import annotations

from typing import Any, Final, TypeAlias

from tracestitch_collector.columns import MAX_ATTRIBUTE_COLUMNS
from tracestitch_collector.decode.cuts import SHORT_BYTES, Cuts
from tracestitch_collector.decode.names import stable
from tracestitch_collector.decode.values import key_value
from tracestitch_collector.model import AttributeValue

LETTERS: Final[dict[type, str]] = {str: "s", int: "i", float: "d", bool: "b"}
"""The type letter of a value that has a column."""
MAX_CACHED: Final = 20_000
MAX_CACHED_BYTES: Final = 160
"""Of one pair; longer ones seldom repeat."""
MAX_KEYS: Final = 4 * MAX_ATTRIBUTE_COLUMNS


class Key:
    """An attribute key and where it was last seen, which is how a repeated key is noticed."""

    __slots__ = ("columns", "name", "old_name", "old_row", "old_value", "row")

    def __init__(self, name: str) -> None:
        self.name = name
        self.row = -1
        self.columns: dict[str, Column] = {}
        self.old_row = -1
        """The last row in which the value came under an old name, then that name and what it held."""
        self.old_name = ""
        self.old_value: AttributeValue = None


class Column:
    """Rows that have a value, ascending, and their values."""

    __slots__ = ("letter", "name", "rows", "values")

    def __init__(self, name: str, letter: str) -> None:
        self.name = name
        self.letter = letter
        self.rows: list[int] = []
        self.values: list[Any] = []


Known: TypeAlias = tuple[Key, list[int], list[Any], Any]
"""A pair's key, its column's rows and values, and its value."""


class Attributes:
    def __init__(self, cuts: Cuts) -> None:
        self._cuts = cuts
        self.known: dict[bytes, Known] = {}
        self.columns: list[Column] = []
        self.other: dict[int, list[tuple[str, AttributeValue]]] = {}
        self._keys: dict[str, Key] = {}
        self._renamed: dict[bytes, tuple[str, AttributeValue, tuple[tuple[str, AttributeValue], ...]]] = {}

    def begin(self) -> None:
        """Empties the columns for the next table. What was learned about pairs stays, within bounds."""
        if len(self.columns) >= MAX_ATTRIBUTE_COLUMNS or len(self._keys) > MAX_KEYS:
            self.columns, self._keys, self.known = [], {}, {}
        self.other = {}
        for column in self.columns:
            column.rows.clear()
            column.values.clear()
        for key in self._keys.values():
            key.row = key.old_row = -1

    def add(self, pair: bytes, row: int) -> None:
        """Puts a KeyValue that is not among the known ones into its column."""
        renamed = self._renamed.get(pair)
        if renamed is None:
            name, value = key_value(pair, 0, len(pair))
            if len(pair) > SHORT_BYTES:
                name, value = self._cuts.pair(name, value)
            parts = stable(name, value)
            if not parts:
                self._put(name, value, row, pair)
                return
            renamed = (name, value, parts)
            if len(pair) <= MAX_CACHED_BYTES:
                if len(self._renamed) >= MAX_CACHED:
                    self._renamed.clear()
                self._renamed[pair] = renamed
        name, value, parts = renamed
        for new_name, new_value in parts:
            self._put_renamed(name, value, new_name, new_value, row)

    def again(self, known: Known, row: int) -> None:
        """A known pair whose key was already seen in this row."""
        self._put(known[0].name, known[3], row, b"")

    def _put(self, name: str, value: AttributeValue, row: int, pair: bytes) -> None:
        key = self._key(name)
        if key.row == row:
            if key.old_row != row:
                self._put_other(name, value, row)
                return
            self._take_back(key, row)
        key.row = row
        column = self._column(key, value)
        if column is None:
            self._put_other(name, value, row)
            return
        column.rows.append(row)
        column.values.append(value)
        if pair and len(pair) <= MAX_CACHED_BYTES:
            if len(self.known) >= MAX_CACHED:
                self.known.clear()
            self.known[pair] = (key, column.rows, column.values, value)

    def _put_renamed(
        self, old_name: str, old_value: AttributeValue, name: str, value: AttributeValue, row: int
    ) -> None:
        key = self._key(name)
        if key.row == row:  # the new name was sent too: the old one stays what it was
            self._put_old(old_name, old_value, row)
            return
        self._put(name, value, row, b"")
        key.old_row, key.old_name, key.old_value = row, old_name, old_value

    def _put_old(self, name: str, value: AttributeValue, row: int) -> None:
        # An old attribute that has two new names comes here twice.
        key = self._key(name)
        if key.row == row and any(
            column.rows and column.rows[-1] == row and column.values[-1] == value
            for column in key.columns.values()
        ):
            return
        self._put(name, value, row, b"")

    def _take_back(self, key: Key, row: int) -> None:
        """Moves the row's value to the old name it came under, to make room for one sent under the new name."""
        for column in key.columns.values():
            if column.rows and column.rows[-1] == row:
                column.rows.pop()
                column.values.pop()
        if row in self.other:
            self.other[row] = [item for item in self.other[row] if item[0] != key.name]
        key.old_row = -1
        self._put_old(key.old_name, key.old_value, row)

    def _key(self, name: str) -> Key:
        key = self._keys.get(name)
        if key is None:
            key = self._keys[name] = Key(name)
        return key

    def _column(self, key: Key, value: AttributeValue) -> Column | None:
        letter = LETTERS.get(type(value))
        if letter is None:
            return None
        column = key.columns.get(letter)
        if column is None and len(self.columns) < MAX_ATTRIBUTE_COLUMNS:
            column = key.columns[letter] = Column(f"attr.{letter}.{key.name}", letter)
            self.columns.append(column)
        return column

    def _put_other(self, name: str, value: AttributeValue, row: int) -> None:
        self.other.setdefault(row, []).append((name, value))
