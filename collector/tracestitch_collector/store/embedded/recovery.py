"""Opening the store after whatever happened to it: what is damaged is set aside, what no manifest names goes."""

from __future__ import annotations

import os
from collections.abc import Collection, Mapping
from dataclasses import replace

from tracestitch_collector.store.embedded import manifest
from tracestitch_collector.store.embedded.layout import Layout, sync_folder
from tracestitch_collector.store.embedded.manifest import Manifest, Segment


def sound_manifest(layout: Layout) -> Manifest:
    """The manifest without the segments whose files are not there in their full length."""
    found = manifest.load(layout)
    sizes: Mapping[str, int] = {path.name: path.stat().st_size for path in layout.segments.iterdir()}
    damaged = {
        segment
        for segment in found.segments
        if sizes.get(segment.file_name) != segment.bytes or segment.index_name not in sizes
    }
    return without(layout, found, damaged)


def without(layout: Layout, current: Manifest, damaged: Collection[Segment]) -> Manifest:
    """The manifest without these segments, whose files go to `damaged/`."""
    for segment in damaged:
        layout.damaged.mkdir(exist_ok=True)
        for name in (segment.file_name, segment.index_name):
            if (layout.segments / name).exists():
                os.replace(layout.segments / name, layout.damaged / name)
    return replace(
        current,
        segments=tuple(segment for segment in current.segments if segment not in damaged),
        damaged=current.damaged + len(damaged),
    )


def sweep(layout: Layout, live: Manifest) -> None:
    """Removes what no manifest names: hot files of the last run, and files a crash left unnamed."""
    for path in layout.hot.iterdir():
        path.unlink()
    wanted = live.files() | {"writer.lock"}
    for path in layout.segments.iterdir():
        if path.name not in wanted:
            path.unlink()
    sync_folder(layout.segments)
