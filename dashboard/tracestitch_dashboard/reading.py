"""What pages read again and again within seconds, kept that long: the timelines looked at, the services known."""

from __future__ import annotations

import threading
from collections import OrderedDict
from collections.abc import Mapping
from contextlib import suppress

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.store import Store, Window
from tracestitch_dashboard import figures, palette
from tracestitch_dashboard.timeline import building
from tracestitch_dashboard.timeline.row import Timeline

KEPT = 4
FRESH_NS = 5 * figures.SECOND_NS
"""A page and its panel, rows and twin are asked for within a moment of each other."""
SERVICES_FRESH_NS = 30 * figures.SECOND_NS
SERVICES_LOOKBACK_NS = 3600 * figures.SECOND_NS


class Timelines:
    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._kept: OrderedDict[str, tuple[int, Timeline]] = OrderedDict()

    def get(self, trace_id: str, now_ns: int, colours: Mapping[str, int]) -> Timeline | None:
        with self._lock:
            read_ns, timeline = self._kept.get(trace_id, (0, None))
            if timeline is not None and 0 <= now_ns - read_ns < FRESH_NS:
                return timeline
        trace = self._store.trace(trace_id)
        if trace is None:
            return None
        made = building.build(trace, self._store.findings(), colours)
        with self._lock:
            self._kept[trace_id] = (now_ns, made)
            self._kept.move_to_end(trace_id)
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return made


class KnownServices:
    """Every service seen since the start, for the colours: a service keeps its own while others come."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._colours: Mapping[str, int] = {}
        self._asked_ns = 0

    def colours(self, now_ns: int) -> Mapping[str, int]:
        with self._lock:
            if not 0 <= now_ns - self._asked_ns < SERVICES_FRESH_NS or not self._colours:
                window = Window(start_ns=now_ns - SERVICES_LOOKBACK_NS, end_ns=now_ns + figures.SECOND_NS)
                with suppress(Unavailable):  # who needs the store itself will say so
                    names = [summary.service for summary in self._store.services(window)]
                    self._colours = palette.assign(names, self._colours)
                    self._asked_ns = now_ns
            return self._colours
