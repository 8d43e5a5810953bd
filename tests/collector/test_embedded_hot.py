"""Hot files: which of them together are the tail, and what is in them."""

from __future__ import annotations

import itertools
from pathlib import Path

import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from tests.support.telemetry import findings_table, log, logs_table, span, spans_table
from tracestitch_collector.store.embedded import hot, tail
from tracestitch_collector.store.embedded.hot import HotName, Tables, chain
from tracestitch_collector.store.embedded.layout import Layout, original_name, stored_name


def tables(*names: str) -> Tables:
    return Tables(
        spans=hot.compact(spans_table([span(name=name, attributes={name: 1}) for name in names])),
        logs=hot.compact(logs_table([log(body=name) for name in names])),
        findings=findings_table([]),
    )


def test_a_file_holds_what_was_written(tmp_path: Path) -> None:
    name, written = HotName(1, 1, 1), tables("a", "b")
    layout = Layout(tmp_path)
    layout.hot.mkdir()
    hot.write(layout, name, written)
    assert hot.listed(layout.hot) == [name]
    read = hot.read(layout.hot, name)
    assert read.spans.equals(written.spans)
    assert read.logs.equals(written.logs)
    assert read.findings.equals(written.findings)


def test_what_was_read_stays_readable_when_the_file_goes(tmp_path: Path) -> None:
    name = HotName(1, 1, 1)
    layout = Layout(tmp_path)
    layout.hot.mkdir()
    hot.write(layout, name, tables("a"))
    read = hot.read(layout.hot, name)
    (layout.hot / name.file_name).unlink()
    assert read.spans["name"].to_pylist() == ["a"]


def test_merging_keeps_rows_and_columns_in_order() -> None:
    merged = hot.merged([tables("a"), tables("b", "c")])
    assert merged.spans["name"].to_pylist() == ["a", "b", "c"]
    assert merged.spans["attr.i.b"].to_pylist() == [None, 1, None]
    assert merged.spans["resource"].num_chunks == 1
    assert pa.types.is_dictionary(merged.spans["resource"].type)


def test_files_chain_up_whatever_else_lies_there() -> None:
    names = [HotName(2, 1, 8), HotName(2, 3, 3), HotName(2, 9, 9), HotName(2, 10, 10), HotName(1, 11, 11)]
    assert chain(names, run=2, covered=0) == [HotName(2, 1, 8), HotName(2, 9, 9), HotName(2, 10, 10)]
    assert chain(names, run=2, covered=8) == [HotName(2, 9, 9), HotName(2, 10, 10)]
    assert chain(names, run=3, covered=0) == []


def test_a_gap_means_to_look_again() -> None:
    assert chain([HotName(1, 1, 1), HotName(1, 3, 3)], run=1, covered=0) is None
    assert chain([HotName(1, 2, 2)], run=1, covered=0) is None


@given(st.lists(st.integers(1, 4), max_size=8), st.randoms())
def test_a_chain_holds_each_batch_once(sizes: list[int], random: object) -> None:
    ends = list(itertools.accumulate(sizes))
    merged = [HotName(1, end - size + 1, end) for size, end in zip(sizes, ends, strict=True)]
    single = [HotName(1, number, number) for number in range(1, ends[-1] + 1)] if ends else []
    found = chain([*single, *merged], run=1, covered=0)
    assert found is not None
    batches = [number for name in found for number in range(name.first, name.last + 1)]
    assert batches == [number for name in merged for number in range(name.first, name.last + 1)]


@given(st.text())
def test_a_column_name_survives_being_stored(name: str) -> None:
    assert original_name(stored_name(name)) == name


@given(st.text(), st.text())
def test_different_columns_are_stored_under_names_that_differ_in_more_than_case(one: str, other: str) -> None:
    if one != other:
        assert _ascii_lower(stored_name(one)) != _ascii_lower(stored_name(other))
    assert "\0" not in stored_name(one)


def _ascii_lower(text: str) -> str:
    return "".join(letter.lower() if letter.isascii() else letter for letter in text)


def test_large_batches_are_not_merged_and_small_ones_behind_them_are(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(tail, "MERGED_ROWS", 20)
    layout = Layout(tmp_path)
    layout.hot.mkdir()
    growing = tail.Tail(layout, run=1)
    large, small = tables(*"abcdefghijk"), tables("d")  # a span and a log record for each name
    for each in [*[large] * hot.FAN_IN, *[small] * hot.FAN_IN]:
        growing.append(each)
    files = chain(hot.listed(layout.hot), run=1, covered=0)
    assert files == [HotName(1, n, n) for n in range(1, 9)] + [HotName(1, 9, 16)]
