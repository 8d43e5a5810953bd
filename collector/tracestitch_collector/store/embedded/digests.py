"""Identities of recent requests, so that one that is sent again is recognised, also after a restart."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

import numpy as np
import pyarrow as pa

from tracestitch_collector.store.embedded.layout import Layout, place
from tracestitch_collector.store.embedded.manifest import DigestFile

KEPT_NS = 15 * 60 * 1_000_000_000
_ENTRY = struct.Struct("<16sq")


def received(tables: Iterable[pa.Table]) -> dict[bytes, int]:
    """When each request of the tables was received."""
    found: dict[bytes, int] = {}
    for table in tables:
        if len(table):
            column = table["request_digest"]
            if not pa.types.is_dictionary(column.type):
                column = column.dictionary_encode()
            whole = column.unify_dictionaries().combine_chunks()
            latest = np.full(len(whole.dictionary), -1, np.int64)
            np.maximum.at(latest, whole.indices.to_numpy(), table["received_ns"].to_numpy())
            pairs = zip(whole.dictionary.to_pylist(), latest.tolist(), strict=True)
            found |= {digest: moment for digest, moment in pairs if moment >= 0}
    return found


def write(layout: Layout, file_id: int, digests: Mapping[bytes, int]) -> DigestFile:
    file = DigestFile(id=file_id, max_received_ns=max(digests.values()))
    content = b"".join(_ENTRY.pack(digest, moment) for digest, moment in digests.items())

    def write_content(path: Path) -> None:
        path.write_bytes(content)

    place(layout.files, layout.segments / file.file_name, write_content, durable=True)
    return file


def read(layout: Layout, files: Iterable[DigestFile]) -> dict[bytes, int]:
    return {digest: moment for file in files for digest, moment in _entries(layout.segments / file.file_name)}


def newest(path: Path) -> int:
    """When the latest request of the file was received."""
    return max((moment for _, moment in _entries(path)), default=0)


def _entries(path: Path) -> Iterator[tuple[bytes, int]]:
    content = path.read_bytes()
    yield from _ENTRY.iter_unpack(content[: len(content) - len(content) % _ENTRY.size])
