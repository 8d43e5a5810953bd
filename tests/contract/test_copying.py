"""Copying a range from one store to the other and back: nothing changes on the way, and doing it twice stores it once."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path

import pyarrow as pa
import pytest

from tests.support import hostile
from tests.support.elasticsearch import elasticsearch_url, fresh_settings, make_visible
from tests.support.telemetry import BASE_NS, SECOND, batch, finding, log, resource, span
from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.copying.command import copy as command
from tracestitch_collector.copying.elasticsearch import ElasticsearchSide
from tracestitch_collector.copying.embedded import EmbeddedSide
from tracestitch_collector.copying.run import ROWS, Result, copy, slices
from tracestitch_collector.copying.side import Side
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.model import LogRecord, Span, SpanEvent, SpanLink, Trace
from tracestitch_collector.process.second_store import Gap, gaps_file, read_gaps, write_gaps
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.store import Rejected, Window

__all__ = ["elasticsearch_url"]

ALL = Window(start_ns=0, end_ns=BASE_NS + 1000 * SECOND)


def trace_id(number: int) -> str:
    return f"{number + 1:032x}"


def filled(data: Path) -> EmbeddedStore:
    """Forty requests of a trace each, some in segments and some hot, with everything that a span may carry."""
    store = EmbeddedStore(data, write=True, clock=lambda: BASE_NS)
    for number in range(40):
        received_ns = BASE_NS + number * SECOND
        items = [
            span(
                trace_id=trace_id(number),
                span_id=f"{index + 1:016x}",
                received_ns=received_ns,
                attributes={"number": number, "Mixed.Case": True, "ratio": 0.5, "list": (1, 2), "raw": b"\0"},
                duplicate_attributes=(("number", "again"),),
                events=(
                    SpanEvent(time_ns=BASE_NS + 1, name="exception", attributes={"exception.type": "E"}),
                ),
                links=(SpanLink(trace_id=trace_id(99), span_id="00000000000000ff", attributes={"a": 1.5}),),
                flags=1,
            )
            for index in range(3)
        ]
        records = [log(trace_id=trace_id(number), received_ns=received_ns, body={"n": number})]
        store.write(batch(items, records, [finding()] if number == 7 else [], request=str(number)))
        if number in (10, 25):
            store.sync()
    return store


def contents(read: Callable[[Sequence[str]], tuple[Trace, ...]]) -> tuple[Trace, ...]:
    return read([trace_id(number) for number in range(40)])


def copied(source: Side, target: Side, note: Path, window: Window = ALL) -> Result:
    def refuse(letters: tuple[Rejected, ...]) -> None:
        assert letters == ()

    return copy(source, target, window, note=note, rejected=refuse, say=lambda line: None)


def embedded(data: Path, *, writes: bool) -> EmbeddedSide:
    store = EmbeddedStore(data, write=writes, clock=lambda: BASE_NS)
    return EmbeddedSide(data, store, writes=writes)


@pytest.fixture
def settings(elasticsearch_url: str, tmp_path: Path) -> ElasticsearchSettings:
    return fresh_settings(elasticsearch_url, tmp_path / "settings")


@pytest.mark.server
def test_from_the_embedded_store_to_elasticsearch_and_back_nothing_changes(
    settings: ElasticsearchSettings, tmp_path: Path
) -> None:
    store = filled(tmp_path / "first")
    before = contents(store.traces)
    assert len(before) == 40
    there = ElasticsearchSide.open(settings, writes=True)
    result = copied(embedded(tmp_path / "first", writes=False), there, tmp_path / "note")
    assert (result.copied, result.target, result.findings) == (
        {"spans": 120, "logs": 40},
        {"spans": 120, "logs": 40},
        1,
    )
    make_visible(settings)
    back = embedded(tmp_path / "second", writes=True)
    result = copied(there, back, tmp_path / "note")
    assert result.is_complete
    second = EmbeddedStore(tmp_path / "second", write=False)
    assert contents(second.traces) == before
    assert [each.fingerprint for each in second.findings()] == [each.fingerprint for each in store.findings()]
    for each in (store, second, there, back):
        each.close()


@pytest.mark.server
def test_a_range_that_is_copied_twice_or_was_written_by_both_is_there_once(
    settings: ElasticsearchSettings, tmp_path: Path
) -> None:
    store = filled(tmp_path / "first")
    before = contents(store.traces)
    there = ElasticsearchSide.open(settings, writes=True)
    live = ElasticsearchStore.open(settings, write=True)
    part = span(trace_id=trace_id(0), span_id=f"{1:016x}", received_ns=BASE_NS)
    assert live.write(batch([replace(part, name="as it came")], request="0")) == ()  # as --also would
    make_visible(settings)
    for _ in range(2):
        result = copied(embedded(tmp_path / "first", writes=False), there, tmp_path / "note")
        assert result.target == {"spans": 120, "logs": 40}
    found = contents(live.traces)
    assert found[1:] == before[1:]
    assert {each.copies for trace in found for each in trace.spans} == {1}
    back = embedded(tmp_path / "second", writes=True)
    for _ in range(2):
        assert copied(there, back, tmp_path / "note").target == {"spans": 120, "logs": 40}
    for each in (store, live, there, back):
        each.close()


class CutShort:
    """A target that goes away after some slices."""

    name = "embedded"

    def __init__(self, side: Side, slices: int) -> None:
        self._side = side
        self._left = slices
        self.windows: list[Window] = []

    def count(self, signal: str, window: Window) -> int:
        return self._side.count(signal, window)  # type: ignore[arg-type]  # handed on as it is

    def rows(self, signal: str, window: Window) -> pa.Table:
        return self._side.rows(signal, window)  # type: ignore[arg-type]  # handed on as it is

    def findings(self) -> tuple[Finding, ...]:
        return self._side.findings()

    def put(
        self, spans: pa.Table, logs: pa.Table, findings: Sequence[Finding], window: Window
    ) -> tuple[Rejected, ...]:
        if self._left == 0:
            raise Unavailable("gone")
        self._left -= 1
        self.windows.append(window)
        return self._side.put(spans, logs, findings, window)

    def settle(self) -> None:
        self._side.settle()

    def close(self) -> None:
        self._side.close()


@pytest.fixture
def small_steps(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("tracestitch_collector.copying.run.ROWS", 20)
    monkeypatch.setattr("tracestitch_collector.copying.run.STEP_ROWS", 30)


@pytest.mark.usefixtures("small_steps")
def test_a_copy_that_was_cut_short_goes_on_where_it_was(tmp_path: Path) -> None:
    store = filled(tmp_path / "first")
    source = embedded(tmp_path / "first", writes=False)
    note = tmp_path / "note"
    cut = CutShort(embedded(tmp_path / "second", writes=True), slices=5)
    with pytest.raises(Unavailable):
        copied(source, cut, note)
    cut.close()
    whole = CutShort(embedded(tmp_path / "second", writes=True), slices=1000)
    result = copied(source, whole, note, ALL)
    assert result.resumed_ns >= cut.windows[2].start_ns
    assert whole.windows[0].start_ns >= cut.windows[2].start_ns
    assert result.target == {"spans": 120, "logs": 40}
    assert contents(EmbeddedStore(tmp_path / "second", write=False).traces) == contents(store.traces)
    assert not note.exists()


@pytest.mark.usefixtures("small_steps")
def test_slices_hold_every_row_once_and_no_more_than_fit(tmp_path: Path) -> None:
    filled(tmp_path).close()
    side = embedded(tmp_path, writes=False)
    parts = list(slices(side, ALL))
    counts = [side.count("spans", part) + side.count("logs", part) for part in parts]
    assert sum(counts) == 160
    assert max(counts) <= 20 < ROWS
    assert all(one.end_ns <= other.start_ns for one, other in itertools.pairwise(parts))
    side.close()


@pytest.mark.server
def test_hostile_telemetry_survives_the_way_back(settings: ElasticsearchSettings, tmp_path: Path) -> None:
    payload = hostile.PAYLOADS[0]
    odd = span(
        trace_id=trace_id(0),
        received_ns=BASE_NS,
        name=payload,
        attributes={payload or "k": payload, "": 1, "a..b": 2, "deep": {"x": {"y": (b"1", None)}}},
        resource=resource(payload, **{"odd key": 1}),
        trace_state=payload,
    )
    records: list[LogRecord] = [log(trace_id=trace_id(0), received_ns=BASE_NS, body=payload * 100)]
    store = EmbeddedStore(tmp_path / "first", write=True, clock=lambda: BASE_NS)
    store.write(batch([odd], records))
    there = ElasticsearchSide.open(settings, writes=True)
    back = embedded(tmp_path / "second", writes=True)
    assert copied(embedded(tmp_path / "first", writes=False), there, tmp_path / "note").is_complete
    assert copied(there, back, tmp_path / "note").is_complete
    found: Span = EmbeddedStore(tmp_path / "second", write=False).traces([trace_id(0)])[0].spans[0]
    assert found == odd
    for each in (store, there, back):
        each.close()


@pytest.mark.server
def test_the_command_copies_counts_both_sides_and_closes_the_gap(
    elasticsearch_url: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    filled(tmp_path).close()  # what is hot was not synced: only segments stay
    write_gaps(gaps_file(tmp_path, "elasticsearch"), [Gap(start_ns=BASE_NS, end_ns=BASE_NS + 20 * SECOND)])
    arguments = ["--from", "embedded", "--to", "elasticsearch", "--data", str(tmp_path)]
    address = ["--elasticsearch-url", elasticsearch_url]
    assert command([*arguments, *address], {"HOME": str(tmp_path)}) == 0
    out = capsys.readouterr().out
    assert "spans copied; in this range embedded has " in out
    assert read_gaps(gaps_file(tmp_path, "elasticsearch")) == []


def test_wrong_ranges_and_the_same_store_twice_are_refused(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    environment = {"HOME": str(tmp_path), "TRACESTITCH_ELASTICSEARCH_URL": "http://127.0.0.1:9"}
    there = ["--from", "embedded", "--to", "elasticsearch", "--data", str(tmp_path)]
    for arguments, said in (
        (["--from", "embedded", "--to", "embedded"], "both name embedded"),
        ([*there, "--since", "yesterday"], "'yesterday' is no time"),
        ([*there, "--since", "1h", "--until", "2h"], "the range is empty"),
    ):
        assert command(arguments, environment) == 78
        assert said in capsys.readouterr().err
