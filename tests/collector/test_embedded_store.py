"""What only the embedded store has: files, their merging, retention, damage, and a reader beside a writer."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import get_args, get_type_hints

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.telemetry import ALWAYS, BASE_NS, MILLISECOND, SECOND, batch, finding, log, span
from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.store.embedded import search
from tracestitch_collector.store.embedded.layout import Layout
from tracestitch_collector.store.embedded.manifest import Segment, load
from tracestitch_collector.store.embedded.retention import MERGED_TOGETHER, kept, run_to_merge
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import AttributeFilter, LogQuery, TraceQuery, Window


class Clock:
    def __init__(self) -> None:
        self.now_ns = BASE_NS + 60 * SECOND

    def __call__(self) -> int:
        return self.now_ns


@pytest.fixture
def clock() -> Clock:
    return Clock()


@pytest.fixture
def store(tmp_path: Path, clock: Clock) -> Iterator[EmbeddedStore]:
    store = EmbeddedStore(tmp_path, write=True, clock=clock, retention_ns=100 * SECOND)
    yield store
    store.close()


def write(store: EmbeddedStore, number: int, *, received_ns: int = BASE_NS + SECOND) -> None:
    """One batch of one trace and one log record, named by the number."""
    trace_id = f"{number:032x}"
    item = span(
        trace_id=trace_id, start_ns=BASE_NS + number, received_ns=received_ns, attributes={"n": number}
    )
    record = log(trace_id=trace_id, time_ns=BASE_NS + number, received_ns=received_ns)
    store.write(batch([item], [record], request=str(number), start=number, end=number + 1))


def found(store: EmbeddedStore) -> list[int]:
    page = store.search(TraceQuery(window=ALWAYS, limit=1000))
    return sorted(int(trace.trace_id, 16) for trace in page.traces)


def files(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_a_reader_never_opens_many_hot_files(store: EmbeddedStore, tmp_path: Path) -> None:
    for number in range(1, 130):
        write(store, number)
        assert len(files(tmp_path / "hot")) <= 21
    assert found(store) == list(range(1, 130))


def test_sync_moves_everything_into_segments(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store, 1)
    store.sync()
    assert files(tmp_path / "hot") == []
    assert files(tmp_path / "segments") == [
        "000000000001.digests",
        "000000000001.logs.facts",
        "000000000001.logs.parquet",
        "000000000001.logs.traces",
        "000000000001.spans.facts",
        "000000000001.spans.parquet",
        "000000000001.spans.rollup",
        "000000000001.spans.traces",
        "writer.lock",
    ]


def test_a_sync_without_news_writes_nothing(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store, 1)
    store.sync()
    before = (tmp_path / "manifest.json").stat().st_mtime_ns
    store.sync()
    assert (tmp_path / "manifest.json").stat().st_mtime_ns == before


def test_small_segments_are_merged_and_nothing_is_lost(store: EmbeddedStore, tmp_path: Path) -> None:
    for number in range(1, 30):
        write(store, number)
        store.sync()
    segments = load(Layout(tmp_path)).segments
    assert len(segments) < 2 * MERGED_TOGETHER
    assert sum(segment.rows for segment in segments) == 2 * 29
    assert set(files(tmp_path / "segments")) == load(Layout(tmp_path)).files() | {"writer.lock"}
    assert found(store) == list(range(1, 30))
    trace = store.trace(f"{7:032x}")
    assert trace is not None
    assert trace.spans[0].attributes == {"n": 7}
    assert len(trace.logs) == 1


def test_old_segments_go_by_when_they_were_received(
    store: EmbeddedStore, clock: Clock, tmp_path: Path
) -> None:
    write(store, 1, received_ns=BASE_NS)
    store.sync()
    write(store, 2, received_ns=BASE_NS + 59 * SECOND)
    store.sync()
    clock.now_ns = BASE_NS + 150 * SECOND
    write(store, 3, received_ns=BASE_NS + 149 * SECOND)
    store.sync()
    assert found(store) == [2, 3]
    assert not (tmp_path / "segments" / "000000000001.spans.parquet").exists()


def test_the_oldest_goes_when_there_is_too_much(tmp_path: Path, clock: Clock) -> None:
    store = EmbeddedStore(tmp_path, write=True, clock=clock, max_bytes=30_000)
    for number in range(1, 8):
        write(store, number, received_ns=BASE_NS + number)
        store.sync()
    left = found(store)
    store.close()
    assert left == list(range(left[0], 8))
    assert 0 < len(left) < 7


def test_all_files_of_a_segment_count_for_the_size(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store, 1)
    store.sync()
    segments = load(Layout(tmp_path)).segments
    for segment in segments:
        sizes = [(tmp_path / "segments" / name).stat().st_size for name in segment.file_names]
        assert segment.whole_bytes == sum(sizes) > segment.bytes
    total = sum(segment.whole_bytes for segment in segments)
    assert kept(segments, oldest_received_ns=0, max_bytes=total) == segments
    assert kept(segments, oldest_received_ns=0, max_bytes=total - 1) == segments[1:]


def test_a_finding_goes_when_it_was_last_seen_too_long_ago(store: EmbeddedStore, clock: Clock) -> None:
    store.write(batch(findings=[finding(last_seen_ns=BASE_NS)], start=0, end=1))
    store.sync()
    assert len(store.findings()) == 1
    clock.now_ns = BASE_NS + 101 * SECOND
    newer = finding(fingerprint="00000000000000bb", last_seen_ns=clock.now_ns)
    store.write(batch(findings=[newer], start=1, end=2))
    store.sync()
    assert store.findings() == (newer,)


def test_a_second_writer_is_refused(store: EmbeddedStore, tmp_path: Path) -> None:
    with pytest.raises(BadConfiguration, match="another process writes"):
        EmbeddedStore(tmp_path, write=True)


def test_what_a_crash_left_unnamed_is_removed(tmp_path: Path, clock: Clock) -> None:
    first = EmbeddedStore(tmp_path, write=True, clock=clock)
    write(first, 1)
    first.sync()
    write(first, 2)
    first.close()
    (tmp_path / "segments" / "000000000009.spans.parquet").write_bytes(b"half")
    (tmp_path / "segments" / "000000000009.spans.parquet.unfinished").write_bytes(b"h")
    second = EmbeddedStore(tmp_path, write=True, clock=clock)
    assert found(second) == [1]
    assert files(tmp_path / "hot") == []
    assert "000000000009.spans.parquet" not in files(tmp_path / "segments")
    second.close()


def test_a_segment_that_is_cut_short_is_set_aside_at_the_start(tmp_path: Path, clock: Clock) -> None:
    store = EmbeddedStore(tmp_path, write=True, clock=clock)
    for number in (1, 2):
        write(store, number)
        store.sync()
    store.close()
    path = tmp_path / "segments" / "000000000001.spans.parquet"
    path.write_bytes(path.read_bytes()[:-10])
    store = EmbeddedStore(tmp_path, write=True, clock=clock)
    assert found(store) == [2]
    assert store.stats().facts["damaged segments set aside"] == "1"
    assert path.name in files(tmp_path / "damaged")
    store.close()


def test_a_reader_passes_over_a_segment_that_became_unreadable(store: EmbeddedStore, tmp_path: Path) -> None:
    for number in (1, 2):
        write(store, number)
        store.sync()
    path = tmp_path / "segments" / "000000000001.spans.parquet"
    path.write_bytes(b"\xa5" * path.stat().st_size)
    reader = EmbeddedStore(tmp_path, write=False)
    assert found(reader) == [2]
    assert reader.trace(f"{1:032x}") is None
    assert reader.trace(f"{2:032x}") is not None
    assert reader.stats().facts["damaged segments set aside"] == "1"
    reader.close()


def test_a_trace_index_that_is_no_longer_one_hides_nothing(store: EmbeddedStore, tmp_path: Path) -> None:
    for number in (1, 2):
        write(store, number)
        store.sync()
    path = tmp_path / "segments" / "000000000001.spans.traces"
    whole = path.read_bytes()
    for content in (whole[:-1], whole[:3], b"", *(flipped(whole, at) for at in range(len(whole))), None):
        path.unlink() if content is None else path.write_bytes(content)
        reader = EmbeddedStore(tmp_path, write=False)
        assert reader.trace(f"{1:032x}") is not None
        assert reader.trace(f"{2:032x}") is not None
        reader.close()


def flipped(content: bytes, at: int) -> bytes:
    return content[:at] + bytes([content[at] ^ 0x10]) + content[at + 1 :]


def test_a_segment_with_a_flipped_bit_gives_no_wrong_trace(store: EmbeddedStore, tmp_path: Path) -> None:
    for number in (1, 2):
        write(store, number)
        store.sync()
    expected = store.trace(f"{1:032x}")
    path = tmp_path / "segments" / "000000000001.spans.parquet"
    whole = path.read_bytes()
    answers = []
    for at in range(0, len(whole), max(1, len(whole) // 40)):
        path.write_bytes(flipped(whole, at))
        reader = EmbeddedStore(tmp_path, write=False)
        answers.append(reader.trace(f"{1:032x}"))
        assert reader.trace(f"{2:032x}") is not None
        reader.close()
    assert None in answers
    assert all(answer is None or answer == expected for answer in answers)


def test_merging_passes_over_a_segment_that_cannot_be_read(store: EmbeddedStore, tmp_path: Path) -> None:
    for number in range(1, MERGED_TOGETHER):
        write(store, number)
        store.sync()
    path = tmp_path / "segments" / "000000000003.spans.parquet"
    path.write_bytes(b"\xa5" * path.stat().st_size)
    for number in range(MERGED_TOGETHER, 30):
        write(store, number)
        assert store.sync() == {"receiver": number + 1}
    assert found(store) == [1, 2, *range(4, 30)]
    assert path.name in files(tmp_path / "damaged")
    assert len(load(Layout(tmp_path)).segments) < 2 * MERGED_TOGETHER


def test_batches_written_while_a_sync_works_are_seen_and_come_with_the_next(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    write(store, 1)
    work = store.begin_sync()
    for number in range(2, 40):  # enough for hot files to be merged
        write(store, number)
        assert len(found(store)) == number
    write(store, 1)  # comes again while it is on its way
    assert work() == {"receiver": 2}
    assert found(store) == list(range(1, 40))
    assert store.sync() == {"receiver": 2}  # as the last batch said
    assert found(store) == list(range(1, 40))
    assert sum(segment.rows for segment in load(Layout(tmp_path)).segments) == 2 * 39
    assert files(tmp_path / "hot") == []


def test_a_sync_that_fails_loses_nothing_and_the_next_makes_up_for_it(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    write(store, 1)
    in_the_way = tmp_path / "manifest.json.unfinished"
    in_the_way.mkdir()
    for number in (2, 3):
        with pytest.raises(Unavailable, match="cannot be written"):
            store.sync()
        write(store, number)
    assert found(store) == [1, 2, 3]
    in_the_way.rmdir()
    assert store.sync() == {"receiver": 4}
    assert found(store) == [1, 2, 3]
    assert sum(segment.rows for segment in load(Layout(tmp_path)).segments) == 2 * 3


def test_a_manifest_of_another_version_is_left_alone(tmp_path: Path) -> None:
    (tmp_path / "manifest.json").write_text('{"version": 99}')
    with pytest.raises(BadConfiguration, match=r"manifest\.json is of version 99"):
        EmbeddedStore(tmp_path, write=True)
    assert (tmp_path / "manifest.json").read_text() == '{"version": 99}'


@pytest.mark.parametrize(
    "content", ["{", "[]", '{"version": 1}', '{"version": 1, "segments": [{}]}', "\0" * 99, ""], ids=repr
)
@pytest.mark.parametrize("syncs", [0, 1, 5, 29])
def test_a_manifest_that_is_none_is_made_again_from_the_segments(
    tmp_path: Path, clock: Clock, content: str, syncs: int
) -> None:
    store = EmbeddedStore(tmp_path, write=True, clock=clock)
    for number in range(1, syncs + 1):
        write(store, number)
        store.write(
            batch(findings=[finding(last_seen_ns=BASE_NS + number)], start=number + 1, end=number + 1)
        )
        store.sync()
    before = load(Layout(tmp_path))
    states = store.findings()
    write(store, 99)
    store.close()
    (tmp_path / "manifest.json").write_text(content)

    store = EmbeddedStore(tmp_path, write=True, clock=clock)
    after = load(Layout(tmp_path))
    assert set(after.segments) == set(before.segments)
    same = {"run": before.run, "hot_covered": before.hot_covered, "segments": before.segments}
    assert replace(after, **same) == before  # type: ignore[arg-type]  # of a mapping's values mypy knows too little
    assert after.run > before.run
    assert found(store) == list(range(1, syncs + 1))
    assert store.findings() == states
    assert (tmp_path / "damaged" / "manifest.json").read_text() == content
    store.close()


@pytest.mark.parametrize("missing", ["spans.parquet", "logs.parquet", "digests", "findings.parquet"])
def test_a_sync_that_had_not_ended_is_no_part_of_a_manifest_made_again(
    tmp_path: Path, clock: Clock, missing: str
) -> None:
    store = EmbeddedStore(tmp_path, write=True, clock=clock)
    for number in (1, 2, 3):
        write(store, number)
        store.write(
            batch(findings=[finding(last_seen_ns=BASE_NS + number)], start=number + 1, end=number + 1)
        )
        store.sync()
    store.close()
    (tmp_path / "manifest.json").write_text("")
    (tmp_path / "segments" / f"000000000003.{missing}").unlink()

    store = EmbeddedStore(tmp_path, write=True, clock=clock)
    assert store.covered() == {"receiver": 3}
    assert found(store) == [1, 2]
    write(store, 3)  # the log still holds it
    store.sync()
    assert found(store) == [1, 2, 3]
    store.close()


def test_a_reader_of_an_empty_folder_sees_what_comes(tmp_path: Path, clock: Clock) -> None:
    reader = EmbeddedStore(tmp_path / "data", write=False)
    assert reader.search(TraceQuery(window=ALWAYS)).traces == ()
    writer = EmbeddedStore(tmp_path / "data", write=True, clock=clock)
    write(writer, 1)
    assert found(reader) == [1]
    reader.close()
    writer.close()


def test_attribute_keys_that_differ_in_case_are_kept_apart(store: EmbeddedStore) -> None:
    written = span(attributes={"Key": "upper", "key": "lower", "KEY": "all", "^key": "mark", "k\0y": "nul"})
    store.write(batch([written]))
    store.sync()
    trace = store.trace(written.trace_id)
    assert trace is not None
    assert trace.spans[0].attributes == written.attributes
    for key, value in written.attributes.items():
        where = AttributeFilter(key=key, operator="=", value=str(value))
        assert len(store.search(TraceQuery(window=ALWAYS, attributes=(where,))).traces) == 1
    where = AttributeFilter(key="Key", operator="=", value="lower")
    assert store.search(TraceQuery(window=ALWAYS, attributes=(where,))).traces == ()


def test_columns_that_only_some_files_have_can_be_asked_for(store: EmbeddedStore) -> None:
    for number, key in enumerate(("a", "b", "a")):
        item = span(trace_id=f"{number + 1:032x}", attributes={key: "x"})
        store.write(batch([item], request=str(number), start=number, end=number + 1))
        if number < 2:
            store.sync()
    for key, expected in (("a", [1, 3]), ("b", [2])):
        where = (AttributeFilter(key=key, operator="=", value="x"),)
        page = store.search(TraceQuery(window=ALWAYS, attributes=where))
        assert sorted(int(trace.trace_id, 16) for trace in page.traces) == expected


def test_a_reader_misses_nothing_while_the_writer_moves_everything(tmp_path: Path, clock: Clock) -> None:
    writer = EmbeddedStore(tmp_path, write=True, clock=clock)
    written, done, wrong = [0], threading.Event(), []

    def look() -> None:
        reader = EmbeddedStore(tmp_path, write=False)
        while not done.is_set():
            at_least = written[0]
            seen = len(reader.search_logs(LogQuery(window=ALWAYS, limit=1000)).records)
            if seen < at_least or seen > written[0] + 1:
                wrong.append((at_least, seen, written[0]))
        reader.close()

    thread = threading.Thread(target=look)
    thread.start()
    for number in range(1, 200):
        write(writer, number)
        written[0] = number
        if number % 10 == 0:
            writer.sync()
    done.set()
    thread.join()
    writer.close()
    assert wrong == []


def test_the_manifest_is_readable_json(store: EmbeddedStore, tmp_path: Path) -> None:
    write(store, 1)
    store.sync()
    document = json.loads((tmp_path / "manifest.json").read_text())
    assert document["covered"] == {"receiver": 2}
    assert [segment["services"] for segment in document["segments"]] == [["inventory"], ["inventory"]]


anything = st.text(max_size=20)
filters = st.builds(
    AttributeFilter,
    key=st.sampled_from(("n", "service.name", "")) | anything,
    operator=st.sampled_from(get_args(get_type_hints(AttributeFilter)["operator"])),
    value=st.sampled_from(("1", "-1e400", "nan", "true")) | anything,
)


@settings(max_examples=60, deadline=None, suppress_health_check=[HealthCheck.function_scoped_fixture])
@given(data=st.data())
def test_no_query_is_an_error(store: EmbeddedStore, data: st.DataObject) -> None:
    if not store.stats().spans:
        write(store, 1)
        store.sync()
        write(store, 2)
    window = Window(
        start_ns=data.draw(st.integers(-(2**70), 2**70)), end_ns=data.draw(st.integers(-(2**70), 2**70))
    )
    window = data.draw(st.sampled_from((ALWAYS, window)))
    attributes = tuple(data.draw(st.lists(filters, max_size=2)))
    traces = TraceQuery(
        window=window,
        service=data.draw(anything),
        operation=data.draw(anything),
        text=data.draw(anything),
        cursor=data.draw(anything),
        order=data.draw(st.sampled_from(("newest", "slowest", "most_spans"))),
        min_duration_ns=data.draw(st.none() | st.integers(-(2**70), 2**70)),
        attributes=attributes,
        limit=data.draw(st.integers(-1, 3)),
    )
    logs = LogQuery(
        window=window,
        text=data.draw(anything),
        event_name=data.draw(anything),
        trace_id=data.draw(anything),
        min_severity=data.draw(st.integers(-(2**70), 2**70)),
        attributes=attributes,
    )
    assert len(store.search(traces).traces) <= 2
    assert len(store.search(replace(traces, service="", operation="", text="")).traces) <= 2
    assert len(store.search_logs(logs).records) <= 2
    store.services(window)
    store.operations(window, traces.service)
    store.dependencies(window)
    store.inventories(window)


# Decisions about segments


def segment(
    number: int, *, rows: int = 10, received_ns: int = 0, size: int = 100, signal: str = "spans"
) -> Segment:
    return Segment(
        id=number,
        signal="spans" if signal == "spans" else "logs",
        rows=rows,
        row_groups=1,
        bytes=size,
        min_ns=0,
        max_ns=0,
        min_received_ns=received_ns,
        max_received_ns=received_ns,
        services=(),
    )


def test_retention_keeps_what_is_young_and_fits() -> None:
    segments = [segment(number, received_ns=number * MILLISECOND) for number in range(5)]
    assert kept(segments, oldest_received_ns=2 * MILLISECOND, max_bytes=1000) == tuple(segments[2:])
    assert kept(segments, oldest_received_ns=0, max_bytes=250) == tuple(segments[3:])
    assert kept(segments, oldest_received_ns=0, max_bytes=0) == ()


def test_a_run_of_small_neighbours_is_merged() -> None:
    small = [segment(number) for number in range(MERGED_TOGETHER)]
    assert run_to_merge(small) == small
    assert run_to_merge(small[1:]) == []
    large = segment(99, rows=1_000_000)
    assert run_to_merge([*small[:4], large, *small[4:]]) == []
    logs = [segment(100 + number, signal="logs") for number in range(MERGED_TOGETHER)]
    assert run_to_merge([item for pair in zip(small[1:], logs, strict=False) for item in pair]) == []


def test_of_more_traces_than_can_be_compared_the_newest_are_and_it_is_said(
    store: EmbeddedStore, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(1, 6):
        write(store, number)
        store.sync()
    for order in ("slowest", "most_spans"):
        assert store.search(TraceQuery(window=ALWAYS, order=order)).partial == ""
        monkeypatch.setitem(search.COMPARED, order, 2)
        page = store.search(TraceQuery(window=ALWAYS, order=order))
        assert {int(trace.trace_id, 16) for trace in page.traces} == {4, 5}
        assert "only the newest 2 traces were compared" in page.partial
