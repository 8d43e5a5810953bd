"""Opening the store after whatever happened to it: what is damaged is set aside, a manifest that is no longer one is
made again from what the segments say about themselves, and what no manifest names goes.
"""

from __future__ import annotations

import logging
from collections.abc import Collection, Iterable, Mapping
from dataclasses import replace
from pathlib import Path

from tracestitch_collector.store.embedded import digests, findings, hot, manifest, provenance
from tracestitch_collector.store.embedded.layout import Layout, remove
from tracestitch_collector.store.embedded.manifest import CorruptManifest, DigestFile, Manifest, Segment
from tracestitch_collector.store.embedded.provenance import Provenance

logger = logging.getLogger(__name__)

UNREADABLE = (OSError, KeyError, TypeError, ValueError)  # Arrow's own errors are ValueErrors
FINDINGS = ".findings.parquet"
DIGESTS = ".digests"
LOCK = "writer.lock"


def sound_manifest(layout: Layout) -> Manifest:
    """The manifest without the segments whose files are not there in their full length."""
    try:
        found = manifest.load(layout)
    except CorruptManifest as error:
        logger.error("%s; it is set aside and made again from the segments", error)  # noqa: TRY400 - no traceback
        found = rebuilt(layout)
        _set_aside(layout, layout.manifest)
    sizes: Mapping[str, int] = {path.name: path.stat().st_size for path in layout.segments.iterdir()}
    damaged = {segment for segment in found.segments if sizes.get(segment.file_name) != segment.bytes}
    return without(layout, _with_readable_others(layout, found), damaged)


def _with_readable_others(layout: Layout, found: Manifest) -> Manifest:
    """Without digests or findings that cannot be read: checks find again what is wrong, and a request that is sent again
    is at worst shown once and counted twice."""
    lost = [item.file_name for item in found.digests if not (layout.segments / item.file_name).exists()]
    try:
        findings.read(layout, found.findings)
    except UNREADABLE:
        lost.append(found.findings)
        _set_aside(layout, layout.segments / found.findings)
        found = replace(found, findings="")
    for name in lost:
        logger.error("%s of the store in %s cannot be read; going on without it", name, layout.data)
    return replace(
        found,
        digests=tuple(item for item in found.digests if item.file_name not in lost),
        damaged=found.damaged + len(lost),
    )


def without(layout: Layout, current: Manifest, damaged: Collection[Segment]) -> Manifest:
    """The manifest without these segments, whose files go to `damaged/`."""
    for segment in damaged:
        logger.error("%s in %s is damaged; it is set aside", segment.file_name, layout.segments)
        for name in segment.file_names:
            _set_aside(layout, layout.segments / name)
    return replace(
        current,
        segments=tuple(segment for segment in current.segments if segment not in damaged),
        damaged=current.damaged + len(damaged),
    )


def sweep(layout: Layout, live: Manifest) -> None:
    """Removes what no manifest names: hot files of the last run, and files a crash left unnamed."""
    for path in layout.hot.iterdir():
        remove(layout.files, path)
    sweep_segments(layout, live.files())


def sweep_segments(layout: Layout, wanted: Collection[str]) -> bool:
    """Removes every other file; whether all of them are gone."""
    kept = {*wanted, LOCK}
    unwanted = [path for path in layout.segments.iterdir() if path.name not in kept]
    return sum(remove(layout.files, path) for path in unwanted) == len(unwanted)


def rebuilt(layout: Layout) -> Manifest:
    """The manifest as the files in the folder give it: exactly once, whatever the last sync had got to."""
    told, damaged = _told(layout)
    last = max((each.sync for each in told.values()), default=0)
    if not _is_whole(layout, [(s, each) for s, each in told.items() if each.sync == last]):
        # Its manifest never came to be, so the logs still hold what it wrote.
        for path in [path for path in _numbered(layout, "") if path not in _numbered(layout, "", last - 1)]:
            _set_aside(layout, path)
        told = {segment: each for segment, each in told.items() if each.sync != last}
        last = max((each.sync for each in told.values()), default=0)
    replaced = {name for each in told.values() for name in each.replaces}
    covered: dict[str, int] = {}
    for each in told.values():
        covered |= {log: max(position, covered.get(log, 0)) for log, position in each.covered.items()}
    states = [path.name for path in _numbered(layout, FINDINGS, last)]
    runs = [each.run for each in told.values()] + [name.run for name in hot.listed(layout.hot)]
    return Manifest(
        run=max(runs, default=0),
        next_id=max((int(path.name.partition(".")[0]) for path in _numbered(layout, "")), default=0) + 1,
        covered=covered,
        segments=tuple(segment for segment in told if segment.file_name not in replaced),
        digests=tuple(
            DigestFile(id=int(path.stem), max_received_ns=digests.newest(path))
            for path in _numbered(layout, DIGESTS, last)
        ),
        findings=max(states, default=""),
        duplicates=max((each.duplicates for each in told.values()), default=0),
        damaged=damaged,
    )


def _told(layout: Layout) -> tuple[dict[Segment, Provenance], int]:
    """What each readable segment says, by id, and how many cannot be read; those are set aside."""
    told: dict[Segment, Provenance] = {}
    damaged = 0
    for path in _numbered(layout, ".parquet"):
        if path.name.endswith(FINDINGS):
            continue
        try:
            segment, each = provenance.read(path)
        except UNREADABLE:
            damaged += 1
            _set_aside(layout, path)
        else:
            told[segment] = each
    return told, damaged


def _is_whole(layout: Layout, written: Iterable[tuple[Segment, Provenance]]) -> bool:
    """Whether every file of a sync is there, or what it was merged into."""
    there = {segment.file_name for segment, _ in written}
    there |= {name for _, each in written for name in each.replaces}
    there |= {path.name for path in _numbered(layout, DIGESTS)} | {
        path.name for path in _numbered(layout, FINDINGS)
    }
    return all(set(each.files) <= there for _, each in written)


def _numbered(layout: Layout, ending: str, last: int | None = None) -> list[Path]:
    """The files of this kind that begin with a number, up to that number, ascending."""
    found = [
        path
        for path in layout.segments.iterdir()
        if path.name.partition(".")[0].isdecimal() and path.name.endswith(ending)
    ]
    return sorted(path for path in found if last is None or int(path.name.partition(".")[0]) <= last)


def _set_aside(layout: Layout, path: Path) -> None:
    if path.exists():
        layout.damaged.mkdir(exist_ok=True)
        layout.files.rename(path, layout.damaged / path.name)
