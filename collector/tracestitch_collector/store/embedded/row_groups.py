"""What each row group of a segment holds, told in little, so that a search opens only those that may answer: its times,
its longest duration, its highest severity, and a Bloom filter of its terms. One file beside each segment.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt

from tracestitch_collector.store.embedded import terms
from tracestitch_collector.store.embedded.manifest import Segment
from tracestitch_collector.store.embedded.terms import Hashes

FACT = np.dtype(
    [
        ("rows", "<u4"),
        ("first_block", "<u4"),
        ("blocks", "<u4"),
        ("max_severity", "<i4"),
        ("empty", "<u4"),
        ("min_ns", "<i8"),
        ("max_ns", "<i8"),
        ("max_duration_ns", "<i8"),
    ]
)
CHECKSUM_BYTES = 4
FORMAT = 4
"""Where the checksum begins: raise it with every change of what terms there are, and older files tell nothing."""
COUNT = np.dtype("<u4")


@dataclass(frozen=True, slots=True, kw_only=True)
class Fact:
    """Of one row group."""

    rows: int
    min_ns: int
    max_ns: int
    max_duration_ns: int
    max_severity: int
    empty: int
    """Bits of the fixed columns in which no row has anything: see empty.py."""
    bloom: npt.NDArray[np.uint8]


def write(path: Path, facts: Sequence[Fact]) -> None:
    table = np.zeros(len(facts), FACT)
    first = 0
    for number, fact in enumerate(facts):
        blocks = len(fact.bloom) // terms.BLOCK_BYTES
        table[number] = (
            fact.rows,
            first,
            blocks,
            fact.max_severity,
            fact.empty,
            fact.min_ns,
            fact.max_ns,
            fact.max_duration_ns,
        )
        first += blocks
    parts = [
        np.array([len(facts)], COUNT).tobytes(),
        table.tobytes(),
        *(fact.bloom.tobytes() for fact in facts),
    ]
    content = b"".join(parts)
    path.write_bytes(content + crc32(content, FORMAT).to_bytes(CHECKSUM_BYTES, "little"))


class RowGroups:
    """The file of one segment, mapped. It only saves reading: where it is not what it was written as, every row group
    may hold anything that the manifest says of the segment."""

    def __init__(self, path: Path, segment: Segment) -> None:
        content = _sound(path)
        if content is None:
            self.facts = _unknown(segment)
            self._filters = None
        else:
            count = int(content[: COUNT.itemsize].view(COUNT)[0])
            end = COUNT.itemsize + count * FACT.itemsize
            self.facts = np.frombuffer(content[COUNT.itemsize : end].tobytes(), FACT)
            self._filters = content[end:]
        self._first = self.facts["first_block"].astype(np.uint64)
        self._blocks = self.facts["blocks"].astype(np.uint64)

    @property
    def is_known(self) -> bool:
        """Whether the file is what it was written as."""
        return self._filters is not None

    def hold(self, wanted: Hashes, groups: Sequence[int] | npt.NDArray[np.int64]) -> npt.NDArray[np.bool_]:
        """Of each term, whether each of the row groups may hold it."""
        chosen = np.asarray(groups, np.int64)
        first, blocks = self._first[chosen], self._blocks[chosen]
        if self._filters is None:
            return np.ones((len(wanted), len(first)), bool)
        return terms.may_hold(self._filters, first, blocks, wanted)


def _unknown(segment: Segment) -> npt.NDArray[np.void]:
    facts = np.zeros(segment.row_groups, FACT)
    facts["rows"] = segment.rows
    facts["min_ns"], facts["max_ns"] = segment.min_ns, segment.max_ns
    facts["max_duration_ns"] = 2**63 - 1
    facts["max_severity"] = 2**31 - 1
    return facts


def _sound(path: Path) -> npt.NDArray[np.uint8] | None:
    try:
        content = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError):
        return None
    size = len(content) - CHECKSUM_BYTES
    if size < COUNT.itemsize:
        return None
    written = int.from_bytes(content[size:].tobytes(), "little")
    plain = np.asarray(content[:size])
    return plain if crc32(plain.data, FORMAT) == written else None
