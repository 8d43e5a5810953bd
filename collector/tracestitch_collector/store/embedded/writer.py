"""The one writer of the embedded store: batches into hot files, hot files into segments, one manifest rename
that makes them count, and then what is too old or too much goes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Mapping
from contextlib import suppress
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.store.embedded import digests, findings, hot, manifest
from tracestitch_collector.store.embedded.hot import FAN_IN, HotName, Tables
from tracestitch_collector.store.embedded.layout import Layout, stored_name, sync_folder
from tracestitch_collector.store.embedded.manifest import Manifest, Segment, Signal
from tracestitch_collector.store.embedded.retention import kept, run_to_merge
from tracestitch_collector.store.embedded.segments import merge_segments, write_segment
from tracestitch_collector.store.store import Batch, Offsets


@dataclass(frozen=True, slots=True)
class _Hot:
    name: HotName
    tables: Tables
    level: int
    """0 for a batch, one more for each merge."""


class Writer:
    def __init__(
        self, layout: Layout, *, clock: Callable[[], int], retention_ns: int, max_bytes: int
    ) -> None:
        self._layout = layout
        self._clock = clock
        self._retention_ns = retention_ns
        self._max_bytes = max_bytes
        for folder in (layout.hot, layout.segments):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(layout.segments / "writer.lock")
        try:
            self._open()
        except BaseException:
            os.close(self._lock)
            raise

    def _open(self) -> None:
        """Begins a new run: what the last one left in hot files is still in the logs and comes again."""
        found = manifest.load(self._layout)
        sound, damaged = _set_aside(self._layout, found)
        self._manifest = replace(
            found, run=found.run + 1, hot_covered=0, segments=sound, damaged=found.damaged + damaged
        )
        manifest.save(self._layout, self._manifest)
        _sweep(self._layout, self._manifest)
        self._durable_digests = digests.read(self._layout, self._manifest.digests)
        self._new_digests: dict[bytes, int] = {}
        self._hot: list[_Hot] = []
        self._batches = 0
        self._offsets = dict(self._manifest.covered)

    def close(self) -> None:
        os.close(self._lock)

    def covered(self) -> Offsets:
        return dict(self._manifest.covered)

    def recent_digests(self, since_ns: int) -> frozenset[bytes]:
        return frozenset(digest for digest, moment in self._durable_digests.items() if moment >= since_ns)

    def write(self, batch: Batch) -> None:
        tables = self._without_repeats(batch)
        try:
            if len(tables.spans) or len(tables.logs) or len(tables.findings):
                self._append(tables)
        except OSError as error:
            raise Unavailable(f"{self._layout.hot} cannot be written: {error}; free space") from error
        received = digests.received((tables.spans, tables.logs))
        now_ns = self._clock()
        for digest in batch.digests:
            self._new_digests.setdefault(digest, received.get(digest, now_ns))
        self._offsets.update(batch.end)

    def _without_repeats(self, batch: Batch) -> Tables:
        repeated = [
            digest
            for digest in batch.digests
            if digest in self._new_digests or digest in self._durable_digests
        ]
        spans, logs = (_without(table, repeated) for table in (batch.spans, batch.logs))
        left_out = len(batch.spans) - len(spans) + len(batch.logs) - len(logs)
        if left_out:
            self._manifest = replace(self._manifest, duplicates=self._manifest.duplicates + left_out)
        return Tables(spans=_compact(spans), logs=_compact(logs), findings=batch.findings)

    def _append(self, tables: Tables) -> None:
        number = self._batches + 1
        self._place(_Hot(HotName(self._manifest.run, number, number), tables, 0))
        self._batches = number
        with suppress(OSError):  # a full disk: the batch itself is in place, merging can wait
            while len(self._hot) >= FAN_IN and self._hot[-FAN_IN].level == self._hot[-1].level:
                self._merge_last()

    def _place(self, item: _Hot) -> None:
        hot.write(self._layout.hot, item.name, item.tables)
        self._hot.append(item)

    def _merge_last(self) -> None:
        parts = self._hot[-FAN_IN:]
        name = HotName(self._manifest.run, parts[0].name.first, parts[-1].name.last)
        whole = _Hot(name, hot.merged([part.tables for part in parts]), parts[0].level + 1)
        hot.write(self._layout.hot, name, whole.tables)
        self._hot[-FAN_IN:] = [whole]
        for part in parts:
            (self._layout.hot / part.name.file_name).unlink()

    def sync(self) -> Offsets:
        if not self._hot and self._offsets == self._manifest.covered:
            return self.covered()
        try:
            grown = self._with_hot(self._manifest)
            after = self._merge_small(self._without_expired(grown))
            manifest.save(self._layout, after)
        except OSError as error:
            raise Unavailable(
                f"{self._layout.segments} cannot be written: {error}; free space or lower --max-size"
            ) from error
        left_behind = (self._manifest.files() | grown.files()) - after.files()
        self._manifest = after
        self._forget_hot()
        for name in left_behind:
            (self._layout.segments / name).unlink(missing_ok=True)
        return self.covered()

    def _with_hot(self, current: Manifest) -> Manifest:
        """The manifest with everything written so far in segments."""
        new_id = current.next_id
        segments = list(current.segments)
        if self._hot:
            whole = hot.merged([item.tables for item in self._hot])
            parts: tuple[tuple[Signal, pa.Table], ...] = (("spans", whole.spans), ("logs", whole.logs))
            segments += [
                write_segment(self._layout, new_id, signal, table) for signal, table in parts if len(table)
            ]
            current = self._with_findings(current, whole.findings, new_id)
        files = current.digests
        if self._new_digests:
            files = (*files, digests.write(self._layout, new_id, self._new_digests))
        return replace(
            current,
            hot_covered=self._batches,
            next_id=new_id + 1,
            covered=dict(self._offsets),
            segments=tuple(segments),
            digests=files,
        )

    def _with_findings(self, current: Manifest, new: pa.Table, new_id: int) -> Manifest:
        if not len(new):
            return current
        states = findings.states((findings.read(self._layout, current.findings), new))
        oldest_ns = self._clock() - self._retention_ns
        lasting = {key: state for key, state in states.items() if state.finding.last_seen_ns >= oldest_ns}
        return replace(current, findings=findings.write(self._layout, new_id, lasting))

    def _without_expired(self, current: Manifest) -> Manifest:
        now_ns = self._clock()
        segments = kept(
            current.segments, oldest_received_ns=now_ns - self._retention_ns, max_bytes=self._max_bytes
        )
        files = tuple(item for item in current.digests if item.max_received_ns >= now_ns - digests.KEPT_NS)
        return replace(current, segments=segments, digests=files)

    def _merge_small(self, current: Manifest) -> Manifest:
        parts = run_to_merge(current.segments)
        if not parts:
            return current
        whole = merge_segments(self._layout, current.next_id, parts)
        at = current.segments.index(parts[0])
        others = [segment for segment in current.segments if segment not in parts]
        return replace(current, next_id=current.next_id + 1, segments=(*others[:at], whole, *others[at:]))

    def _forget_hot(self) -> None:
        for item in self._hot:
            (self._layout.hot / item.name.file_name).unlink(missing_ok=True)
        self._hot = []
        oldest_ns = self._clock() - digests.KEPT_NS
        self._durable_digests = {
            digest: moment
            for known in (self._durable_digests, self._new_digests)
            for digest, moment in known.items()
            if moment >= oldest_ns
        }
        self._new_digests = {}
        pa.default_memory_pool().release_unused()


def _compact(table: pa.Table) -> pa.Table:
    return hot.compact(table.rename_columns([stored_name(name) for name in table.column_names]))


def _without(table: pa.Table, repeated: list[bytes]) -> pa.Table:
    if not repeated or not len(table):
        return table
    seen = pc.is_in(table["request_digest"], value_set=pa.array(repeated, pa.binary(16)))
    return table.filter(pc.invert(seen))


def _lock(path: Path) -> int:
    file = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError as error:
        os.close(file)
        raise BadConfiguration(f"another process writes the store in {path.parent}; stop it first") from error
    return file


def _set_aside(layout: Layout, found: Manifest) -> tuple[tuple[Segment, ...], int]:
    """The segments whose file is there in its full length, and how many are not; those go to `damaged/`."""
    sizes: Mapping[str, int] = {path.name: path.stat().st_size for path in layout.segments.iterdir()}
    sound = tuple(
        segment
        for segment in found.segments
        if sizes.get(segment.file_name) == segment.bytes and segment.index_name in sizes
    )
    for segment in set(found.segments) - set(sound):
        layout.damaged.mkdir(exist_ok=True)
        for name in {segment.file_name, segment.index_name} & sizes.keys():
            os.replace(layout.segments / name, layout.damaged / name)
    return sound, len(found.segments) - len(sound)


def _sweep(layout: Layout, live: Manifest) -> None:
    """Removes what no manifest names: hot files of the last run, and files a crash left unnamed."""
    for path in layout.hot.iterdir():
        path.unlink()
    wanted = live.files() | {"writer.lock"}
    for path in layout.segments.iterdir():
        if path.name not in wanted:
            path.unlink()
    sync_folder(layout.segments)
