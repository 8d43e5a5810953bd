"""What a reader sees at one moment: the manifest's segments, and the hot files beyond what they cover.

Nothing locks. The hot folder is listed before the manifest is read, so that a batch that moves from one to the
other meanwhile is in at least one; names tell which is which. Whoever then misses a file takes a new snapshot.
"""

from __future__ import annotations

import threading
import time
from dataclasses import dataclass
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from tracestitch_collector.columns import FINDINGS, LOGS, SPANS
from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.store.embedded import hot, manifest, rollups
from tracestitch_collector.store.embedded.footers import Footers
from tracestitch_collector.store.embedded.hot import HotName, Tables
from tracestitch_collector.store.embedded.layout import Layout
from tracestitch_collector.store.embedded.manifest import Manifest, Segment, Signal
from tracestitch_collector.store.embedded.rollups import Rollup
from tracestitch_collector.store.embedded.row_groups import RowGroups
from tracestitch_collector.store.embedded.segments import unreadable
from tracestitch_collector.store.embedded.trace_index import TraceIndex

ATTEMPTS = 50
PAUSE_S = 0.01
ATTRIBUTE = "attr."


@dataclass(frozen=True, slots=True, kw_only=True)
class Source:
    """Rows of one signal: segment files, and the hot rows as one table."""

    signal: Signal
    segments: tuple[Segment, ...]
    folder: str
    hot: pa.Table
    file_attributes: frozenset[str]
    """Attribute columns that occur in the files."""
    hot_attributes: frozenset[str]

    @property
    def attributes(self) -> frozenset[str]:
        return self.file_attributes | self.hot_attributes

    @property
    def files(self) -> list[str]:
        return [f"{self.folder}/{segment.file_name}" for segment in self.segments]

    @property
    def rows(self) -> int:
        return sum(segment.rows for segment in self.segments) + len(self.hot)


@dataclass(frozen=True, slots=True, kw_only=True)
class Snapshot:
    layout: Layout
    folder: str
    """Of the segments."""
    manifest: Manifest
    hot: Tables
    damaged: frozenset[str]
    """Files that could not be read; they are passed over."""
    _known: KnownFiles

    footers: Footers

    def path(self, segment: Segment) -> str:
        """Of the Parquet file. Text, since a question names hundreds of files."""
        return f"{self.folder}/{segment.file_name}"

    def row_groups(self, segment: Segment) -> RowGroups:
        return self._known.row_groups(f"{self.folder}/{segment.facts_name}", segment)

    def rollup(self, segment: Segment) -> Rollup | None:
        return self._known.rollup(f"{self.folder}/{segment.rollup_name}")

    def index(self, segment: Segment) -> TraceIndex:
        return self._known.index(f"{self.folder}/{segment.index_name}")

    def segments(self, signal: Signal) -> tuple[Segment, ...]:
        return tuple(
            segment
            for segment in self.manifest.segments
            if segment.signal == signal and segment.file_name not in self.damaged
        )

    def source(
        self,
        signal: Signal,
        start_ns: int = 0,
        end_ns: int = 2**63 - 1,
        service: str = "",
        received_after_ns: int = -1,
    ) -> Source:
        """The rows that may lie in the window, pruned by what the manifest knows of each segment."""
        segments = tuple(
            segment
            for segment in self.segments(signal)
            if segment.overlaps(start_ns, end_ns)
            and segment.may_hold(service)
            and segment.max_received_ns > received_after_ns
        )
        table = self.hot.spans if signal == "spans" else self.hot.logs
        paths = [self.path(segment) for segment in segments]
        return Source(
            signal=signal,
            segments=segments,
            folder=self.folder,
            hot=table,
            file_attributes=frozenset().union(*map(self._known.attributes, paths)),
            hot_attributes=frozenset(name for name in table.column_names if name.startswith(ATTRIBUTE)),
        )


class KnownFiles:
    """Attribute columns, trace index and row groups of each segment; files never change, so each is looked into once."""

    def __init__(self) -> None:
        self._known: dict[str, frozenset[str]] = {}
        self._indices: dict[str, TraceIndex] = {}
        self._row_groups: dict[str, RowGroups] = {}
        self._rollups: dict[str, Rollup | None] = {}

    def rollup(self, path: str) -> Rollup | None:
        if path not in self._rollups:
            self._rollups[path] = rollups.read(Path(path))
        return self._rollups[path]

    def row_groups(self, path: str, segment: Segment) -> RowGroups:
        known = self._row_groups.get(path)
        if known is None:
            known = self._row_groups[path] = RowGroups(Path(path), segment)
        return known

    def index(self, path: str) -> TraceIndex:
        known = self._indices.get(path)
        if known is None:
            known = self._indices[path] = TraceIndex(Path(path))
        return known

    def attributes(self, path: str) -> frozenset[str]:
        known = self._known.get(path)
        if known is None:
            names = pq.read_schema(path).names
            known = self._known[path] = frozenset(name for name in names if name.startswith(ATTRIBUTE))
        return known

    def keep(self, paths: set[str]) -> None:
        self._known = {path: names for path, names in self._known.items() if path in paths}
        self._indices = {path: index for path, index in self._indices.items() if path in paths}
        self._rollups = {path: rollup for path, rollup in self._rollups.items() if path in paths}
        self._row_groups = {path: told for path, told in self._row_groups.items() if path in paths}


class Snapshots:
    """Takes snapshots, and keeps between them what has not changed. Safe to use from several threads."""

    def __init__(self, layout: Layout) -> None:
        self._layout = layout
        self._folder = str(layout.segments)
        self._lock = threading.Lock()
        self._manifest = Manifest()
        self._manifest_mark: tuple[int, int, int] | None = None
        self._parsed: dict[HotName, Tables] = {}
        self._joined: tuple[tuple[HotName, ...], Tables] = ((), _nothing())
        self._known = KnownFiles()
        self._footers = Footers()
        self._damaged: set[str] = set()

    def close(self) -> None:
        self._footers.close()

    def take(self) -> Snapshot:
        with self._lock:
            for _ in range(ATTEMPTS):
                try:
                    return self._take()
                except _Moved:
                    time.sleep(PAUSE_S)
        raise Unavailable(f"{self._layout.data} changes faster than it can be read; try again")

    def set_aside_unreadable(self, snapshot: Snapshot) -> None:
        """Looks for segments that are there and cannot be read, and passes over them from now on."""
        names = [segment.file_name for segment in snapshot.manifest.segments]
        found = {name for name in names if unreadable(self._layout.segments / name)}
        with self._lock:
            self._damaged |= found

    def _take(self) -> Snapshot:
        names = hot.listed(self._layout.hot) if self._layout.hot.exists() else []
        current = self._read_manifest()
        chosen = hot.chain(names, current.run, current.hot_covered)
        if chosen is None:
            raise _Moved
        return Snapshot(
            layout=self._layout,
            folder=self._folder,
            manifest=current,
            hot=self._tables(tuple(chosen)),
            damaged=frozenset(self._damaged),
            _known=self._known,
            footers=self._footers,
        )

    def _read_manifest(self) -> Manifest:
        try:
            status = self._layout.manifest.stat()
        except FileNotFoundError:
            return Manifest()
        mark = (status.st_ino, status.st_mtime_ns, status.st_size)
        if mark != self._manifest_mark:
            try:
                self._manifest = manifest.load(self._layout)
            except BadConfiguration as error:
                raise Unavailable(str(error)) from error
            self._manifest_mark = mark
            paths = {f"{self._folder}/{name}" for name in self._manifest.files()}
            self._known.keep(paths)
            self._footers.keep(paths)
        return self._manifest

    def _tables(self, names: tuple[HotName, ...]) -> Tables:
        if names != self._joined[0]:
            try:
                self._parsed = {name: self._parsed.get(name) or self._hot(name) for name in names}
            except FileNotFoundError:
                raise _Moved from None
            self._joined = (names, hot.side_by_side([_nothing(), *self._parsed.values()]))
        return self._joined[1]

    def _hot(self, name: HotName) -> Tables:
        try:
            return hot.read(self._layout.hot, name)
        except pa.ArrowException:  # damaged: the logs hold it, and the writer makes it again
            return _nothing()


class _Moved(Exception):
    """A file is not where it was when the folder was listed."""


def _nothing() -> Tables:
    return Tables(
        spans=hot.compact(SPANS.empty_table()),
        logs=hot.compact(LOGS.empty_table()),
        findings=FINDINGS.empty_table(),
    )
