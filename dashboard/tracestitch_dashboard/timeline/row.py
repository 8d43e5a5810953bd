"""One row of the timeline, and the timeline: what the page, its twin and the script draw from."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

from tracestitch_collector.model import LogRecord, Span, SpanEvent, Trace
from tracestitch_collector.traces.critical_path import Segment
from tracestitch_collector.traces.gaps import Gap
from tracestitch_collector.traces.intervals import Interval
from tracestitch_collector.traces.repeats import Repeat
from tracestitch_collector.traces.tree import Node, Tree
from tracestitch_dashboard.timeline.marks import Mark

RowKind: TypeAlias = Literal["span", "repeat", "log", "exception", "gap", "missing"]
Subject: TypeAlias = Node | Repeat | LogRecord | SpanEvent | Gap | str
"""What the row stands for; the span id of a parent that never arrived."""

TOP = -1


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Row:
    id: str
    """Names the row in addresses; stable as long as the trace does not change."""
    kind: RowKind
    parent: int
    """The row it lies under, by place; TOP for none."""
    name: str
    service: str
    icon: str
    start_ns: int
    """Since the timeline's start, as sent."""
    end_ns: int
    label: str = ""
    badge: str = ""
    level: str = ""
    """Of logs and exceptions: `info`, `warn` or `error`."""
    is_error: bool = False
    solid: tuple[Interval, ...] = ()
    """Its own time; of a repeat, when its members ran."""
    path: tuple[Interval, ...] = ()
    """Where the critical path runs through it."""
    findings: tuple[int, ...] = ()
    """Places in Timeline.marks."""
    log_ticks: tuple[tuple[int, str], ...] = ()
    """When its log records and exceptions were, and their level: drawn on the bar while their rows are off."""
    skew_ns: int = 0
    """What the clock estimate would add to its times."""
    notes: tuple[str, ...] = ()
    """What is odd about it, in words."""
    has_children: bool = False
    folded: bool = False
    """Closed until someone opens it."""
    subject: Subject = field(repr=False)
    span: Span | None = field(default=None, repr=False)
    """The span it is, or lies in."""


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceShare:
    service: str
    path_ns: int
    """On the critical path."""
    spans: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Timeline:
    trace: Trace
    tree: Tree
    rows: tuple[Row, ...] = field(repr=False)
    """In the order of reading, a parent before what lies under it."""
    start_ns: int
    duration_ns: int
    """From the first start to the last end of everything in it; at least 1."""
    segments: tuple[Segment, ...] = field(repr=False)
    shares: tuple[ServiceShare, ...]
    """Most of the critical path first."""
    colours: Mapping[str, int]
    marks: tuple[Mark, ...]
    notes: tuple[str, ...]
    """What is odd or missing about the trace, in words; never repaired in silence."""

    @property
    def root(self) -> Span | None:
        node = self.tree.main_root
        return node.span if node else None
