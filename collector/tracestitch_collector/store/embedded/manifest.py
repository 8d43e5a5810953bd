"""The manifest: which segments are live and how far the logs are covered. Renaming a new one into place is the
only moment at which anything becomes part of the store, which makes recovery exactly-once.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from functools import lru_cache
from pathlib import Path
from typing import Any, Literal, TypeAlias

from tracestitch_collector.errors import BadConfiguration
from tracestitch_collector.store.embedded.layout import Layout, place

VERSION = 1

Signal: TypeAlias = Literal["spans", "logs"]

MAX_SERVICES = 200
"""A segment with more names none, and is never passed over by service."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Segment:
    """One Parquet file of spans or log records, with its trace index and its row groups' facts beside it."""

    id: int
    signal: Signal
    rows: int
    row_groups: int
    bytes: int
    min_ns: int
    max_ns: int
    """Of the items' own times; `max_ns` is the latest start."""
    min_received_ns: int
    max_received_ns: int
    services: tuple[str, ...]
    beside_bytes: int = 0
    """Of the files beside the Parquet file."""

    @property
    def whole_bytes(self) -> int:
        return self.bytes + self.beside_bytes

    @property
    def file_name(self) -> str:
        return f"{self.id:012d}.{self.signal}.parquet"

    @property
    def index_name(self) -> str:
        return f"{self.id:012d}.{self.signal}.traces"

    @property
    def facts_name(self) -> str:
        return f"{self.id:012d}.{self.signal}.facts"

    @property
    def rollup_name(self) -> str:
        return f"{self.id:012d}.{self.signal}.rollup"

    @property
    def file_names(self) -> tuple[str, ...]:
        """The Parquet file, and what only saves reading it."""
        beside = (self.index_name, self.facts_name)
        return (self.file_name, *beside, *((self.rollup_name,) if self.signal == "spans" else ()))

    def overlaps(self, start_ns: int, end_ns: int) -> bool:
        return self.min_ns < end_ns and self.max_ns >= start_ns

    def may_hold(self, service: str) -> bool:
        return not service or not self.services or service in self.services


@dataclass(frozen=True, slots=True, kw_only=True)
class DigestFile:
    """Identities of the requests of one sync, kept as long as a request may be sent again."""

    id: int
    max_received_ns: int

    @property
    def file_name(self) -> str:
        return f"{self.id:012d}.digests"


@dataclass(frozen=True, slots=True, kw_only=True)
class Manifest:
    run: int = 0
    """Counts the writers so far: hot files of another run are not part of the store."""
    hot_covered: int = 0
    """The last hot batch of this run that the segments cover."""
    next_id: int = 1
    covered: Mapping[str, int] = field(default_factory=dict)
    segments: tuple[Segment, ...] = ()
    digests: tuple[DigestFile, ...] = ()
    findings: str = ""
    """The file that holds the newest state of every finding; empty when there is none."""
    duplicates: int = 0
    damaged: int = 0
    """Segments that were set aside because they could not be read."""

    def files(self) -> set[str]:
        names = {name for segment in self.segments for name in segment.file_names}
        return names | {item.file_name for item in self.digests} | ({self.findings} - {""})


class CorruptManifest(BadConfiguration):
    """It is not what this program writes."""


def load(layout: Layout) -> Manifest:
    """The manifest; an empty one where the store is new. Raises BadConfiguration when it is not ours to read."""
    try:
        content = layout.manifest.read_bytes()
    except FileNotFoundError:
        return Manifest()
    try:
        document = json.loads(content)
        version = document["version"]
        if version != VERSION and isinstance(version, int):
            raise BadConfiguration(
                f"{layout.manifest} is of version {version}, this program reads version {VERSION}: use the program "
                f"that wrote it, or move {layout.data} away to begin with an empty store"
            )
        return _from_json(document)
    except (ValueError, KeyError, TypeError, AttributeError) as error:
        raise CorruptManifest(f"{layout.manifest} cannot be read ({error})") from error


def save(layout: Layout, manifest: Manifest) -> None:
    """Makes the manifest, and with it everything it names, the store."""
    layout.files.sync_folder(layout.segments)
    others = {**asdict(replace(manifest, segments=())), "version": VERSION}
    del others["segments"]
    segments = ",".join(map(_segment_text, manifest.segments))
    text = f'{json.dumps(others, separators=(",", ":"))[:-1]},"segments":[{segments}]}}'

    def write(path: Path) -> None:
        path.write_text(text)

    place(layout.files, layout.manifest, write, durable=True)
    layout.files.sync_folder(layout.data)


@lru_cache(maxsize=65_536)
def _segment_text(segment: Segment) -> str:
    """Kept, since a manifest is written often and nearly all its segments stay."""
    return json.dumps(asdict(segment), separators=(",", ":"))


def _from_json(document: Mapping[str, Any]) -> Manifest:
    plain = dict(document)
    del plain["version"]
    segments = tuple(
        Segment(**{**item, "services": tuple(item["services"])}) for item in plain.pop("segments")
    )
    digests = tuple(DigestFile(**item) for item in plain.pop("digests"))
    return Manifest(segments=segments, digests=digests, **plain)
