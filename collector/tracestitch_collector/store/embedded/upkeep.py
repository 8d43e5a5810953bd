"""What an operator does with a store's files: see whether each is what it was written as, what takes the room, and have
what is small merged at once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import UTC, datetime
from pathlib import Path

from tracestitch_collector.errors import BadConfiguration
from tracestitch_collector.store.embedded import digests, findings, manifest, rollups
from tracestitch_collector.store.embedded.layout import Layout
from tracestitch_collector.store.embedded.manifest import Manifest, Segment
from tracestitch_collector.store.embedded.row_groups import RowGroups
from tracestitch_collector.store.embedded.segments import opened, unreadable
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.embedded.trace_index import TraceIndex

READABLE_NS = 253_402_300_799 * 1_000_000_000
"""The last second that has a date of four digits."""


def verify(data: Path) -> Iterator[str]:
    """What is wrong with the files that the manifest names, a line each; nothing where all is well. Reads every byte
    of them, beside a running collector too."""
    layout = Layout(data)
    live = _existing(layout)
    for segment in live.segments:
        for line in _wrong(layout, segment):
            if segment in manifest.load(layout).segments:  # else it was merged or expired meanwhile
                yield line
    for item in live.digests:
        path = layout.segments / item.file_name
        if not _is_readable_digests(path) and item in manifest.load(layout).digests:
            yield f"{item.file_name}: cannot be read; a request that is sent again may be stored twice"
    is_damaged = not _is_readable_findings(layout, live.findings)
    if is_damaged and manifest.load(layout).findings == live.findings:
        yield f"{live.findings}: cannot be read; findings are lost until they are found again"


def _wrong(layout: Layout, segment: Segment) -> Iterator[str]:
    path = layout.segments / segment.file_name
    if not path.exists():
        yield f"{segment.file_name}: is gone, and {segment.rows:,} {segment.signal} with it"
        return
    rows = None if unreadable(path) else _rows(path)
    if rows is None:
        yield f"{segment.file_name}: is damaged: its {segment.rows:,} {segment.signal} cannot be read"
    elif rows != segment.rows:
        yield f"{segment.file_name}: holds {rows:,} {segment.signal}, and the manifest names {segment.rows:,}"
    yield from _wrong_beside(layout, segment)


def _wrong_beside(layout: Layout, segment: Segment) -> Iterator[str]:
    folder = layout.segments
    sound = {
        segment.index_name: TraceIndex(folder / segment.index_name).is_known,
        segment.facts_name: RowGroups(folder / segment.facts_name, segment).is_known,
    }
    if segment.signal == "spans":
        sound[segment.rollup_name] = rollups.read(folder / segment.rollup_name) is not None
    for name, is_sound in sound.items():
        if not is_sound:
            yield f"{name}: is missing or damaged; answers are right all the same, and slower"


def _rows(path: Path) -> int:
    with opened(path) as file:
        rows: int = file.metadata.num_rows
        return rows


def _is_readable_digests(path: Path) -> bool:
    try:
        digests.newest(path)
    except OSError:
        return False
    return True


def _is_readable_findings(layout: Layout, name: str) -> bool:
    try:
        findings.read(layout, name)
    except (OSError, ValueError):  # Arrow's own errors are ValueErrors
        return False
    return True


def stats(data: Path) -> Iterator[str]:
    """How much there is of what, and where the bytes are."""
    layout = Layout(data)
    live = _existing(layout)
    for signal in ("spans", "logs"):
        yield from _of_signal(layout, signal, [each for each in live.segments if each.signal == signal])
    kinds: Counter[str] = Counter()
    for folder in (layout.hot, layout.damaged):
        for path in folder.iterdir() if folder.exists() else ():
            kinds[folder.name] += _size(path)
    yield f"not yet in segments: {kinds['hot']:,} bytes; set aside as damaged: {live.damaged} segments, {kinds['damaged']:,} bytes"
    yield f"repeated requests left out: {live.duplicates:,} items"


def _of_signal(layout: Layout, signal: str, segments: list[Segment]) -> Iterator[str]:
    rows = sum(segment.rows for segment in segments)
    yield f"{signal}: {rows:,} in {len(segments)} segments"
    if not rows:
        return
    first, last = min(each.min_ns for each in segments), max(each.max_ns for each in segments)
    yield f"  from {_moment(first)} to {_moment(last)}"
    sizes: Counter[str] = Counter()
    for segment in segments:
        for name in segment.file_names:
            sizes[name.rpartition(".")[2]] += _size(layout.segments / name)
    told = ", ".join(f"{size:,} {kind}" for kind, size in sizes.most_common())
    yield f"  {sizes.total() / rows:.1f} bytes each: {told}"


def _moment(time_ns: int) -> str:
    if not 0 <= time_ns <= READABLE_NS:
        return f"{time_ns} ns"
    return datetime.fromtimestamp(time_ns // 1_000_000_000, UTC).isoformat().replace("+00:00", "Z")


def _size(path: Path) -> int:
    try:
        return path.stat().st_size
    except FileNotFoundError:  # merged meanwhile, or only missing
        return 0


def compact(data: Path) -> Iterator[str]:
    """Merges what can be merged. The collector must not run: it is the one writer."""
    before = len(_existing(Layout(data)).segments)
    store = EmbeddedStore(data, write=True)
    try:
        merges = store.compact()
    finally:
        store.close()
    after = len(manifest.load(Layout(data)).segments)
    yield f"{merges} merges: {before} segments became {after}"


def _existing(layout: Layout) -> Manifest:
    if not layout.manifest.exists():
        raise BadConfiguration(
            f"{layout.data} holds no store: name the folder that `serve` was given with --data"
        )
    return manifest.load(layout)
