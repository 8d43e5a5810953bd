"""Services, their operations and who calls whom: from the roll-ups of segments, and from the spans of what has none
or lies across an edge of the window.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.model import SPAN_KINDS
from tracestitch_collector.store.embedded import rollups
from tracestitch_collector.store.embedded.conditions import clamped
from tracestitch_collector.store.embedded.footers import TableRows
from tracestitch_collector.store.embedded.manifest import Segment
from tracestitch_collector.store.embedded.rollups import MINUTE_NS, SECOND_NS, STEPS, Ints, Rollup
from tracestitch_collector.store.embedded.segments import aligned, plain_schema
from tracestitch_collector.store.embedded.snapshot import Snapshot
from tracestitch_collector.store.embedded.walk import Deadline
from tracestitch_collector.store.store import (
    Bucket,
    Dependency,
    Listed,
    OperationSummary,
    Part,
    ServiceSummary,
    Window,
    part_starts,
)

BUCKETS = 30
WHOLE_MINUTES_NS = 15 * MINUTE_NS
"""A longer window is answered in whole minutes."""
QUANTILES = (0.5, 0.95, 0.99)


def services(snapshot: Snapshot, window: Window, deadline: Deadline) -> Listed[ServiceSummary]:
    window = clamped(window)
    parts, missing = _gathered(snapshot, window, deadline)
    seconds = _Grouped([part.services for part in parts], ("service",))
    operations = _Grouped([part.operations for part in parts], ("service",))
    slow = dict(zip(operations.keys, _percentiles(operations), strict=True))
    named = sorted(enumerate(seconds.keys), key=lambda item: item[1])
    found = (_service(seconds, number, slow.get(key, (0, 0, 0)), window) for number, key in named)
    return Listed.of(found, missing)


def _service(
    seconds: _Grouped, number: int, percentiles: tuple[int, int, int], window: Window
) -> ServiceSummary:
    rows = seconds.rows(number)
    at, requests, errors = rows["second"] * SECOND_NS, rows["requests"], rows["errors"]
    width = (window.end_ns - window.start_ns) / BUCKETS
    place = np.clip((at - window.start_ns) / width, 0, BUCKETS - 1).astype(np.int64)
    by_part = [np.bincount(place, values, BUCKETS).astype(np.int64).tolist() for values in (requests, errors)]
    return ServiceSummary(
        service=seconds.keys[number][0],
        requests=int(requests.sum()),
        errors=int(errors.sum()),
        p50_ns=percentiles[0],
        p95_ns=percentiles[1],
        p99_ns=percentiles[2],
        spans=int(rows["spans"].sum()),
        last_seen_ns=int(rows["last_ns"].max()),
        buckets=tuple(
            Bucket(
                start_ns=window.start_ns + (window.end_ns - window.start_ns) * part // BUCKETS,
                requests=by_part[0][part],
                errors=by_part[1][part],
            )
            for part in range(BUCKETS)
        ),
    )


def operations(
    snapshot: Snapshot, window: Window, service: str, deadline: Deadline
) -> Listed[OperationSummary]:
    parts, missing = _gathered(snapshot, clamped(window), deadline, service)
    tables = [part.operations for part in parts]
    if service:
        tables = [_of(table, {"service": service}) for table in tables]
    grouped = _Grouped(tables, ("service", "operation", "kind"))
    percentiles = _percentiles(grouped)
    found = [
        _operation(key, grouped.rows(number), percentiles[number]) for number, key in enumerate(grouped.keys)
    ]
    found.sort(key=lambda item: (-item.total_ns, item.service, item.operation, item.kind))
    return Listed.of(found, missing)


def _operation(
    key: tuple[Any, ...], rows: dict[str, Ints], percentiles: tuple[int, int, int]
) -> OperationSummary:
    return OperationSummary(
        service=key[0],
        operation=key[1],
        kind=SPAN_KINDS[key[2]],
        requests=int(rows["requests"].sum()),
        errors=int(rows["errors"].sum()),
        p50_ns=percentiles[0],
        p95_ns=percentiles[1],
        p99_ns=percentiles[2],
        total_ns=int(rows["total_ns"].sum()),
    )


def history(
    snapshot: Snapshot, window: Window, service: str, operation: str, *, parts: int
) -> tuple[Part, ...]:
    window = clamped(window)
    if window.end_ns <= window.start_ns:
        return ()
    starts = np.array(part_starts(window, parts), np.int64)
    wanted = {"service": service, "operation": operation} if operation else {"service": service}
    tables = [_of(part.operations, wanted) for part in _parts(snapshot, window, service)]
    rows = _Grouped(tables, ("service",))
    found = rows.rows(0) if rows.keys else {}
    at = np.clip(found["minute"] * MINUTE_NS, window.start_ns, window.end_ns - 1) if found else _joined([])
    place = np.searchsorted(starts, at, "right") - 1
    return tuple(
        _part(int(starts[number]), {name: values[place == number] for name, values in found.items()})
        for number in range(len(starts) - 1)
    )


def _of(table: pa.Table, wanted: dict[str, str]) -> pa.Table:
    for name, value in wanted.items():
        table = table.filter(pc.equal(table[name].cast(pa.string()), value))
    return table


def _part(start_ns: int, rows: dict[str, Ints]) -> Part:
    if not rows or not len(rows["requests"]):
        return Part(start_ns=start_ns, requests=0, errors=0, p50_ns=0, p95_ns=0, p99_ns=0)
    p50, p95, p99 = _of_steps(rows)
    requests, errors = int(rows["requests"].sum()), int(rows["errors"].sum())
    return Part(start_ns=start_ns, requests=requests, errors=errors, p50_ns=p50, p95_ns=p95, p99_ns=p99)


def dependencies(snapshot: Snapshot, window: Window, deadline: Deadline) -> Listed[Dependency]:
    """Calls whose ends lie in different segments are matched here."""
    parts, missing = _gathered(snapshot, clamped(window), deadline)
    loose = [_plain(part.loose) for part in parts if len(part.loose)]
    tables = [part.calls for part in parts]
    if loose:
        tables.append(rollups.matched(pa.concat_tables(loose))[0])
    grouped = _Grouped(tables, ("caller", "callee"))
    found = [
        Dependency(
            caller=key[0], callee=key[1], calls=int(rows["calls"].sum()), errors=int(rows["errors"].sum())
        )
        for number, key in enumerate(grouped.keys)
        for rows in [grouped.rows(number)]
    ]
    return Listed.of(sorted(found, key=lambda item: (item.caller, item.callee)), missing)


def _plain(table: pa.Table) -> pa.Table:
    return aligned(table, plain_schema([table.schema]))


@dataclass(frozen=True, slots=True)
class _Chunk:
    groups: Ints
    columns: dict[str, Ints]


class _Grouped:
    """Rows of many small tables by their keys. Texts are compared once per table, numbers otherwise."""

    def __init__(self, tables: Sequence[pa.Table], names: tuple[str, ...]) -> None:
        self._numbers: dict[tuple[Any, ...], int] = {}
        chunks = [self._chunk(table, names) for table in tables if len(table)]
        self.groups: Ints = _joined([chunk.groups for chunk in chunks])
        self.columns = {
            name: _joined([chunk.columns[name] for chunk in chunks])
            for name in (chunks[0].columns if chunks else ())
        }
        self.keys = list(self._numbers)
        order = np.argsort(self.groups, kind="stable")
        self._order = order
        self._starts = np.searchsorted(self.groups[order], np.arange(len(self.keys) + 1))

    def _chunk(self, table: pa.Table, names: tuple[str, ...]) -> _Chunk:
        combined, texts = np.zeros(len(table), np.int64), []
        for name in names:
            column = table[name].combine_chunks()
            column = column if pa.types.is_dictionary(column.type) else column.dictionary_encode()
            combined = combined * len(column.dictionary) + column.indices.to_numpy()
            texts.append(column.dictionary.to_pylist())
        distinct, codes = np.unique(combined, return_inverse=True)
        numbers = [self._number(int(code), texts) for code in distinct]
        values = [name for name in table.column_names if not pa.types.is_dictionary(table[name].type)]
        return _Chunk(
            np.array(numbers, np.int64)[codes],
            {name: table[name].to_numpy() for name in values if name not in names},
        )

    def _number(self, code: int, texts: list[list[Any]]) -> int:
        key = []
        for known in reversed(texts):
            code, at = divmod(code, len(known))
            key.append(known[at])
        return self._numbers.setdefault(tuple(reversed(key)), len(self._numbers))

    def rows(self, number: int) -> dict[str, Ints]:
        chosen = self._order[self._starts[number] : self._starts[number + 1]]
        return {name: values[chosen] for name, values in self.columns.items()}


def _joined(parts: list[Ints]) -> Ints:
    return np.concatenate(parts) if parts else np.empty(0, np.int64)


def _percentiles(grouped: _Grouped) -> list[tuple[int, int, int]]:
    """Of each group. A step's mean duration stands for its requests."""
    return [_of_steps(grouped.rows(number)) for number in range(len(grouped.keys))]


def _of_steps(rows: dict[str, Ints]) -> tuple[int, int, int]:
    counts = np.bincount(rows["step"], rows["requests"], STEPS)
    totals = np.bincount(rows["step"], rows["total_ns"], STEPS)
    reached = np.cumsum(counts)
    found = []
    for quantile in QUANTILES:
        step = int(np.searchsorted(reached, max(quantile * reached[-1], 1) - 1e-9))
        found.append(int(totals[step] / counts[step]))
    return found[0], found[1], found[2]


def _gathered(
    snapshot: Snapshot, window: Window, deadline: Deadline, service: str = ""
) -> tuple[list[Rollup], str]:
    """As many of the parts as time allows, and what is said where that is not all."""
    found: list[Rollup] = []
    for part in _parts(snapshot, window, service):
        if found and deadline.is_over:
            return found, deadline.said("only the newest spans were counted")
        found.append(part)
    return found, ""


def _parts(snapshot: Snapshot, window: Window, service: str = "") -> Iterator[Rollup]:
    """Roll-ups that together hold the spans of the window, the newest first."""
    if window.end_ns <= window.start_ns:
        return
    if window.end_ns - window.start_ns > WHOLE_MINUTES_NS:
        start_ns = window.start_ns // MINUTE_NS * MINUTE_NS
        window = Window(start_ns=start_ns, end_ns=min(-(-window.end_ns // MINUTE_NS) * MINUTE_NS, 2**63 - 1))
    yield from _of_rows(snapshot.hot.spans, window)
    for segment in sorted(snapshot.segments("spans"), key=lambda segment: -segment.max_ns):
        if segment.overlaps(window.start_ns, window.end_ns) and segment.may_hold(service):
            yield from _of_segment(snapshot, segment, window)


def _of_segment(snapshot: Snapshot, segment: Segment, window: Window) -> Iterator[Rollup]:
    rollup = snapshot.rollup(segment)
    is_inside = window.start_ns <= segment.min_ns and segment.max_ns < window.end_ns
    if rollup is not None and is_inside:
        yield rollup
    elif rollup is not None and window.end_ns - window.start_ns > WHOLE_MINUTES_NS:
        yield rollups.clipped(rollup, window.start_ns, window.end_ns)
    else:
        path = snapshot.path(segment)
        told = snapshot.row_groups(segment)
        facts = told.facts
        for group in np.flatnonzero((facts["min_ns"] < window.end_ns) & (facts["max_ns"] >= window.start_ns)):
            yield from _of_rows(snapshot.footers.read(path, [int(group)], rollups.COLUMNS, told), window)


def _of_rows(table: pa.Table, window: Window) -> Iterator[Rollup]:
    if not len(table):
        return
    some = TableRows(table).columns(rollups.COLUMNS)
    times = some["start_ns"].to_numpy()
    some = some.filter(pa.array((times >= window.start_ns) & (times < window.end_ns)))
    if len(some):
        yield rollups.of_spans(aligned(some, plain_schema([some.schema])))
