"""Terms of pairs of values that occur in one row together, for columns of few values: two values may each be in every
row group and together in hardly one, and then a search for both need not read the others.

What a row group has no pairs of it says by terms too, so that nobody takes a pair for absent that was not looked for.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import lru_cache

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.store.embedded import terms
from tracestitch_collector.store.embedded.terms import Hashes

Codes = npt.NDArray[np.int32]

MAX_VALUES = 32
"""Of a column that is paired. Of more, each value is rare enough to be looked for alone."""
MAX_COLUMNS = 24
UNPAIRED = "\0unpaired"
AT_ONCE = 500_000
"""Words that are compared at once, which is what bounds the memory."""


@dataclass(frozen=True, slots=True)
class Coded:
    """One column of a row group: which of its values each row has, null where it has none, and the values' terms."""

    key: str
    codes: pa.Array
    terms: Hashes

    @property
    def is_paired(self) -> bool:
        """A value that every row has tells of a pair no more than the other value alone."""
        values = len(self.terms)
        return 0 < values <= MAX_VALUES and (values > 1 or self.codes.null_count > 0)

    def filled(self) -> Codes:
        """The codes, and one more than the last where there is none."""
        codes: Codes = pc.fill_null(self.codes, len(self.terms)).to_numpy()
        return codes


def of_two(one: int, other: int) -> int:
    """The term of a pair of values, by their own terms, whichever comes first."""
    return int(_of_two(np.array([one], np.uint64), np.array([other], np.uint64))[0])


def _of_two(one: Hashes, other: Hashes) -> Hashes:
    return terms.mixed(one + other + terms.ODD)


@lru_cache(maxsize=4096)
def unpaired(key: str) -> tuple[int, int]:
    """Two terms of row groups whose pairs with values of this key were not looked for. Two, since one in a hundred
    filters holds any single one by chance."""
    return terms.of_text(UNPAIRED, key), terms.of_text(UNPAIRED, f"{key}\0")


def of_columns(columns: Sequence[Coded]) -> Hashes:
    able = sorted((column for column in columns if column.is_paired), key=lambda column: -len(column.terms))
    paired, left = able[:MAX_COLUMNS], able[MAX_COLUMNS:]
    left += [column for column in columns if not column.is_paired]
    # Integers and texts of one key are two columns: where one of them is left out, pairs of the key tell nothing.
    found = [np.array([term for column in left for term in unpaired(column.key)], np.uint64)]
    if len(paired) > 1:
        found.append(_pairs(_distinct_rows(paired), paired))
    return np.concatenate(found)


def _distinct_rows(columns: Sequence[Coded]) -> list[Codes]:
    """The columns' codes in rows that differ: most rows are like many others."""
    codes = [column.filled() for column in columns]
    mixed = np.zeros(len(codes[0]), np.uint64)
    for part in codes:
        mixed = mixed * terms.ODD + part.astype(np.uint64)
    _, first = np.unique(mixed, return_index=True)
    return [part[first] for part in codes]


def _pairs(rows: Sequence[Codes], columns: Sequence[Coded]) -> Hashes:
    """Values that occur in the very same rows are compared with the others once for all of them."""
    starts = np.cumsum([0, *(len(column.terms) for column in columns)])
    is_in = np.zeros((int(starts[-1]), len(rows[0])), bool)
    for codes, column, start in zip(rows, columns, starts.tolist(), strict=False):
        there = np.flatnonzero(codes < len(column.terms))
        is_in[start + codes[there], there] = True
    values = np.concatenate([column.terms for column in columns])
    owners = np.repeat(np.arange(len(columns)), np.diff(starts))
    bits = np.packbits(is_in, axis=1)
    words = np.pad(bits, ((0, 0), (0, -bits.shape[1] % 8))).view(np.uint64)
    numbers: dict[bytes, int] = {}
    kind = np.array([numbers.setdefault(row.tobytes(), len(numbers)) for row in words])
    kinds = np.frombuffer(b"".join(numbers), np.uint64).reshape(len(numbers), -1)
    meets = _meets(kinds)[np.ix_(kind, kind)]
    one, other = np.nonzero(meets & (owners[:, None] < owners))
    return _of_two(values[one], values[other])


def _meets(sets: Hashes) -> npt.NDArray[np.bool_]:
    """Which of the sets, a row of bits each, have an element in common."""
    at_once = max(1, AT_ONCE // sets.size)
    starts = range(0, len(sets), at_once)
    return np.concatenate([(sets[at : at + at_once, None] & sets[None]).any(axis=2) for at in starts])
