"""What goes into one bulk request: a body, which is only taken apart into its documents again where an answer has
something against one of them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tracestitch_collector.store.elasticsearch.documents import Action, actions_in, lines_of


@dataclass(frozen=True, slots=True, kw_only=True)
class Chunk:
    body: bytes
    count: int

    @classmethod
    def of(cls, actions: Sequence[Action]) -> Chunk:
        return cls(body=b"".join(lines_of(actions).to_pylist()), count=len(actions))

    def actions(self) -> list[Action]:
        return actions_in(self.body)


def chunks(arrays: Iterable[pa.Array], limit: int) -> Iterator[Chunk]:
    """Bulk lines in bodies within the limit, across the borders of arrays; a larger document goes alone."""
    parts: list[bytes] = []
    size = count = 0
    for array in arrays:
        first = 0
        while first < len(array):
            last = _fitting(array, first, limit - size)
            if last == first and not parts:
                last = first + 1
            if last > first:
                part = _bytes(array, first, last)
                parts.append(part)
                size += len(part)
                count += last - first
                first = last
            if first < len(array):
                yield Chunk(body=b"".join(parts), count=count)
                parts, size, count = [], 0, 0
    if parts:
        yield Chunk(body=b"".join(parts), count=count)


def _offsets(array: pa.Array) -> npt.NDArray[np.int32]:
    return np.frombuffer(array.buffers()[1], np.int32)[array.offset : array.offset + len(array) + 1]


def _fitting(array: pa.Array, first: int, room: int) -> int:
    """The row after the last that fits."""
    offsets = _offsets(array)
    return max(first, int(np.searchsorted(offsets, offsets[first] + room, side="right")) - 1)


def _bytes(array: pa.Array, first: int, last: int) -> bytes:
    """The rows lie behind each other in memory: that is the body."""
    offsets = _offsets(array)
    content: bytes = array.buffers()[2][int(offsets[first]) : int(offsets[last])].to_pybytes()
    return content
