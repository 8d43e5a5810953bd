"""Durations grouped by label columns and histogram bucket: the arithmetic between a table of spans and the
series of a histogram, done by Arrow on whole columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from prometheus_client.samples import Exemplar

from tracestitch_collector.outputs.series import BOUNDS_S


@dataclass(frozen=True, slots=True, kw_only=True)
class Group:
    """The durations with equal labels that fall into one bucket; the exemplar is the latest of them."""

    labels: tuple[str, ...]
    bucket: int
    count: int
    sum_s: float
    exemplar: Exemplar


def group(
    labels: dict[str, pa.ChunkedArray], duration_ns: pa.ChunkedArray, ids: IdColumns
) -> Iterator[Group]:
    """One group per label values and bucket. A negative duration (a clock that went backwards) counts as 0."""
    names = list(labels)
    seconds = np.maximum(duration_ns.to_numpy(), 0) / 1e9
    buckets = np.searchsorted(np.asarray(BOUNDS_S), seconds, side="left").astype(np.int8)
    table = pa.table(
        {**labels, "bucket": buckets, "seconds": seconds, "row": np.arange(len(seconds), dtype=np.int64)}
    )
    grouped = table.group_by([*names, "bucket"]).aggregate(
        [("seconds", "count"), ("seconds", "sum"), ("row", "max")]
    )
    rows = grouped["row_max"]
    exemplars = zip(ids.trace_id.take(rows).to_pylist(), ids.span_id.take(rows).to_pylist(), strict=True)
    columns: Sequence[list[str]] = [grouped[name].to_pylist() for name in names]
    numbers = zip(
        grouped["bucket"].to_pylist(),
        grouped["seconds_count"].to_pylist(),
        grouped["seconds_sum"].to_pylist(),
        seconds[rows.to_numpy()].tolist(),
        strict=True,
    )
    for values, (bucket, count, total, value), (trace_id, span_id) in zip(
        zip(*columns, strict=True), numbers, exemplars, strict=True
    ):
        exemplar = Exemplar({"trace_id": trace_id.hex(), "span_id": span_id.hex()}, value)
        yield Group(labels=tuple(values), bucket=bucket, count=count, sum_s=total, exemplar=exemplar)


@dataclass(frozen=True, slots=True, kw_only=True)
class IdColumns:
    """Where a group's exemplar is taken from, in the order of its durations."""

    trace_id: pa.ChunkedArray
    span_id: pa.ChunkedArray


def text(column: pa.ChunkedArray, otherwise: str) -> pa.ChunkedArray:
    """The column without nulls and empty texts."""
    filled = pc.fill_null(column, otherwise)
    return pc.if_else(pc.equal(filled, ""), otherwise, filled)


def coded(column: pa.ChunkedArray, names: Sequence[str]) -> pa.ChunkedArray:
    """Names for a column of OTLP numbers; numbers that OTLP does not know count as 0."""
    known = pc.and_kleene(pc.greater_equal(column, 0), pc.less(column, len(names)))
    codes = pc.if_else(pc.fill_null(known, False), column, 0)
    return pc.take(pa.array(names, pa.string()), codes)
