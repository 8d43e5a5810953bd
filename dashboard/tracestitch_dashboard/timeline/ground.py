"""What is known about a trace before its rows are laid, and the things that get a row."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import TypeAlias

from tracestitch_collector.model import LogRecord, SpanEvent, Trace
from tracestitch_collector.traces.gaps import Gap
from tracestitch_collector.traces.intervals import Interval
from tracestitch_collector.traces.repeats import Repeat
from tracestitch_collector.traces.tree import Node, Tree


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Ground:
    """What is known about the trace before the rows are laid. Keyed by identity of the span where ids may repeat."""

    trace: Trace
    tree: Tree
    start_ns: int
    duration_ns: int
    path: Mapping[int, Sequence[Interval]]
    gaps: Mapping[int, Sequence[Gap]]
    marks_by_span: Mapping[str, tuple[int, ...]]
    skews: Mapping[str, int]
    big: bool


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Happening:
    """An event of a span that has a row of its own."""

    event: SpanEvent
    node: Node
    place: int


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Missing:
    """A parent that never arrived, with the spans that name it."""

    span_id: str
    nodes: tuple[Node, ...] = field(repr=False)


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Record:
    record: LogRecord
    place: int
    """In the trace's logs."""
    stray: bool = False
    """Its span is not in the trace."""


Item: TypeAlias = Node | Repeat | Record | Happening | Gap | Missing
