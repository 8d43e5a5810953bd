"""In which order rows are written: row groups follow each other in time, and within one of spans traces of one shape
lie together, each with equal kinds of spans together. What repeats then stands side by side, which saves a fifth of
the bytes and much of the reading.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from tracestitch_collector.store.embedded.manifest import Signal

Ints = npt.NDArray[np.int64]

TIME_COLUMN: dict[Signal, str] = {"spans": "start_ns", "logs": "time_ns"}
MIXED = 2_654_435_761
"""Odd and large, so that sums of products with it tell sets of kinds apart mostly."""
REACH = 2**31


def row_groups(table: pa.Table, signal: Signal, size: int) -> Iterator[Ints]:
    """The rows of each row group, in order. The table's texts are dictionaries."""
    times = table[TIME_COLUMN[signal]].to_numpy()
    if signal == "logs":
        yield from _cut(np.argsort(times, kind="stable"), size)
        return
    traces = table["trace_id"].combine_chunks().dictionary_encode().indices.to_numpy()
    begins: Ints = np.full(int(traces.max(initial=-1)) + 1, 2**63 - 1, np.int64)
    np.minimum.at(begins, traces, times)
    kinds = _kinds(table)
    for rows in _cut(np.lexsort((times, traces, begins[traces])), size):
        yield rows[_by_shape(traces[rows], kinds[rows])]


def _cut(order: Ints, size: int) -> Iterator[Ints]:
    """Equal parts of about the size."""
    each = -(-len(order) // max(1, round(len(order) / size)))
    for start in range(0, len(order), each):
        yield order[start : start + each]


def _kinds(table: pa.Table) -> Ints:
    """A number for each combination of service and name."""
    service, name = (table[column].combine_chunks() for column in ("service_name", "name"))
    codes: Ints = service.indices.to_numpy().astype(np.int64) * len(name.dictionary)
    codes += name.indices.to_numpy()
    return codes % REACH


def _by_shape(traces: npt.NDArray[np.int32], kinds: Ints) -> Ints:
    """Rows of whole traces in their order, put in another: traces that have the same kinds of spans together, and
    a trace's spans by kind, then in their order."""
    first = np.flatnonzero(np.concatenate(([True], traces[1:] != traces[:-1])))
    lengths = np.diff(np.append(first, len(traces)))
    shapes = np.add.reduceat((kinds + 1) * MIXED >> 7 & 0xFFFFFFFF, first)
    place = np.empty(len(first), np.int64)
    place[np.argsort(shapes, kind="stable")] = np.arange(len(first))
    order: Ints = np.argsort(np.repeat(place, lengths) * REACH + kinds, kind="stable")
    return order
