"""Which segments stay and which are merged: decisions only, over the manifest's entries."""

from __future__ import annotations

from collections.abc import Sequence

from tracestitch_collector.store.embedded.manifest import Segment

MERGED_TOGETHER = 8
SMALL_ROWS = (4_096, 32_768)
"""A run of neighbours that are all smaller than one of these becomes one segment at once."""
QUIET_ROWS = 262_144
"""Larger ones wait until little arrives, since merging costs as much as writing."""
MANY = 512
"""So many segments are merged however much arrives: each question looks into all of them."""


def kept(segments: Sequence[Segment], *, oldest_received_ns: int, max_bytes: int) -> tuple[Segment, ...]:
    """Age is that of receiving: a span that claims another time can neither stay for ever nor leave at once.
    What is beyond the size goes oldest first."""
    fresh = [segment for segment in segments if segment.max_received_ns >= oldest_received_ns]
    too_much = sum(segment.whole_bytes for segment in fresh) - max_bytes
    dropped: set[Segment] = set()
    for segment in sorted(fresh, key=lambda item: item.max_received_ns):
        if too_much <= 0:
            break
        dropped.add(segment)
        too_much -= segment.whole_bytes
    return tuple(segment for segment in fresh if segment not in dropped)


def run_to_merge(segments: Sequence[Segment], *, quiet: bool = False) -> list[Segment]:
    """The first run of small neighbours of one signal; empty where there is none."""
    limits = (*SMALL_ROWS, QUIET_ROWS) if quiet or len(segments) > MANY else SMALL_ROWS
    for signal in ("spans", "logs"):
        neighbours = [segment for segment in segments if segment.signal == signal]
        for limit in limits:
            run: list[Segment] = []
            for segment in neighbours:
                run = [*run, segment] if segment.rows < limit else []
                if len(run) == MERGED_TOGETHER:
                    return run
    return []
