"""The one writer of the embedded store: batches into hot files, hot files into segments, one manifest rename
that makes them count, and then what is too old or too much goes.
"""

from __future__ import annotations

import fcntl
import os
from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.errors import BadConfiguration, TracestitchError, Unavailable
from tracestitch_collector.store.embedded import digests, findings, hot, manifest, recovery
from tracestitch_collector.store.embedded.hot import HotName, Tables
from tracestitch_collector.store.embedded.layout import Layout, remove, stored_name
from tracestitch_collector.store.embedded.manifest import Manifest, Segment, Signal
from tracestitch_collector.store.embedded.provenance import Provenance
from tracestitch_collector.store.embedded.retention import kept, run_to_merge
from tracestitch_collector.store.embedded.segments import merge_segments, unreadable, write_segment
from tracestitch_collector.store.embedded.tail import Tail
from tracestitch_collector.store.store import Batch, Offsets

NUMBERS_PER_SYNC = 2
"""Of files: what is new, and what is merged."""
QUIET_ARRIVAL = 32_768
"""Fewer rows than this between two syncs leave time for merging large segments."""


@dataclass(frozen=True, slots=True, kw_only=True)
class _Frozen:
    """What one sync makes durable: everything written until it began."""

    hot: tuple[HotName, ...]
    hot_covered: int
    offsets: Offsets
    digests: Mapping[bytes, int]
    duplicates: int


class Writer:
    """One thread writes and begins syncs; the work of a sync may be done by another one meanwhile. What both
    look at (the digests) is replaced whole and never changed in place by the other one."""

    def __init__(
        self, layout: Layout, *, clock: Callable[[], int], retention_ns: int, max_bytes: int
    ) -> None:
        self._layout = layout
        self._clock = clock
        self._retention_ns = retention_ns
        self._max_bytes = max_bytes
        for folder in (layout.hot, layout.segments):
            folder.mkdir(parents=True, exist_ok=True)
        self._lock = _lock(layout.segments / recovery.LOCK)
        try:
            self._open()
        except BaseException as error:
            os.close(self._lock)
            if isinstance(error, OSError):
                raise Unavailable(f"{layout.data} cannot be written: {error}; free space") from error
            raise

    def _open(self) -> None:
        """Begins a new run: what the last one left in hot files is still in the logs and comes again."""
        found = recovery.sound_manifest(self._layout)
        self._manifest = replace(found, run=found.run + 1, hot_covered=0)
        manifest.save(self._layout, self._manifest)
        recovery.sweep(self._layout, self._manifest)
        self._durable_digests = digests.read(self._layout, self._manifest.digests)
        self._frozen_digests: dict[bytes, int] = {}
        self._new_digests: dict[bytes, int] = {}
        self._tail = Tail(self._layout, self._manifest.run)
        self._offsets = dict(self._manifest.covered)
        self._duplicates = self._manifest.duplicates
        self._begun: _Frozen | None = None
        """Of the sync that began last; its work may never be done, then the next one takes it over."""
        self._syncing = False
        self._left_over = False
        """Whether a sync that failed may have left files behind."""

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
                self._tail.append(tables)
        except OSError as error:
            raise Unavailable(f"{self._layout.hot} cannot be written: {error}; free space") from error
        received = digests.received((tables.spans, tables.logs))
        now_ns = self._clock()
        for digest in batch.digests:
            self._new_digests.setdefault(digest, received.get(digest, now_ns))
        self._offsets.update(batch.end)

    def _without_repeats(self, batch: Batch) -> Tables:
        # In the order in which they move on, so that none is missed while a sync ends.
        known = (self._new_digests, self._frozen_digests, self._durable_digests)
        repeated = [digest for digest in batch.digests if any(digest in each for each in known)]
        spans, logs = (_without(table, repeated) for table in (batch.spans, batch.logs))
        self._duplicates += len(batch.spans) - len(spans) + len(batch.logs) - len(logs)
        return Tables(spans=_compact(spans), logs=_compact(logs), findings=batch.findings)

    def sync(self) -> Offsets:
        return self.begin_sync()()

    def begin_sync(self) -> Callable[[], Offsets]:
        """Fixes what is to become durable; the work itself is left to the caller, in any thread, once."""
        if self._syncing:
            raise TracestitchError("a sync of this store is still under way: let it end first")
        names = self._tail.freeze()
        # What a sync that failed had frozen comes along.
        self._frozen_digests = {**self._frozen_digests, **self._new_digests}
        self._new_digests = {}
        frozen = self._begun = _Frozen(
            hot=names,
            hot_covered=self._tail.batches,
            offsets=dict(self._offsets),
            digests=self._frozen_digests,
            duplicates=self._duplicates,
        )
        return lambda: self._finish(frozen)

    def _finish(self, frozen: _Frozen) -> Offsets:
        if frozen is not self._begun:
            raise TracestitchError("the work of a sync was asked for twice, or after another one began")
        self._syncing = True
        try:
            if frozen.hot or frozen.offsets != self._manifest.covered:
                self._make_durable(frozen)
            else:
                self._replace(self._merged(self._manifest, frozen, quiet=True), ())
            return self.covered()
        except OSError as error:
            self._withdraw()
            raise Unavailable(
                f"{self._layout.segments} cannot be written: {error}; free space or lower --max-size"
            ) from error
        finally:
            self._begun = None
            self._syncing = False

    def _make_durable(self, frozen: _Frozen) -> None:
        grown = self._with_frozen(self._manifest, frozen)
        quiet = sum(_rows(grown)) - sum(_rows(self._manifest)) < QUIET_ARRIVAL
        after = self._merged(self._without_expired(grown, frozen), frozen, quiet=quiet)
        self._replace(after, grown.files())
        self._tail.forget()
        self._forget_digests(frozen)
        pa.default_memory_pool().release_unused()

    def _replace(self, after: Manifest, new: Collection[str]) -> None:
        """Makes this the manifest; files of the old one or among the new ones that it does not name go."""
        if after is self._manifest:
            return
        manifest.save(self._layout, after)
        left_behind = (self._manifest.files() | set(new)) - after.files()
        self._manifest = after
        for name in left_behind:
            remove(self._layout.files, self._layout.segments / name)
        if self._left_over:
            self._left_over = not recovery.sweep_segments(self._layout, after.files())

    def _withdraw(self) -> None:
        """After a sync that failed, whose manifest may have got into place all the same: what it does not name goes,
        since a full disk needs the room, and no number is used a second time for something else."""
        self._left_over = True
        self._manifest = replace(self._manifest, next_id=self._manifest.next_id + NUMBERS_PER_SYNC)
        try:
            named = manifest.load(self._layout).files() | self._manifest.files()
        except (OSError, BadConfiguration):
            return
        recovery.sweep_segments(self._layout, named)

    def compact(self) -> int:
        """Merges what can be merged, as quiet times would do by and by; returns how many merges there were."""
        count = 0
        before = len(self._manifest.segments) + 1
        while run_to_merge(self._manifest.segments, quiet=True) and len(self._manifest.segments) < before:
            before = len(self._manifest.segments)  # a full disk leaves as many as there were
            self.sync()
            count += 1
        return count

    def _with_frozen(self, current: Manifest, frozen: _Frozen) -> Manifest:
        """The manifest with everything that is frozen in segments."""
        new_id = current.next_id
        segments = list(current.segments)
        if frozen.hot:
            whole = self._tail.read(frozen.hot)
            parts: tuple[tuple[Signal, pa.Table], ...] = (("spans", whole.spans), ("logs", whole.logs))
            origin = self._origin(frozen, new_id, whole)
            segments += [
                write_segment(self._layout, new_id, signal, table, origin)
                for signal, table in parts
                if len(table)
            ]
            current = self._with_findings(current, whole.findings, new_id)
        files = current.digests
        if frozen.digests:
            files = (*files, digests.write(self._layout, new_id, frozen.digests))
        return replace(
            current,
            hot_covered=frozen.hot_covered,
            next_id=new_id + 1,
            covered=dict(frozen.offsets),
            segments=tuple(segments),
            digests=files,
            duplicates=frozen.duplicates,
        )

    def _origin(self, frozen: _Frozen, sync: int, whole: Tables) -> Provenance:
        names = {
            f"{sync:012d}.spans.parquet": len(whole.spans),
            f"{sync:012d}.logs.parquet": len(whole.logs),
            f"{sync:012d}.findings.parquet": len(whole.findings),
            f"{sync:012d}.digests": max(frozen.digests.values(), default=0) >= self._known_since(frozen),
        }
        return Provenance(
            run=self._manifest.run,
            sync=sync,
            covered=frozen.offsets,
            duplicates=frozen.duplicates,
            files=tuple(name for name, is_there in names.items() if is_there),
        )

    def _with_findings(self, current: Manifest, new: pa.Table, new_id: int) -> Manifest:
        if not len(new):
            return current
        states = findings.states((findings.sound(self._layout, current.findings), new))
        oldest_ns = self._clock() - self._retention_ns
        lasting = {key: state for key, state in states.items() if state.finding.last_seen_ns >= oldest_ns}
        return replace(current, findings=findings.write(self._layout, new_id, lasting))

    def _known_since(self, frozen: _Frozen) -> int:
        """From when on received requests are remembered. Not by the clock alone: what comes again may have waited in
        the log for days, where the pipeline was away, and is then as old as what it repeats."""
        newest = max(max(known.values(), default=0) for known in (self._durable_digests, frozen.digests))
        return min(self._clock(), newest) - digests.KEPT_NS

    def _without_expired(self, current: Manifest, frozen: _Frozen) -> Manifest:
        now_ns = self._clock()
        segments = kept(
            current.segments, oldest_received_ns=now_ns - self._retention_ns, max_bytes=self._max_bytes
        )
        since_ns = self._known_since(frozen)
        files = tuple(item for item in current.digests if item.max_received_ns >= since_ns)
        return replace(current, segments=segments, digests=files)

    def _merged(self, current: Manifest, frozen: _Frozen, *, quiet: bool) -> Manifest:
        parts = run_to_merge(current.segments, quiet=quiet)
        if not parts:
            return current
        try:
            origin = Provenance(
                run=current.run,
                sync=self._manifest.next_id,
                covered=frozen.offsets,
                duplicates=frozen.duplicates,
            )
            whole = merge_segments(self._layout, current.next_id, parts, origin)
        except (OSError, pa.ArrowException):
            # Merging is only tidying up: it must not keep what is new from becoming durable.
            return recovery.without(self._layout, current, self._damaged(parts))
        at = current.segments.index(parts[0])
        others = [segment for segment in current.segments if segment not in parts]
        return replace(current, next_id=current.next_id + 1, segments=(*others[:at], whole, *others[at:]))

    def _damaged(self, parts: list[Segment]) -> set[Segment]:
        return {part for part in parts if unreadable(self._layout.segments / part.file_name)}

    def _forget_digests(self, frozen: _Frozen) -> None:
        oldest_ns = self._known_since(frozen)
        self._durable_digests = {
            digest: moment
            for known in (self._durable_digests, frozen.digests)
            for digest, moment in known.items()
            if moment >= oldest_ns
        }
        self._frozen_digests = {}


def _rows(current: Manifest) -> list[int]:
    return [segment.rows for segment in current.segments]


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
