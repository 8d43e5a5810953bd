"""What a row group's filter must hold for a search to read it: of each clause one alternative with all its terms. Two
values that are asked for together must have met in a row, where the filter tells of pairs.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from itertools import product

import numpy as np
import numpy.typing as npt

from tracestitch_collector.store.embedded import pairs, row_terms
from tracestitch_collector.store.embedded.row_groups import RowGroups

MAX_PAIRED = 6
"""Of so many values that are asked for, all pairs are looked for."""


@dataclass(frozen=True, slots=True)
class Value:
    """One that a column (by its key) may have, by its term."""

    key: str
    term: int


Alternative = tuple[int, ...]


@dataclass
class Needs:
    _clauses: list[list[Alternative]] = field(default_factory=list)
    _values: list[Sequence[Value]] = field(default_factory=list)
    _numbers: dict[int, int] = field(default_factory=dict)
    """Where each term stands among all."""

    def one_of(self, *alternatives: Alternative) -> None:
        for term in (term for alternative in alternatives for term in alternative):
            self._numbers.setdefault(term, len(self._numbers))
        self._clauses.append(list(alternatives))

    def value(self, values: Sequence[Value], *others: Alternative) -> None:
        """A row must have one of the values; the others say that a row group may have it in some other way."""
        self.one_of(*((value.term,) for value in values), *others)
        for known in self._values[:MAX_PAIRED]:
            if not {value.key for value in known} & {value.key for value in values}:
                self.one_of(*_together(known, values))
        self._values.append(values)

    def met(self, told: RowGroups, groups: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Which of the row groups meet every clause."""
        found = np.ones(len(groups), bool)
        if not self._clauses or not len(groups):
            return found
        holds = told.hold(np.array(list(self._numbers), np.uint64), groups)
        for clause in self._clauses:
            met = np.zeros(len(groups), bool)
            for alternative in clause:
                met |= np.logical_and.reduce([holds[self._numbers[term]] for term in alternative])
            found &= met
        return found


def _together(one: Sequence[Value], other: Sequence[Value]) -> list[Alternative]:
    """The values themselves stand beside their pair: each more says no to most that say yes by chance."""
    met = [(pairs.of_two(a.term, b.term), a.term, b.term) for a, b in product(one, other)]
    keys = sorted({value.key for value in (*one, *other)})
    outside = [row_terms.elsewhere(key) for key in keys if not row_terms.is_own(key)]
    return [*met, *map(pairs.unpaired, keys), *outside, row_terms.ANY_ELSEWHERE]
