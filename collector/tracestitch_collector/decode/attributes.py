"""The attributes of one table while it is being decoded. Pairs are recognised by their bytes: a pair that comes
again is written down as its number, and the numbers become a column per key and type all at once, in `tables.py`.
What has no column is kept as pairs.
"""

from __future__ import annotations

from array import array
from typing import Any, Final

from tracestitch_collector.columns import MAX_ATTRIBUTE_COLUMNS
from tracestitch_collector.decode.cuts import SHORT_BYTES, Cuts
from tracestitch_collector.decode.names import stable
from tracestitch_collector.decode.values import key_value
from tracestitch_collector.model import AttributeValue

LETTERS: Final[dict[type, str]] = {str: "s", int: "i", float: "d", bool: "b"}
"""The type letter of a value that has a column."""
MAX_CACHED: Final = 20_000
MAX_CACHED_OF_KEY: Final = 5_000
"""Keys whose values seldom repeat must not push the others out."""
MAX_CACHED_BYTES: Final = 160
"""Of one pair; longer ones seldom repeat."""
MAX_KEYS: Final = 4 * MAX_ATTRIBUTE_COLUMNS

NUMBER_BYTES: Final = 4
ROW_END: Final = b"\xff\xff\xff\xff"
"""Stands in the stream after the pairs of each row."""


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
    """What the rows of one key and type hold: values that come again, and values of this table alone."""

    __slots__ = ("letter", "loose", "name", "number", "packed", "values")

    def __init__(self, name: str, letter: str, number: int) -> None:
        self.name = name
        self.letter = letter
        self.number = number
        self.values: list[Any] = []
        self.packed: Any = None
        """The first of the values as Arrow has them: what came before is not packed again for each table."""
        self.loose: list[Any] = []


class Pair:
    """A key and a value that were seen before."""

    __slots__ = ("key", "number", "value")

    def __init__(self, key: Key, number: bytes, value: AttributeValue) -> None:
        self.key = key
        self.number = number
        self.value = value


class Numbers:
    """Which column each number means, and which of the column's values. A number is written as four bytes."""

    def __init__(self, first: int, step: int) -> None:
        self._first = first
        self._step = step
        self.columns: array[int] = array("h")
        self.places: array[int] = array("i")

    def new(self, column: int, place: int) -> bytes:
        number = self._first + self._step * len(self.columns)
        self.columns.append(column)
        self.places.append(place)
        return number.to_bytes(NUMBER_BYTES, "little")

    def index(self, number: bytes) -> int:
        """Where it stands in the lists; less than 0 or beyond their end where it is none of these."""
        return (int.from_bytes(number, "little") - self._first) * self._step


class Attributes:
    def __init__(self, cuts: Cuts) -> None:
        self._cuts = cuts
        self.known: dict[bytes, Pair] = {}
        self.stream: list[bytes] = []
        """For every row the numbers of its pairs, then ROW_END."""
        self.columns: list[Column] = []
        self.kept = Numbers(0, 1)
        """Numbers of values that come again, from 0 up."""
        self.loose = Numbers(2**32 - 2, -1)
        """Numbers of values of this table alone, from below ROW_END down."""
        self.other: dict[int, list[tuple[str, AttributeValue]]] = {}
        self._keys: dict[str, Key] = {}
        self._renamed: dict[bytes, tuple[str, AttributeValue, tuple[tuple[str, AttributeValue], ...]]] = {}

    def begin(self) -> None:
        """Empties the columns for the next table. What was learned about pairs stays, within bounds."""
        if (
            len(self.columns) >= MAX_ATTRIBUTE_COLUMNS
            or len(self._keys) > MAX_KEYS
            or len(self.kept.columns) >= MAX_CACHED
        ):
            self.columns, self._keys, self.known = [], {}, {}
            self.kept = Numbers(0, 1)
        self.other, self.stream = {}, []
        self.loose = Numbers(2**32 - 2, -1)
        for column in self.columns:
            column.loose = []
        for key in self._keys.values():
            key.row = key.old_row = -1

    def add(self, raw: bytes, row: int) -> None:
        """Puts a KeyValue that is not among the known ones into its column."""
        renamed = self._renamed.get(raw)
        if renamed is None:
            name, value = key_value(raw, 0, len(raw))
            if len(raw) > SHORT_BYTES:
                name, value = self._cuts.pair(name, value)
            parts = stable(name, value)
            if not parts:
                self._put(name, value, row, raw)
                return
            renamed = (name, value, parts)
            if len(raw) <= MAX_CACHED_BYTES:
                if len(self._renamed) >= MAX_CACHED:
                    self._renamed.clear()
                self._renamed[raw] = renamed
        name, value, parts = renamed
        for new_name, new_value in parts:
            self._put_renamed(name, value, new_name, new_value, row)

    def again(self, pair: Pair, row: int) -> None:
        """A known pair whose key was already seen in this row."""
        self._put(pair.key.name, pair.value, row, b"")

    def _put(self, name: str, value: AttributeValue, row: int, raw: bytes) -> None:
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
        elif raw and self._comes_again(column, raw):
            column.values.append(value)
            number = self.kept.new(column.number, len(column.values) - 1)
            self.known[raw] = Pair(key, number, value)
            self.stream.append(number)
        else:
            column.loose.append(value)
            self.stream.append(self.loose.new(column.number, len(column.loose) - 1))

    def _comes_again(self, column: Column, raw: bytes) -> bool:
        """Whether the pair is worth remembering."""
        return (
            len(raw) <= MAX_CACHED_BYTES
            and len(self.kept.columns) < MAX_CACHED
            and len(column.values) < MAX_CACHED_OF_KEY
        )

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
        at = self._place_of(key)
        if key.row == row and at >= 0 and self._value_at(at) == value:
            return
        self._put(name, value, row, b"")

    def _take_back(self, key: Key, row: int) -> None:
        """Moves the row's value to the old name it came under, to make room for one sent under the new name."""
        at = self._place_of(key)
        if at >= 0:
            del self.stream[at]
        if row in self.other:
            self.other[row] = [item for item in self.other[row] if item[0] != key.name]
        key.old_row = -1
        self._put_old(key.old_name, key.old_value, row)

    def _place_of(self, key: Key) -> int:
        """Where in the stream the key's value of the row under way stands; -1 where there is none."""
        wanted = {column.number for column in key.columns.values()}
        for at in range(len(self.stream) - 1, -1, -1):
            if self.stream[at] == ROW_END:
                break
            if self._meaning(at)[0] in wanted:
                return at
        return -1

    def _meaning(self, at: int) -> tuple[int, int, bool]:
        """Column and place of the number there in the stream, and whether it is one of this table alone."""
        number = self.stream[at]
        index = self.kept.index(number)
        if index < len(self.kept.columns):
            return self.kept.columns[index], self.kept.places[index], False
        index = self.loose.index(number)
        return self.loose.columns[index], self.loose.places[index], True

    def _value_at(self, at: int) -> AttributeValue:
        number, place, is_loose = self._meaning(at)
        column = self.columns[number]
        value: AttributeValue = column.loose[place] if is_loose else column.values[place]
        return value

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
            column = Column(f"attr.{letter}.{key.name}", letter, len(self.columns))
            key.columns[letter] = column
            self.columns.append(column)
        return column

    def _put_other(self, name: str, value: AttributeValue, row: int) -> None:
        self.other.setdefault(row, []).append((name, value))
