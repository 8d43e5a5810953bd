"""Durations grouped by label columns and histogram bucket: the arithmetic between a table of spans and the
series of a histogram, done by Arrow on whole columns.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
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
    seconds = np.maximum(duration_ns.to_numpy(), 0) / 1e9
    buckets = np.searchsorted(np.asarray(BOUNDS_S), seconds, side="left")
    keys, names = buckets, []
    for column in labels.values():
        codes, distinct = _encoded(column)
        keys = keys * len(distinct) + codes
        names.append(distinct)
    found, places, counts = np.unique(keys, return_inverse=True, return_counts=True)
    rows = np.zeros(len(found), np.int64)
    rows[places] = np.arange(len(keys))  # the last one stays
    exemplars = zip(ids.trace_id.take(rows).to_pylist(), ids.span_id.take(rows).to_pylist(), strict=True)
    columns: list[list[str]] = []
    for distinct in reversed(names):
        columns.insert(0, [distinct[code] for code in found % len(distinct)])
        found = found // len(distinct)
    numbers = zip(
        found.tolist(),
        counts.tolist(),
        np.bincount(places, weights=seconds).tolist(),
        seconds[rows].tolist(),
        strict=True,
    )
    for values, (bucket, count, total, value), (trace_id, span_id) in zip(
        zip(*columns, strict=True), numbers, exemplars, strict=True
    ):
        exemplar = Exemplar({"trace_id": trace_id.hex(), "span_id": span_id.hex()}, value)
        yield Group(labels=tuple(values), bucket=bucket, count=count, sum_s=total, exemplar=exemplar)


def counted(labels: dict[str, pa.ChunkedArray]) -> Iterator[tuple[tuple[str, ...], int]]:
    """How many rows there are of each combination of labels."""
    keys, names = np.zeros(1, np.int64), []
    for column in labels.values():
        codes, distinct = _encoded(column)
        keys = keys * len(distinct) + codes
        names.append(distinct)
    for key, count in zip(*(each.tolist() for each in np.unique(keys, return_counts=True)), strict=True):
        values: list[str] = []
        for distinct in reversed(names):
            key, code = divmod(key, len(distinct))
            values.insert(0, distinct[code])
        yield tuple(values), count


@dataclass(frozen=True, slots=True, kw_only=True)
class IdColumns:
    """Where a group's exemplar is taken from, in the order of its durations."""

    trace_id: pa.ChunkedArray
    span_id: pa.ChunkedArray


def text(column: pa.ChunkedArray, otherwise: str) -> pa.ChunkedArray:
    """The column without nulls and empty texts. Of a dictionary only the distinct texts are looked at."""
    if pa.types.is_dictionary(column.type):
        return pa.chunked_array([_text_of_distinct(chunk, otherwise) for chunk in column.chunks], column.type)
    filled = pc.fill_null(column, otherwise)
    return pc.if_else(pc.equal(filled, ""), otherwise, filled)


def _text_of_distinct(chunk: pa.DictionaryArray, otherwise: str) -> pa.DictionaryArray:
    distinct = [value or otherwise for value in (*chunk.dictionary.to_pylist(), None)]
    codes = pc.fill_null(chunk.indices, len(distinct) - 1)
    return pa.DictionaryArray.from_arrays(codes, pa.array(distinct, pa.string()))


def coded(column: pa.ChunkedArray, names: Sequence[str]) -> pa.ChunkedArray:
    """Names for a column of OTLP numbers; numbers that OTLP does not know count as 0."""
    known = pc.and_kleene(pc.greater_equal(column, 0), pc.less(column, len(names)))
    codes = pc.if_else(pc.fill_null(known, False), column, 0)
    texts = pa.array(names, pa.string())
    return pa.chunked_array(
        [pa.DictionaryArray.from_arrays(chunk.cast(pa.int32()), texts) for chunk in codes.chunks],
        pa.dictionary(pa.int32(), pa.string()),
    )


def _encoded(column: pa.ChunkedArray) -> tuple[npt.NDArray[np.int64], list[str]]:
    """The column as numbers, and what each number stands for. Nulls are none of its business."""
    if not pa.types.is_dictionary(column.type):
        column = column.dictionary_encode()
    whole = column.unify_dictionaries().combine_chunks()
    if isinstance(whole, pa.ChunkedArray):  # an empty column stays chunked
        return np.empty(0, np.int64), [""]
    return whole.indices.to_numpy().astype(np.int64), whole.dictionary.to_pylist()
