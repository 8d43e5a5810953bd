"""The write-ahead log where any step of writing fails, or is the last one before a crash or a power cut."""

from __future__ import annotations

import hashlib
import random
import tempfile
from collections.abc import Sequence
from pathlib import Path

import pytest
from hypothesis import HealthCheck, settings
from hypothesis import strategies as st
from hypothesis.stateful import RuleBasedStateMachine, initialize, invariant, precondition, rule

from tests.support.failing_files import FAULTS, Crash, FailingFiles, Fault, Moment
from tests.support.long_forms import LONG
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.log import Kind, LogReader, LogWriter, PendingRecord, trim

SEGMENT_BYTES = 300
SIZES = (10, 200, 150, 90, 400, 10, 10, 250)


def record(number: int, size: int) -> PendingRecord:
    body = str(number).encode().ljust(size, b".")
    digest = hashlib.blake2b(body, digest_size=16).digest()
    return PendingRecord(kind=Kind.TRACES, body=body, received_ns=number, digest=digest)


def numbers(folder: Path, position: int = 0) -> list[int]:
    """Every record from the position on, as a reader meets them in small pieces."""
    reader, found = LogReader(folder, position), []
    while records := reader.read(100):
        found += [int(each.body.rstrip(b".")) for each in records]
    return found


def write_all(folder: Path, files: FailingFiles) -> set[int]:
    """The numbers that were acknowledged until the crash, if there is one."""
    acknowledged: set[int] = set()
    writer = None
    try:
        writer = LogWriter(folder, segment_bytes=SEGMENT_BYTES, files=files)
        for number, size in enumerate(SIZES):
            try:
                writer.append([record(number, size), record(number + 100, 5)])
            except Unavailable:
                continue
            acknowledged |= {number, number + 100}
    except (Crash, OSError):
        pass
    if writer is not None:
        writer.close()
    return acknowledged


def steps_of_writing(folder: Path) -> int:
    files = FailingFiles()
    assert len(write_all(folder, files)) == 2 * len(SIZES)
    return len(files.steps)


@pytest.mark.parametrize(("code", "moment"), FAULTS)
def test_whatever_step_fails_what_was_acknowledged_is_read_once(
    tmp_path: Path, code: int, moment: Moment
) -> None:
    for step in range(steps_of_writing(tmp_path / "whole")):
        for in_a_row in (1, 3):
            folder = tmp_path / f"{step}-{in_a_row}"
            files = FailingFiles(Fault(step=step, code=code, moment=moment, steps=in_a_row))
            acknowledged = write_all(folder, files)
            if not code:
                files.power_cut(random.Random(step))
            after = LogWriter(folder, segment_bytes=SEGMENT_BYTES)
            after.append([record(99, 20)])
            after.close()
            found = numbers(folder)
            assert len(found) == len(set(found)), (step, files.steps[step])
            assert acknowledged | {99} <= set(found), (step, files.steps[step])
            if code and step > 2:  # the disk came back while it ran: nearly everything was taken
                assert len(acknowledged) >= 2 * len(SIZES) - 2 * in_a_row, (step, files.steps[step])


class LogMachine(RuleBasedStateMachine):
    """Append, fail, crash, cut the power, reopen, trim, read: against a list of what was acknowledged."""

    @initialize()
    def begin(self) -> None:
        self.folder = tempfile.TemporaryDirectory()
        self.path = Path(self.folder.name) / "log"
        self.files = FailingFiles()
        self.writer: LogWriter | None = LogWriter(self.path, segment_bytes=SEGMENT_BYTES, files=self.files)
        self.next = 0
        self.acknowledged: list[int] = []
        self.reader = LogReader(self.path, 0)
        self.read_by_reader: list[int] = []

    @precondition(lambda self: self.writer is not None)
    @rule(sizes=st.lists(st.integers(3, 500), min_size=1, max_size=4))
    def append(self, sizes: Sequence[int]) -> None:
        assert self.writer is not None
        new = list(range(self.next, self.next + len(sizes)))
        self.next += len(sizes)
        try:
            self.writer.append([record(number, size) for number, size in zip(new, sizes, strict=True)])
        except Unavailable:
            return
        except Crash:
            self.writer.close()
            self.writer = None
            return
        self.acknowledged += new

    @precondition(lambda self: self.writer is not None)
    @rule(ahead=st.integers(0, 4), kind=st.sampled_from(FAULTS), in_a_row=st.integers(1, 4))
    def break_a_step(self, ahead: int, kind: tuple[int, Moment], in_a_row: int) -> None:
        step = len(self.files.steps) + ahead
        self.files.faults = [Fault(step=step, code=kind[0], moment=kind[1], steps=in_a_row)]

    @precondition(lambda self: self.writer is not None)
    @rule()
    def kill(self) -> None:
        assert self.writer is not None
        self.files.crash()
        self.writer.close()
        self.writer = None

    @precondition(lambda self: self.writer is None)
    @rule(seed=st.integers(0, 2**32), power_goes=st.booleans())
    def reopen(self, seed: int, power_goes: bool) -> None:
        if power_goes:
            self.files.power_cut(random.Random(seed))
            self.reader = LogReader(self.path, 0)  # the machine was off: the pipeline begins anew as well
            self.read_by_reader = []
        self.files = FailingFiles()
        self.writer = LogWriter(self.path, segment_bytes=SEGMENT_BYTES, files=self.files)

    @rule(size=st.integers(1, 1000))
    def read(self, size: int) -> None:
        records = self.reader.read(size)
        self.read_by_reader += [int(each.body.rstrip(b".")) for each in records]

    @rule()
    def read_on_after_a_restart(self) -> None:
        self.reader = LogReader(self.path, self.reader.position)

    @invariant()
    def every_acknowledged_record_is_there_once(self) -> None:
        found = numbers(self.path)
        assert len(found) == len(set(found))
        assert set(self.acknowledged) <= set(found)
        assert [number for number in found if number in set(self.acknowledged)] == self.acknowledged

    @invariant()
    def a_reader_that_tails_misses_nothing(self) -> None:
        rest = numbers(self.path, self.reader.position)
        seen = self.read_by_reader + rest
        assert len(seen) == len(set(seen))
        assert set(self.acknowledged) <= set(seen)

    def teardown(self) -> None:
        if hasattr(self, "folder"):
            if self.writer is not None:
                self.files.crash()
                self.writer.close()
            self.folder.cleanup()


TestLogModel = LogMachine.TestCase
TestLogModel.settings = settings(
    max_examples=2000 if LONG else 60,
    stateful_step_count=64 if LONG else 30,
    deadline=None,
    suppress_health_check=list(HealthCheck),
)


def test_trimming_beside_the_writer_takes_only_what_is_covered(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, segment_bytes=SEGMENT_BYTES)
    ends = [writer.append([record(number, 100)]) for number in range(20)]
    for number, end in enumerate(ends):
        trim(tmp_path, end)
        assert numbers(tmp_path, end) == list(range(number + 1, 20))
    writer.close()
