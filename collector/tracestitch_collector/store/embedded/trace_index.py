"""Which row groups of a segment hold a trace: a sorted file of hashes beside each segment, searched without
reading it whole. A hash that two traces share costs one row group read for nothing.
"""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Hashes = npt.NDArray[np.uint64]
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
    path.write_bytes(whole.tobytes())


def row_groups(path: Path, wanted: Hashes, count: int) -> list[int]:
    """The row groups, of so many, that may hold any of the wanted traces, ascending. All of them where the index
    is not what it was written as: it only saves reading."""
    try:
        if not path.stat().st_size:
            return []
        index = np.memmap(path, ENTRY, "r")
    except (OSError, ValueError):
        return list(range(count))
    traces = index["trace"]
    first = np.searchsorted(traces, wanted, "left")
    last = np.searchsorted(traces, wanted, "right")
    found = {
        int(group)
        for start, end in zip(first, last, strict=True)
        if end > start
        for group in index["row_group"][start:end]
    }
    return sorted(found) if max(found, default=0) < count else list(range(count))
