"""The newest traces that match, a page at a time. A trace counts by its earliest match, which may lie far before the
match that was found first: a trace is settled once all its spans have been looked at.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace

import numpy as np
import pyarrow as pa

from tracestitch_collector.store.embedded import summaries, walk
from tracestitch_collector.store.embedded.conditions import Conditions
from tracestitch_collector.store.embedded.footers import TableRows
from tracestitch_collector.store.embedded.snapshot import Snapshot
from tracestitch_collector.store.embedded.trace import in_one_place, rows_of_traces
from tracestitch_collector.store.embedded.walk import OLDEST, Deadline
from tracestitch_collector.store.store import TracePage, Window

FEW = 200
"""Rows that are sooner gone through one by one."""


@dataclass(frozen=True, slots=True)
class After:
    """Where a page begins: traces whose earliest match is before, or at the same moment and of a greater id."""

    start_ns: int
    trace_id: bytes


@dataclass(kw_only=True)
class Newest:
    snapshot: Snapshot
    asked: Conditions
    deadline: Deadline
    wanted: int
    after: After | None
    _open: dict[bytes, int] = field(default_factory=dict)
    """Traces found so far with the earliest match among what was walked over."""
    _settled: dict[bytes, int] = field(default_factory=dict)
    """Traces with their earliest match of all."""
    _reached_ns: int = 2**63 - 1

    def page(self, service: str) -> TracePage:
        """One more than wanted is settled, to know whether there is a next page."""
        if self.after is not None:
            # A match after the cursor cannot be the earliest one of a trace of this page.
            end_ns = min(self.asked.window.end_ns, self.after.start_ns + 1)
            self.asked.window = Window(start_ns=self.asked.window.start_ns, end_ns=end_ns)
        late = False
        columns = {"trace_id", "start_ns"}
        for step in walk.steps(self.snapshot, "spans", self.asked, columns, service=service):
            for rows in step.rows:
                self._note(rows)
            self._reached_ns = step.frontier_ns
            self._settle()
            if self._is_enough():
                break
            if self.deadline.is_over and step.frontier_ns != OLDEST:
                late = True
                break
        return self._page(late)

    def _note(self, rows: pa.Table) -> None:
        if not len(rows):
            return
        found, starts = earliest(rows)
        for trace_id, start_ns in zip(found, starts, strict=True):
            if trace_id not in self._settled:
                self._open[trace_id] = min(start_ns, self._open.get(trace_id, start_ns))

    def _best(self) -> list[tuple[int, bytes]]:
        """What is settled, in the order of the answer."""
        found = [(-start_ns, trace_id) for trace_id, start_ns in self._settled.items()]
        if self.after is not None:
            found = [item for item in found if item > (-self.after.start_ns, self.after.trace_id)]
        return sorted(found)[: self.wanted + 1]

    def _settle(self) -> None:
        """Looks at all spans of the traces that may be among the first and that nothing unseen can precede."""
        while self._open:
            best = self._best()
            last = best[-1] if len(best) > self.wanted else None
            todo = sorted((-start_ns, trace_id) for trace_id, start_ns in self._open.items())
            todo = [item for item in todo if -item[0] > self._reached_ns or self._reached_ns == OLDEST]
            todo = [item for item in todo if last is None or item < last][: self.wanted + 1 - len(best) or 1]
            if not todo:
                return
            todo_ids = [trace_id for _, trace_id in todo]
            whole = in_one_place(self.snapshot, "spans", todo_ids)
            for trace_id in whole:  # where it was found: no more of it is anywhere
                self._settled[trace_id] = self._open.pop(trace_id)
            self._look_at([trace_id for trace_id in todo_ids if trace_id not in whole])

    def _look_at(self, trace_ids: list[bytes]) -> None:
        if not trace_ids:
            return
        columns = self.asked.columns | set(summaries.COLUMNS)
        rows = rows_of_traces(self.snapshot, "spans", trace_ids, columns)
        mask = self.asked.mask(TableRows(rows))
        found, starts = earliest(rows.filter(pa.array(mask)) if mask is not None else rows.slice(0, 0))
        self._settled |= dict(zip(found, starts, strict=True))
        for trace_id in trace_ids:
            del self._open[trace_id]

    def _is_enough(self) -> bool:
        best = self._best()
        return len(best) > self.wanted and -best[-1][0] > self._reached_ns

    def _page(self, late: bool) -> TracePage:
        best = self._best()
        shown = [trace_id for _, trace_id in best[: self.wanted]]
        page = TracePage(traces=summaries.of_traces(self.snapshot, shown))
        if len(best) > self.wanted:
            start_ns, trace_id = best[self.wanted - 1]
            page = replace(page, next_cursor=f"{-start_ns}-{trace_id.hex()}")
        if late:
            page = replace(page, partial=self.deadline.said(f"{len(shown)} traces found so far"))
        return page


def earliest(rows: pa.Table) -> tuple[list[bytes], list[int]]:
    """Each trace of the rows with its earliest start."""
    if len(rows) <= FEW:
        found: dict[bytes, int] = {}
        for trace_id, start_ns in zip(
            rows["trace_id"].to_pylist(), rows["start_ns"].to_pylist(), strict=True
        ):
            found[trace_id] = min(start_ns, found.get(trace_id, start_ns))
        return list(found), list(found.values())
    traces = rows["trace_id"].combine_chunks().dictionary_encode()
    starts = np.full(len(traces.dictionary), 2**63 - 1, np.int64)
    np.minimum.at(starts, traces.indices.to_numpy(), rows["start_ns"].to_numpy())
    return traces.dictionary.to_pylist(), starts.tolist()
