"""Which row groups of a segment hold a trace: a sorted file of hashes beside each segment, searched without
reading it whole. A hash that two traces share costs one row group read for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from zlib import crc32

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]
CHECKSUM_BYTES = 4
ENTRY = np.dtype([("trace", "<u8"), ("row_group", "<u4")])


def hashes(trace_ids: bytes) -> Hashes:
    """Of 16-byte ids one after the other. Both halves count: some senders fill the first with zeros."""
    halves = np.frombuffer(trace_ids, "<u8").reshape(-1, 2)
    mixed: Hashes = halves[:, 1] ^ (halves[:, 0] * np.uint64(0x9E3779B97F4A7C15))
    return mixed


def entries(trace_ids: pa.ChunkedArray, row_group: int) -> npt.NDArray[np.void]:
    """The index of one row group; rows without a trace are left out."""
    content = b"".join(set(trace_ids.drop_null().unique().to_pylist()))
    found = np.empty(len(content) // 16, ENTRY)
    found["trace"] = hashes(content)
    found["row_group"] = row_group
    return found


def write(path: Path, parts: Sequence[npt.NDArray[np.void]]) -> None:
    whole = np.concatenate(parts) if parts else np.empty(0, ENTRY)
    whole.sort(order=("trace", "row_group"))
    content = whole.tobytes()
    path.write_bytes(content + crc32(content).to_bytes(CHECKSUM_BYTES, "little"))


class TraceIndex:
    """One file, mapped. It only saves reading: where it is not what it was written as, every row group may hold
    the trace."""

    def __init__(self, path: Path) -> None:
        self._entries = _sound_entries(path)

    def row_groups(self, wanted: Hashes, count: int) -> list[int]:
        """The row groups, of so many, that may hold any of the wanted traces, ascending."""
        if self._entries is None:
            return list(range(count))
        traces = self._entries["trace"]
        first = np.searchsorted(traces, wanted, "left")
        last = np.searchsorted(traces, wanted, "right")
        found = {
            int(group)
            for start, end in zip(first, last, strict=True)
            if end > start
            for group in self._entries["row_group"][start:end]
        }
        return sorted(found)


def _sound_entries(path: Path) -> npt.NDArray[np.void] | None:
    try:
        content = np.memmap(path, np.uint8, "r")
    except (OSError, ValueError):
        return None
    size = len(content) - CHECKSUM_BYTES
    if size < 0 or size % ENTRY.itemsize:
        return None
    written = int.from_bytes(content[size:].tobytes(), "little")
    return content[:size].view(ENTRY) if crc32(content[:size].data) == written else None
