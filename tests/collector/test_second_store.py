"""What the log keeps for a second store, and what it gives up when that is too far behind."""

from __future__ import annotations

import hashlib
import threading
import time
from dataclasses import replace
from pathlib import Path

import pytest

from tests.support.otlp import otlp_span, trace_request
from tests.support.server import eventually
from tests.support.telemetry import BASE_NS, SECOND, TRACE_ID
from tracestitch_collector import second
from tracestitch_collector.errors import BadConfiguration
from tracestitch_collector.log import Kind, LogWriter, PendingRecord, segment_starts
from tracestitch_collector.outputs.progress import PipelineMetrics
from tracestitch_collector.process.second_store import (
    HEADLINE,
    Gap,
    SecondStore,
    gaps_file,
    joined,
    read_gaps,
    without,
)
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.settings import Settings, build
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.store.open import covered_by

RECORD_BYTES = 1000
LIMIT = 10 * RECORD_BYTES


def record(number: int) -> PendingRecord:
    """Received `number` seconds after the first."""
    body = f"{number:04d}".encode().ljust(RECORD_BYTES - 44, b".")
    digest = hashlib.blake2b(body, digest_size=16).digest()
    return PendingRecord(kind=Kind.TRACES, body=body, received_ns=BASE_NS + number * SECOND, digest=digest)


class Bench:
    """A log of thirty records, three in a segment, and how far each store has it."""

    def __init__(self, data: Path) -> None:
        self.data = data
        self.folder = data / "log" / "receiver"
        log = LogWriter(self.folder, segment_bytes=2 * RECORD_BYTES)
        self.ends = [log.append([record(number)]) for number in range(30)]
        log.close()
        self.second: dict[str, int] = {}
        self.tally = Tally(PipelineMetrics())

    def store(self) -> SecondStore:
        return SecondStore(
            first="embedded",
            name="elasticsearch",
            data=self.data,
            covered=lambda: self.second,
            clock=lambda: BASE_NS + 100 * SECOND,
            limit_bytes=LIMIT,
            tally=self.tally,
        )

    def trimmable(self, first: int) -> int:
        return self.store().trimmable({"receiver": self.ends[first]})["receiver"]

    def gaps(self) -> list[Gap]:
        return read_gaps(gaps_file(self.data, "elasticsearch"))


@pytest.fixture
def bench(tmp_path: Path) -> Bench:
    return Bench(tmp_path)


def test_what_the_second_store_has_not_taken_yet_stays_in_the_log(bench: Bench) -> None:
    bench.second = {"receiver": bench.ends[4]}
    assert bench.trimmable(8) == bench.ends[4]
    assert bench.gaps() == []
    waiting = bench.ends[8] - bench.ends[4]
    assert bench.tally.report().counters['tracestitch_output_queue_bytes{output="elasticsearch"}'] == waiting


def test_a_second_store_that_is_ahead_holds_nothing_up(bench: Bench) -> None:
    bench.second = {"receiver": bench.ends[12]}
    assert bench.trimmable(8) == bench.ends[8]


def test_beyond_the_limit_the_oldest_is_given_up_and_told_with_the_command_that_copies_it(
    bench: Bench,
) -> None:
    bench.second = {"receiver": bench.ends[4]}
    kept_from = bench.trimmable(29)
    assert bench.ends[29] - kept_from <= LIMIT
    assert kept_from in segment_starts(bench.folder)
    (gap,) = bench.gaps()
    first_kept = bench.ends.index(kept_from) + 1
    assert gap == Gap(start_ns=BASE_NS + 5 * SECOND, end_ns=BASE_NS + first_kept * SECOND)
    why = bench.tally.report().alarms[HEADLINE]
    assert "tracestitch copy --from embedded --to elasticsearch --since " in why


def test_an_alarm_lasts_until_the_gap_was_copied(bench: Bench) -> None:
    bench.second = {"receiver": bench.ends[4]}
    bench.trimmable(29)
    assert HEADLINE in bench.tally.report().alarms
    gaps_file(bench.data, "elasticsearch").unlink()
    bench.second = {"receiver": bench.ends[29]}
    bench.trimmable(29)
    assert bench.tally.report().alarms == {}


def test_what_went_while_the_second_store_was_left_out_is_told_when_it_is_back(bench: Bench) -> None:
    bench.second = {"receiver": bench.ends[4]}
    bench.trimmable(8)
    for path in sorted(bench.folder.glob("*.log"))[:5]:
        path.unlink()  # by the first store, alone
    begin = segment_starts(bench.folder)[0]
    bench.store()
    (gap,) = bench.gaps()
    assert gap.start_ns == BASE_NS + 5 * SECOND
    assert gap.end_ns == BASE_NS + (bench.ends.index(begin) + 1) * SECOND


def test_gaps_that_touch_are_one_and_copying_a_part_leaves_the_rest() -> None:
    second_ns = SECOND
    gaps = joined([Gap(start_ns=9 * second_ns, end_ns=20 * second_ns), Gap(start_ns=0, end_ns=9 * second_ns)])
    assert gaps == [Gap(start_ns=0, end_ns=20 * second_ns)]
    assert without(gaps, 5 * second_ns, 7 * second_ns) == [
        Gap(start_ns=0, end_ns=5 * second_ns),
        Gap(start_ns=7 * second_ns, end_ns=20 * second_ns),
    ]
    assert without(gaps, -1, 20 * second_ns) == []


def test_a_log_with_a_small_limit_can_still_be_cut(tmp_path: Path) -> None:
    """One segment as large as the limit could never go, and the log would be full for ever."""
    log = LogWriter(tmp_path, max_bytes=20 * RECORD_BYTES)
    for number in range(19):
        log.append([record(number)])
    assert len(segment_starts(tmp_path)) >= 7
    log.close()


def test_the_same_store_twice_is_refused() -> None:
    with pytest.raises(BadConfiguration, match="names the same store"):
        build({"also": "embedded"}, {"HOME": "/nowhere"})
    with pytest.raises(BadConfiguration, match="--also elasticsearch needs --elasticsearch-url"):
        build({"also": "elasticsearch"}, {"HOME": "/nowhere"})


def test_the_second_process_writes_what_is_in_the_log_and_trims_nothing(tmp_path: Path) -> None:
    settings = Settings(
        data=tmp_path, store="elasticsearch", also="embedded", elasticsearch_url="http://127.0.0.1:9"
    )
    log = LogWriter(tmp_path / "log" / "receiver", segment_bytes=100)
    for number in range(5):
        body = trace_request(otlp_span(trace_id=TRACE_ID, span_id=f"{number + 1:016x}")).SerializeToString()
        digest = hashlib.blake2b(body, digest_size=16).digest()
        log.append([replace(record(number), body=body, digest=digest, received_ns=time.time_ns())])
    stop = threading.Event()
    thread = threading.Thread(target=second.run, args=(settings, stop))
    thread.start()
    reader = EmbeddedStore(tmp_path, write=False)
    trace = eventually(lambda: found if (found := reader.trace(TRACE_ID)) and len(found.spans) == 5 else None)
    reader.close()
    stop.set()
    thread.join()
    assert trace is not None
    assert covered_by("embedded", tmp_path) == {"receiver": log.position}
    assert len(segment_starts(tmp_path / "log" / "receiver")) == 5
    log.close()
