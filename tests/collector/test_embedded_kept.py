"""What a reader keeps between questions is bounded, and a file that was removed gives its room back."""

from __future__ import annotations

import os
from pathlib import Path

import pyarrow as pa

from tests.support.telemetry import BASE_NS, SECOND, TRACE_ID, batch, log, span
from tracestitch_collector.store.embedded.kept_columns import KeptColumns
from tracestitch_collector.store.embedded.store import EmbeddedStore


def column(size: int) -> pa.ChunkedArray:
    return pa.chunked_array([pa.array(range(size), pa.int64())])


def test_what_was_used_longest_ago_goes_first() -> None:
    kept = KeptColumns(limit=3 * 10_000)
    for group in range(3):
        kept.keep(("file", group), {"a": column(1_000)})
    assert kept.of(("file", 0)).keys() == {"a"}
    kept.keep(("file", 3), {"a": column(1_000)})
    assert [group for group in range(4) if kept.of(("file", group))] == [0, 2, 3]
    assert kept.bytes <= 30_000


def test_columns_of_one_row_group_come_together_and_count_once() -> None:
    kept = KeptColumns()
    kept.keep(("file", 1), {"a": column(10)})
    kept.keep(("file", 1), {"b": column(10)})
    once = kept.bytes
    kept.keep(("file", 1), {"b": column(10)})
    assert kept.of(("file", 1)).keys() == {"a", "b"}
    assert kept.bytes == once


def test_a_reader_closes_files_that_were_merged_away(tmp_path: Path) -> None:
    store = EmbeddedStore(tmp_path, write=True, clock=lambda: BASE_NS + 60 * SECOND)
    reader = EmbeddedStore(tmp_path, write=False)
    for number in range(30):
        item, record = span(span_id=f"{number + 1:016x}"), log(trace_id=TRACE_ID)
        store.write(batch([item], [record], request=str(number), start=number, end=number + 1))
        store.sync()
        trace = reader.trace(TRACE_ID)
        assert trace is not None
        assert len(trace.spans) == len(trace.logs) == number + 1
    opened = [os.readlink(path) for path in Path("/proc/self/fd").iterdir() if path.is_symlink()]
    gone = [name for name in opened if str(tmp_path) in name and "(deleted)" in name and ".parquet" in name]
    assert gone == []
    reader.close()
    store.close()
