"""Which traces the checks look at: the newest of each root operation that have settled, and no more of them
than a laptop holds in memory. What was loaded once is kept until it changes or newer traces take its place.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Protocol, TypeAlias

from tracestitch_collector.model import Trace
from tracestitch_collector.store.store import OperationSummary, TracePage, TraceQuery, TraceSummary, Window

SECOND_NS = 10**9

Operation: TypeAlias = tuple[str, str]
"""(service, name) of a trace's root."""


class Source(Protocol):
    """What of a store is asked here."""

    def search(self, query: TraceQuery) -> TracePage: ...

    def traces(self, trace_ids: Sequence[str]) -> tuple[Trace, ...]: ...

    def operations(self, window: Window, service: str = "") -> tuple[OperationSummary, ...]: ...


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    per_operation: int = 50
    traces: int = 2_000
    spans: int = 40_000
    """Of all traces together: what memory is about."""
    spans_per_trace: int = 10_000
    """A larger trace is left out, and counted."""
    settle_ns: int = 2 * SECOND_NS
    """A trace whose last span arrived later may still grow."""
    settle_orphans_ns: int = 10 * SECOND_NS
    """So may one whose parents are missing; it gets longer."""
    pages: int = 5
    page_size: int = 200
    loaded_at_once: int = 2_000
    """Spans asked of the store in one go."""
    replaced_per_pass: int = 10
    """Newer traces of an operation that has its share already."""
    budget_s: float = 2.0
    """Time for loading in one pass; the rest comes in the next."""
    rare_every_ns: int = 60 * SECOND_NS
    rare_operations: int = 100


@dataclass(frozen=True, slots=True, kw_only=True)
class Kept:
    summary: TraceSummary
    trace: Trace


class Sampler:
    """Holds the sample between passes."""

    def __init__(self, limits: Limits | None = None, timer: Callable[[], float] = time.monotonic) -> None:
        self.limits = limits or Limits()
        self.too_large = 0
        """Traces left out for their size, in the last pass."""
        self.waiting = 0
        """Traces that had not settled, or that the budget did not reach, in the last pass."""
        self.operations: tuple[OperationSummary, ...] = ()
        """Everything that was asked in the window, as of a minute ago at most."""
        self._timer = timer
        self._kept: dict[str, Kept] = {}
        self._rare_asked_ns = 0

    @property
    def traces(self) -> tuple[Trace, ...]:
        """The sample, oldest first."""
        return tuple(kept.trace for kept in sorted(self._kept.values(), key=_age))

    def refresh(self, source: Source, window: Window, now_ns: int) -> bool:
        """Takes in what is new in the window; returns whether the sample changed. Raises `Unavailable`."""
        deadline = self._timer() + self.limits.budget_s
        changed = self._forget(window)
        self.waiting = self.too_large = 0
        summaries = list(self._newest(source, window))
        if now_ns - self._rare_asked_ns >= self.limits.rare_every_ns:
            self._rare_asked_ns = now_ns
            summaries += self._rare(source, window)
        for part in _parts(list(self._wanted(summaries)), self.limits.loaded_at_once):
            if self._timer() > deadline:
                self.waiting += len(part)
            else:
                changed |= self._load(source, part, now_ns)
        return self._trim() or changed

    def _forget(self, window: Window) -> bool:
        """Drops what has left the window."""
        old = [key for key, kept in self._kept.items() if kept.summary.start_ns < window.start_ns]
        for trace_id in old:
            del self._kept[trace_id]
        return bool(old)

    def _newest(self, source: Source, window: Window) -> Iterator[TraceSummary]:
        """Newest first, up to the first page that holds nothing new."""
        query = TraceQuery(window=window, limit=self.limits.page_size)
        for _ in range(self.limits.pages):
            page = source.search(query)
            yield from page.traces
            if not page.next_cursor or not any(map(self._is_new, page.traces)):
                return
            query = replace(query, cursor=page.next_cursor)

    def _rare(self, source: Source, window: Window) -> list[TraceSummary]:
        """Operations that drown among the busy ones are asked for by name."""
        counts: dict[Operation, int] = {}
        for kept in self._kept.values():
            for place in {(span.service, span.name) for span in kept.trace.spans}:
                counts[place] = counts.get(place, 0) + 1
        found: list[TraceSummary] = []
        self.operations = source.operations(window)
        for operation in self.operations[: self.limits.rare_operations]:
            have = counts.get((operation.service, operation.operation), 0)
            if have < min(self.limits.per_operation, operation.requests):
                query = TraceQuery(
                    window=window,
                    service=operation.service,
                    operation=operation.operation,
                    limit=self.limits.per_operation,
                )
                found += source.search(query).traces
        return found

    def _wanted(self, summaries: Iterable[TraceSummary]) -> Iterator[TraceSummary]:
        """Each trace once: all while its operation has less than its share, then some newer ones."""
        have: dict[Operation, int] = {}
        for kept in self._kept.values():
            have[_operation(kept.summary)] = have.get(_operation(kept.summary), 0) + 1
        taken: dict[Operation, int] = {}
        seen: set[str] = set()
        for summary in summaries:
            if summary.trace_id in seen or not self._is_new(summary):
                continue
            seen.add(summary.trace_id)
            place = _operation(summary)
            room = max(self.limits.per_operation - have.get(place, 0), self.limits.replaced_per_pass)
            if taken.get(place, 0) < room:
                taken[place] = taken.get(place, 0) + 1
                yield summary

    def _is_new(self, summary: TraceSummary) -> bool:
        kept = self._kept.get(summary.trace_id)
        return kept is None or (kept.summary.span_count, kept.summary.log_count) != (
            summary.span_count,
            summary.log_count,
        )

    def _load(self, source: Source, part: Sequence[TraceSummary], now_ns: int) -> bool:
        fitting = [one for one in part if one.span_count <= self.limits.spans_per_trace]
        self.too_large += len(part) - len(fitting)
        summaries = {summary.trace_id: summary for summary in fitting}
        changed = False
        for trace in source.traces(list(summaries)):
            if self._settled(trace, now_ns):
                self._kept[trace.trace_id] = Kept(summary=summaries[trace.trace_id], trace=trace)
                changed = True
            else:
                self.waiting += 1
        return changed

    def _settled(self, trace: Trace, now_ns: int) -> bool:
        ids = {span.span_id for span in trace.spans}
        orphans = any(span.parent_span_id and span.parent_span_id not in ids for span in trace.spans)
        wait_ns = self.limits.settle_orphans_ns if orphans else self.limits.settle_ns
        return max(span.received_ns for span in trace.spans) <= now_ns - wait_ns

    def _trim(self) -> bool:
        """Keeps the newest of each operation, then the newest of all, as far as the limits reach."""
        keep: dict[str, Kept] = {}
        counts: dict[Operation, int] = {}
        spans = 0
        for kept in sorted(self._kept.values(), key=_age, reverse=True):
            place = _operation(kept.summary)
            spans += len(kept.trace.spans)
            counts[place] = counts.get(place, 0) + 1
            if (
                counts[place] <= self.limits.per_operation
                and len(keep) < self.limits.traces
                and spans <= self.limits.spans
            ):
                keep[kept.summary.trace_id] = kept
            else:
                spans -= len(kept.trace.spans)
        dropped = len(self._kept) - len(keep)
        self._kept = keep
        return dropped > 0


def _parts(summaries: Sequence[TraceSummary], spans: int) -> Iterator[list[TraceSummary]]:
    """In order, cut so that each part has about so many spans."""
    part: list[TraceSummary] = []
    size = 0
    for summary in summaries:
        part.append(summary)
        size += summary.span_count
        if size >= spans:
            yield part
            part, size = [], 0
    if part:
        yield part


def _operation(summary: TraceSummary) -> Operation:
    return summary.root_service, summary.root_name


def _age(kept: Kept) -> tuple[int, str]:
    return kept.summary.start_ns, kept.summary.trace_id
