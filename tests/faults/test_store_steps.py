"""The embedded store where any step of writing fails, or is the last one before a crash or a power cut."""

from __future__ import annotations

import errno
import random
import tempfile
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.failing_files import FAULTS, FailingFiles, Fault, Moment
from tests.support.long_forms import LONG
from tests.support.store_under_faults import Clock, StoreUnderFaults
from tests.support.telemetry import SECOND
from tracestitch_collector.store.embedded import retention, tail

pytestmark = pytest.mark.timeout(7200 if LONG else 120)

DAY_NS = 86_400 * SECOND
MINUTE_NS = 60 * SECOND
STRIDE = 1 if LONG else 37
"""Of the steps, this part is made to fail."""


@pytest.fixture(autouse=True)
def _merging_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(retention, "MERGED_TOGETHER", 2)
    monkeypatch.setattr(tail, "FAN_IN", 3)


def run(folder: Path, files: FailingFiles) -> StoreUnderFaults:
    """Batches, hot merges, syncs, merges of segments and a duplicate, whatever fails meanwhile."""
    bench = StoreUnderFaults(folder, Clock(), files)
    for number in range(9):
        bench.receive()
        if number == 5:
            bench.receive_again(2)
        for _ in range(2):
            bench.write()
        if number % 3 == 2:
            bench.sync()
            bench.check()
        if bench.store is None:
            break
    return bench


@pytest.mark.parametrize(("code", "moment"), FAULTS)
def test_whatever_step_fails_every_request_is_stored_once(tmp_path: Path, code: int, moment: Moment) -> None:
    whole = run(tmp_path / "whole", files := FailingFiles())
    whole.close()
    names = files.steps
    for step in range(FAULTS.index((code, moment)), len(names), STRIDE):
        for in_a_row in (1, 4) if LONG else (random.Random(step).choice((1, 4)),):
            fault = Fault(step=step, code=code, moment=moment, steps=in_a_row)
            bench = run(tmp_path / f"{step}-{in_a_row}", FailingFiles(fault))
            try:
                if not code:
                    bench.restart(random.Random(step))
                    bench.check()
                bench.recover()
                bench.check()
                bench.restart()
                bench.check()
            except Exception as error:
                raise AssertionError(f"after step {step}, {names[step]}") from error
            finally:
                bench.close()


def test_a_crash_after_a_manifest_whose_sync_failed_loses_nothing(tmp_path: Path) -> None:
    """It is in place, though the writer was told that it may not be: what it names must stay as it is."""

    whole = two_written(tmp_path / "whole")
    assert whole.sync()
    whole.close()
    last = max(at for at, name in enumerate(whole.files.steps) if name == "sync folder")
    for step in range(0, 200, 1 if LONG else 7):
        bench = two_written(tmp_path / str(step))
        bench.files.faults = [Fault(step=last, code=errno.EIO)]
        assert not bench.sync()
        bench.receive()
        bench.write()
        bench.files.faults = [Fault(step=len(bench.files.steps) + step)]
        ended = bench.sync()
        bench.restart()
        try:
            bench.check()
            bench.recover()
            bench.check()
        finally:
            bench.close()
        if ended:
            break
    assert 10 < step < 199


def two_written(folder: Path) -> StoreUnderFaults:
    bench = StoreUnderFaults(folder, Clock())
    for _ in range(2):
        bench.receive()
        bench.write()
    return bench


class StoreMachine(RuleBasedStateMachine):
    """Receive, write, sync, compact, fail, crash, cut the power, reopen, let the clock jump: against the log."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.bench = StoreUnderFaults(Path(self.folder.name), Clock())

    @rule(count=st.integers(1, 4))
    def receive_and_write(self, count: int) -> None:
        self.bench.clock.go(SECOND)
        for _ in range(count):
            self.bench.receive()
            self.bench.write()

    @precondition(lambda self: self.bench.log)
    @rule(data=st.data())
    def receive_again(self, data: st.DataObject) -> None:
        index = data.draw(st.integers(0, len(self.bench.log) - 1))
        if abs(self.bench.log[index].received_ns - self.bench.clock.latest_ns) < 10 * MINUTE_NS:
            self.bench.receive_again(index)

    @rule()
    def write(self) -> None:
        self.bench.write()

    @rule()
    def sync(self) -> None:
        self.bench.sync()

    @rule(ahead=st.integers(0, 40), kind=st.sampled_from(FAULTS), in_a_row=st.integers(1, 3))
    def break_a_step(self, ahead: int, kind: tuple[int, Moment], in_a_row: int) -> None:
        step = len(self.bench.files.steps) + ahead
        self.bench.files.faults = [Fault(step=step, code=kind[0], moment=kind[1], steps=in_a_row)]

    @rule(seed=st.integers(0, 2**32), power_goes=st.booleans())
    def end_and_reopen(self, seed: int, power_goes: bool) -> None:
        self.bench.restart(random.Random(seed) if power_goes else None)

    @rule(days=st.sampled_from((-1, 1, 3)))
    def let_the_clock_jump(self, days: int) -> None:
        self.bench.clock.go(days * DAY_NS)

    @rule()
    def recover(self) -> None:
        self.bench.recover()

    @invariant()
    def every_request_is_there_once(self) -> None:
        if hasattr(self, "bench"):
            self.bench.check()

    def teardown(self) -> None:
        if hasattr(self, "bench"):
            try:
                self.bench.recover()
                self.bench.check()
            finally:
                self.bench.close()
                self.folder.cleanup()


TestStoreModel = StoreMachine.TestCase
TestStoreModel.settings = settings(
    max_examples=500 if LONG else 12,
    stateful_step_count=50 if LONG else 20,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_a_request_that_waited_in_the_log_for_days_is_known_as_what_was_stored_before(tmp_path: Path) -> None:
    bench = two_written(tmp_path)
    bench.receive_again(0)  # at once, but it waits in the log
    bench.clock.go(3 * DAY_NS)
    assert bench.sync()
    bench.recover()
    bench.check()
    bench.close()
