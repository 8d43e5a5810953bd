"""Which row groups of a segment hold a trace: a sorted file of hashes beside each segment, searched without
reading it whole. A hash that two traces share costs one row group read for nothing.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

Hashes = npt.NDArray[np.uint32]
CHECKSUM_BYTES = 4
ENTRY = np.dtype([("trace", "<u4"), ("row_group", "<u2")])
"""The file holds all first fields, then all second ones, so that they are searched in place."""
FORMAT = 2
"""Where the checksum begins, so that a file of another format is one that tells nothing."""


def hashes(trace_ids: bytes) -> Hashes:
    """Of 16-byte ids one after the other. Both halves count: some senders fill the first with zeros."""
    halves = np.frombuffer(trace_ids, "<u8").reshape(-1, 2)
    mixed = (halves[:, 1] ^ (halves[:, 0] * np.uint64(0x9E3779B97F4A7C15))) * np.uint64(0xD6E8FEB86659FD93)
    return (mixed >> np.uint64(32)).astype(np.uint32)


def entries(trace_ids: pa.ChunkedArray, row_group: int) -> npt.NDArray[np.void]:
    """The index of one row group; rows without a trace are left out."""
    distinct = pc.drop_null(pc.unique(trace_ids.combine_chunks()))
    content = b"".join(distinct.to_pylist())
    found = np.empty(len(distinct), ENTRY)
    found["trace"] = hashes(content)
    found["row_group"] = row_group
    return found


def write(path: Path, parts: Sequence[npt.NDArray[np.void]]) -> None:
    whole = np.concatenate(parts) if parts else np.empty(0, ENTRY)
    whole.sort(order=("trace", "row_group"))
    content = whole["trace"].tobytes() + whole["row_group"].tobytes()
    path.write_bytes(content + crc32(content, FORMAT).to_bytes(CHECKSUM_BYTES, "little"))


class TraceIndex:
    """One file, mapped. It only saves reading: where it is not what it was written as, every row group may hold
    the trace."""

    def __init__(self, path: Path) -> None:
        content = _sound_content(path)
        self.is_known = content is not None
        if content is not None:
            count = len(content) // ENTRY.itemsize
            self._traces = content[: 4 * count].view("<u4")
            self._row_groups = content[4 * count :].view("<u2")

    def row_groups(self, wanted: Hashes, count: int) -> list[int]:
        """The row groups, of so many, that may hold any of the wanted traces, ascending."""
        if not self.is_known:
            return list(range(count))
        found: set[int] = set()
        firsts = self._traces.searchsorted(wanted, "left").tolist()
        for at, trace in zip(firsts, wanted.tolist(), strict=True):
            while at < len(self._traces) and self._traces[at] == trace:
                found.add(int(self._row_groups[at]))
                at += 1
        return sorted(found)

    def count(self, wanted: Hashes, row_groups: int, places: Counter[int]) -> None:
        """Adds of each of the wanted traces in how many row groups it may be."""
        if not self.is_known:
            places.update(dict.fromkeys(wanted.tolist(), row_groups + 1))
            return
        firsts, ends = (self._traces.searchsorted(wanted, side).tolist() for side in ("left", "right"))
        for trace, first, end in zip(wanted.tolist(), firsts, ends, strict=True):
            places[trace] += end - first


def _sound_content(path: Path) -> npt.NDArray[np.uint8] | None:
    try:
        content = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError):
        return None
    size = len(content) - CHECKSUM_BYTES
    if size < 0 or size % ENTRY.itemsize:
        return None
    written = int.from_bytes(content[size:].tobytes(), "little")
    plain = np.asarray(content[:size])
    return plain if crc32(plain.data, FORMAT) == written else None
