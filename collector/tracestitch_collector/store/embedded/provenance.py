"""What each segment's file says about itself: its entry in the manifest and the sync that wrote it, so that a lost
manifest can be made again.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import pyarrow.parquet as pq

from tracestitch_collector.store.embedded.manifest import Segment

KEY = "tracestitch"


@dataclass(frozen=True, slots=True, kw_only=True)
class Provenance:
    """The files of one sync count together or not at all."""

    run: int
    sync: int
    covered: Mapping[str, int]
    duplicates: int
    files: tuple[str, ...] = ()
    """Every file that the sync makes of what is new."""
    replaces: tuple[str, ...] = ()
    """The files that were merged into this one."""


def metadata(segment: Segment, provenance: Provenance) -> dict[str, str]:
    return {KEY: json.dumps({"segment": asdict(segment), "provenance": asdict(provenance)})}


def read(path: Path) -> tuple[Segment, Provenance]:
    """Raises an OSError, a KeyError, a TypeError or a ValueError on a file that is not what it should be."""
    with pq.ParquetFile(path) as file:
        document = json.loads(file.metadata.metadata[KEY.encode()])
    told = document["provenance"]
    segment = Segment(**{**document["segment"], "services": tuple(document["segment"]["services"])})
    beside = [path.with_name(name) for name in segment.file_names[1:]]
    return (
        replace(
            segment,
            bytes=path.stat().st_size,
            beside_bytes=sum(each.stat().st_size for each in beside if each.exists()),
        ),
        Provenance(**{**told, "files": tuple(told["files"]), "replaces": tuple(told["replaces"])}),
    )
