"""The loop over a real store and a real log: findings are durable, said once, and survive failures."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterable
from pathlib import Path

import pytest

from tests.support import telemetry
from tests.support.traces import TraceBuilder
from tracestitch_collector import checking
from tracestitch_collector.checking import Checking
from tracestitch_collector.checks import missing_timeout
from tracestitch_collector.checks.evidence import Evidence
from tracestitch_collector.checks.finding import Finding, Pitfall, from_json
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.log import Kind, LogReader, LogWriter
from tracestitch_collector.settings import PART_VARIABLE, SETTINGS_VARIABLE, Settings
from tracestitch_collector.status import read_all
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_collector.supervisor import PARTS, programs
from tracestitch_dashboard.app import evaluates_checks

SECOND = 10**9


class Broken:
    ID = "broken-check"
    PITFALL: Pitfall = "P1"
    TITLE = "A bug"

    def find(self, evidence: Evidence) -> Iterable[Finding]:
        raise ValueError("a bug of ours")


def requests_without_timeout(
    store: EmbeddedStore, now_ns: int, count: int = 1, *, missing: bool = True
) -> None:
    for number in range(count):
        builder = TraceBuilder(f"request {now_ns} {number}")
        builder.base_ns = now_ns - 60 * SECOND + number * SECOND
        builder.server("view", "/pay", ms=10)
        builder.call(
            "call", "http://bank/pay", parent="view", attributes={"tracestitch.timeout.missing": missing}
        )
        store.write(telemetry.batch(builder.build().spans, request=builder.trace_id))


def written(folder: Path) -> list[list[Finding]]:
    """What is in the log, record by record."""
    records = LogReader(folder, 0).read(10**9)
    assert all(record.kind == Kind.FINDINGS for record in records)
    return [[from_json(document) for document in json.loads(record.body)] for record in records]


@pytest.fixture
def store(tmp_path: Path) -> EmbeddedStore:
    return EmbeddedStore(tmp_path, write=True, retention_ns=10**19, max_bytes=10**10)


def test_a_finding_is_logged_once_and_again_when_its_counts_have_changed(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    now_ns = time.time_ns()
    loop = Checking(store, LogWriter(tmp_path / "log" / "checks"))
    requests_without_timeout(store, now_ns)
    loop.run_once(now_ns)
    loop.run_once(now_ns + 5 * SECOND)
    assert [[finding.check for finding in record] for record in written(tmp_path / "log" / "checks")] == [
        ["missing-timeout"]
    ]
    requests_without_timeout(store, now_ns + 1, count=2)
    loop.run_once(now_ns + 30 * SECOND)
    first, second = (record[0] for record in written(tmp_path / "log" / "checks"))
    assert (first.affected, second.affected) == (1, 3)
    assert second.first_seen_ns == first.first_seen_ns


def test_nothing_new_is_not_evaluated_again(store: EmbeddedStore, tmp_path: Path) -> None:
    loop = Checking(store, LogWriter(tmp_path / "log" / "checks"))
    now_ns = time.time_ns()
    requests_without_timeout(store, now_ns)
    loop.run_once(now_ns)
    loop.run_once(now_ns + SECOND)
    assert loop.tally.evaluations == 1
    assert loop.tally.evaluated_until_ns == now_ns + SECOND


def test_a_finding_that_was_mended_is_written_as_quiet_after_an_hour(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    now_ns = time.time_ns()
    loop = Checking(store, LogWriter(tmp_path / "log" / "checks"))
    requests_without_timeout(store, now_ns)
    loop.run_once(now_ns)
    later_ns = now_ns + 2 * 3600 * SECOND
    requests_without_timeout(store, later_ns, missing=False)
    loop.run_once(later_ns)
    loop.run_once(later_ns + SECOND)
    first, second = (record[0] for record in written(tmp_path / "log" / "checks"))
    assert (first.state, second.state) == ("open", "quiet")
    assert (second.fingerprint, second.last_seen_ns) == (first.fingerprint, first.last_seen_ns)


def test_a_finding_that_was_mended_is_written_as_quiet_after_some_requests_without_it(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    now_ns = time.time_ns()
    loop = Checking(store, LogWriter(tmp_path / "log" / "checks"))
    requests_without_timeout(store, now_ns, count=3)
    loop.run_once(now_ns)
    requests_without_timeout(store, now_ns + 20 * SECOND, count=5, missing=False)
    loop.run_once(now_ns + 60 * SECOND)
    first, second = (record[0] for record in written(tmp_path / "log" / "checks"))
    assert (first.state, second.state) == ("open", "quiet")
    assert (second.clean, second.affected, second.last_seen_ns) == (5, 3, first.last_seen_ns)
    assert sum(count for _, count in second.history) == 3


def test_what_the_store_knows_of_before_a_restart_keeps_its_first_time(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    now_ns = time.time_ns()
    requests_without_timeout(store, now_ns)
    log = LogWriter(tmp_path / "log" / "checks")
    Checking(store, log).run_once(now_ns)
    ((finding,),) = written(tmp_path / "log" / "checks")
    old = telemetry.finding(fingerprint=finding.fingerprint, first_seen_ns=7)
    store.write(telemetry.batch(findings=[old], request="", evaluated_ns=8))
    Checking(store, log).run_once(now_ns)
    assert written(tmp_path / "log" / "checks")[-1][0].first_seen_ns == 7


def test_one_failing_check_is_counted_and_said_and_the_others_write(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    now_ns = time.time_ns()
    requests_without_timeout(store, now_ns)
    loop = Checking(store, LogWriter(tmp_path / "log" / "checks"), checks=(Broken(), missing_timeout))
    loop.run_once(now_ns)
    report = loop.report()
    assert report.counters['tracestitch_checks_failures_total{check="broken-check"}'] == 1
    assert report.problems == ("The check broken-check failed, the others ran: ValueError: a bug of ours",)
    assert len(written(tmp_path / "log" / "checks")) == 1


def test_a_full_log_is_said_and_the_finding_is_written_when_there_is_room(
    store: EmbeddedStore, tmp_path: Path
) -> None:
    now_ns = time.time_ns()
    requests_without_timeout(store, now_ns)
    full = LogWriter(tmp_path / "log" / "checks", max_bytes=10)
    loop = Checking(store, full)
    loop.run_once(now_ns)
    assert "is full" in loop.report().problems[0]
    full._max_bytes = 10**9
    loop.run_once(now_ns + SECOND)
    assert loop.report().problems == ()
    assert len(written(tmp_path / "log" / "checks")) == 1


def test_a_store_that_is_away_is_said_and_asked_again(store: EmbeddedStore, tmp_path: Path) -> None:
    class Away(EmbeddedStore):
        away = True

        def findings(self) -> tuple[Finding, ...]:
            if self.away:
                raise Unavailable("the store is away")
            return super().findings()

    now_ns = time.time_ns()
    requests_without_timeout(store, now_ns)
    reader = Away(tmp_path, write=False, retention_ns=10**19, max_bytes=10**10)
    loop = Checking(reader, LogWriter(tmp_path / "log" / "checks"))
    loop.run_once(now_ns)
    assert loop.report().problems == ("Checks are waiting: the store is away",)
    reader.away = False
    loop.run_once(now_ns)
    assert loop.report().problems == ()
    assert loop.tally.written == 1


def eventually(true: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 60
    while not true():
        assert time.monotonic() < deadline
        time.sleep(0.05)


def test_the_thread_writes_findings_and_its_status_and_stops(store: EmbeddedStore, tmp_path: Path) -> None:
    requests_without_timeout(store, time.time_ns())
    stop = checking.start(store, Settings(data=tmp_path))
    eventually(lambda: bool(written(tmp_path / "log" / "checks")))
    eventually(lambda: any(status.process == "checks" for status in read_all(tmp_path / "status")))
    (status,) = (one for one in read_all(tmp_path / "status") if one.process == "checks")
    assert status.report.counters["tracestitch_checks_findings_written_total"] == 1
    stop()
    LogWriter(tmp_path / "log" / "checks").close()


def test_a_second_loop_of_one_folder_leaves_it_to_the_first(store: EmbeddedStore, tmp_path: Path) -> None:
    first = checking.start(store, Settings(data=tmp_path))
    second = checking.start(store, Settings(data=tmp_path))
    second()
    requests_without_timeout(store, time.time_ns())
    eventually(lambda: bool(written(tmp_path / "log" / "checks")))
    first()


@pytest.mark.processes
def test_the_process_writes_findings_and_ends_on_sigterm(store: EmbeddedStore, tmp_path: Path) -> None:
    requests_without_timeout(store, time.time_ns())
    settings = {SETTINGS_VARIABLE: Settings(data=tmp_path).to_json()}
    process = subprocess.Popen(
        [sys.executable, "-m", "tracestitch_collector.checking"], env={**os.environ, **settings}
    )
    try:
        eventually(lambda: bool(written(tmp_path / "log" / "checks")))
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
    finally:
        process.kill()


def test_settings_that_make_no_sense_end_it_with_78(capsys: pytest.CaptureFixture[str]) -> None:
    assert checking.main({"TRACESTITCH_RETENTION": "soon"}) == 78
    assert "TRACESTITCH_RETENTION" in capsys.readouterr().err


@pytest.mark.parametrize(("part", "expected"), [("all", True), ("", True), ("dashboard", False)])
def test_the_reader_evaluates_only_where_it_runs_beside_the_collector(part: str, expected: bool) -> None:
    assert evaluates_checks({PART_VARIABLE: part} if part else {}) is expected


def test_a_collector_alone_evaluates_in_a_process_of_its_own() -> None:
    assert [program.module for program in PARTS["collector"]].count("tracestitch_collector.checking") == 1
    assert all(program.name != "checks" for part in ("all", "dashboard") for program in PARTS[part])


def test_where_another_collector_evaluates_the_checks_this_one_does_not(tmp_path: Path) -> None:
    running = programs("collector", Settings(data=tmp_path, checks=False))
    assert [program.name for program in running] == ["receiver", "pipeline"]
