"""The write-ahead log: what was acknowledged is read back, whatever happens to the tail."""

from __future__ import annotations

import hashlib
import os
import resource
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.log import HEADER_BYTES, Kind, LogReader, LogWriter, PendingRecord, log_bytes, trim

MANY = 1 << 30


def pending(body: bytes, kind: Kind = Kind.TRACES) -> PendingRecord:
    digest = hashlib.blake2b(body, digest_size=16).digest()
    return PendingRecord(kind=kind, body=body, received_ns=7, digest=digest)


def bodies(folder: Path, position: int = 0) -> list[bytes]:
    reader = LogReader(folder, position)
    found: list[bytes] = []
    while records := reader.read(4096):
        found += [record.body for record in records]
    return found


def segment_files(folder: Path) -> list[Path]:
    return sorted(folder.glob("*.log"))


def test_a_record_is_read_back_as_it_was_written(tmp_path: Path) -> None:
    written = PendingRecord(kind=Kind.LOGS, body=b"body", gzip=True, received_ns=5, digest=bytes(range(16)))
    position = LogWriter(tmp_path).append([written])

    (record,) = LogReader(tmp_path, 0).read(MANY)

    assert (record.kind, record.body, record.gzip) == (Kind.LOGS, b"body", True)
    assert (record.received_ns, record.digest, record.end) == (5, bytes(range(16)), position)


def test_an_empty_log_reads_as_nothing_new(tmp_path: Path) -> None:
    assert LogReader(tmp_path / "missing", 0).read(MANY) == []
    LogWriter(tmp_path)
    assert LogReader(tmp_path, 0).read(MANY) == []


def test_a_reader_goes_on_where_it_stopped_and_sees_what_is_added(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    reader = LogReader(tmp_path, 0)
    writer.append([pending(b"one"), pending(b"two")])
    assert [record.body for record in reader.read(MANY)] == [b"one", b"two"]
    assert reader.read(MANY) == []
    assert reader.behind() == 0

    end = writer.append([pending(b"three")])

    assert reader.behind() == HEADER_BYTES + len(b"three")
    assert [record.body for record in reader.read(MANY)] == [b"three"]
    assert reader.position == end


def test_reading_stops_near_the_asked_size_but_returns_at_least_one_record(tmp_path: Path) -> None:
    LogWriter(tmp_path).append([pending(b"x" * 10_000), pending(b"y" * 10), pending(b"z" * 10)])
    reader = LogReader(tmp_path, 0)
    assert [len(record.body) for record in reader.read(1)] == [10_000]
    assert [len(record.body) for record in reader.read(2 * HEADER_BYTES + 15)] == [10]
    assert [len(record.body) for record in reader.read(1)] == [10]


def test_a_full_segment_is_followed_by_another_and_trimmed_when_covered(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, segment_bytes=100)
    ends = [writer.append([pending(bytes([i]) * 60)]) for i in range(6)]
    assert len(segment_files(tmp_path)) == 6
    assert bodies(tmp_path) == [bytes([i]) * 60 for i in range(6)]

    removed = trim(tmp_path, ends[3])

    assert removed == 4
    assert bodies(tmp_path, ends[3]) == [bytes([i]) * 60 for i in (4, 5)]
    assert bodies(tmp_path, 0) == [bytes([i]) * 60 for i in (4, 5)]


def test_trimming_everything_keeps_the_position(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, segment_bytes=100)
    end = [writer.append([pending(bytes([i]) * 60)]) for i in range(4)][-1]
    trim(tmp_path, end)
    writer.close()

    assert LogWriter(tmp_path).position == end


@pytest.mark.parametrize("lost", range(1, HEADER_BYTES + 2))
def test_a_torn_tail_is_cut_off_and_nothing_whole_is_lost(tmp_path: Path, lost: int) -> None:
    writer = LogWriter(tmp_path)
    whole = writer.append([pending(b"whole")])
    writer.append([pending(b"to")])
    writer.close()
    (segment,) = segment_files(tmp_path)
    os.truncate(segment, segment.stat().st_size - lost)
    reader = LogReader(tmp_path, 0)
    assert [record.body for record in reader.read(MANY)] == [b"whole"]

    writer = LogWriter(tmp_path)
    writer.append([pending(b"after")])

    assert [record.body for record in reader.read(MANY)] == [b"after"]
    assert bodies(tmp_path) == [b"whole", b"after"]
    assert segment.stat().st_size == whole
    assert reader.damaged == 0


def test_an_unfinished_record_is_waited_for(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path / "source")
    writer.append([pending(b"first"), pending(b"second")])
    (source,) = segment_files(tmp_path / "source")
    content = source.read_bytes()
    growing = tmp_path / "growing"
    growing.mkdir()
    reader = LogReader(growing, 0)
    seen = []
    for length in range(len(content) + 1):
        (growing / source.name).write_bytes(content[:length])
        seen += [record.body for record in reader.read(MANY)]
    assert seen == [b"first", b"second"]
    assert reader.damaged == 0


@pytest.mark.parametrize("offset", [0, 4, 8, 16, 30, HEADER_BYTES, HEADER_BYTES + 5])
def test_a_damaged_record_in_the_middle_is_skipped_counted_and_said(tmp_path: Path, offset: int) -> None:
    writer = LogWriter(tmp_path)
    first = writer.append([pending(b"first")])
    writer.append([pending(b"damaged!")])
    writer.append([pending(b"third")])
    (segment,) = segment_files(tmp_path)
    content = bytearray(segment.read_bytes())
    content[first + offset] ^= 0xFF
    segment.write_bytes(content)

    reader = LogReader(tmp_path, 0)
    records = reader.read(MANY)

    assert [record.body for record in records] == [b"first", b"third"]
    assert (reader.damaged, reader.damaged_bytes) == (1, HEADER_BYTES + len(b"damaged!"))
    assert str(first) in reader.damage


@pytest.mark.parametrize("chunk", [1, HEADER_BYTES + 3, 2 * HEADER_BYTES + 10, MANY])
def test_damage_is_passed_whatever_the_chunk(tmp_path: Path, chunk: int) -> None:
    writer = LogWriter(tmp_path)
    first = writer.append([pending(b"first")])
    writer.append([pending(b"damaged!"), pending(b"third")])
    (segment,) = segment_files(tmp_path)
    content = bytearray(segment.read_bytes())
    content[first + 5] ^= 0xFF
    segment.write_bytes(content)
    reader = LogReader(tmp_path, 0)
    seen: list[bytes] = []
    while records := reader.read(chunk):
        seen += [record.body for record in records]
    assert seen == [b"first", b"third"]


def test_a_record_inside_a_body_is_never_read_as_one(tmp_path: Path) -> None:
    inner = LogWriter(tmp_path / "inner")
    inner.append([pending(b"forged", Kind.FINDINGS)])
    forged = segment_files(tmp_path / "inner")[0].read_bytes()
    writer = LogWriter(tmp_path / "log")
    writer.append([pending(b"--" + forged + b"--"), pending(b"after")])
    (segment,) = segment_files(tmp_path / "log")
    content = bytearray(segment.read_bytes())
    content[HEADER_BYTES] ^= 0xFF
    segment.write_bytes(content)
    assert bodies(tmp_path / "log") == [b"after"]


def test_a_damaged_end_of_a_full_segment_does_not_stop_the_reader(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, segment_bytes=50)
    writer.append([pending(b"a" * 60)])
    writer.append([pending(b"b" * 60)])
    first, _ = segment_files(tmp_path)
    os.truncate(first, first.stat().st_size - 10)
    reader = LogReader(tmp_path, 0)
    assert [record.body for record in reader.read(MANY)] == [b"b" * 60]
    assert reader.damaged == 1


def test_an_emptied_segment_does_not_stop_writer_or_reader(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    end = writer.append([pending(b"gone")])
    writer.close()
    os.truncate(segment_files(tmp_path)[0], 0)
    LogWriter(tmp_path).append([pending(b"new")])
    assert bodies(tmp_path, 0) == [b"new"]
    assert end > 0


def test_a_log_begun_anew_is_read_from_its_start(tmp_path: Path) -> None:
    LogWriter(tmp_path).append([pending(b"new")])
    reader = LogReader(tmp_path, 10_000)
    assert [record.body for record in reader.read(MANY)] == [b"new"]
    assert "10000" in reader.damage


def test_a_second_writer_is_refused(tmp_path: Path) -> None:
    first = LogWriter(tmp_path)
    with pytest.raises(BadConfiguration, match="another process writes"):
        LogWriter(tmp_path)
    first.append([pending(b"still works")])
    assert bodies(tmp_path) == [b"still works"]


def test_a_full_log_refuses_and_accepts_again_once_trimmed(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path, segment_bytes=100, max_bytes=400)
    end = writer.append([pending(b"x" * 150)])
    end = writer.append([pending(b"y" * 100)])
    with pytest.raises(Unavailable, match="--max-log-size"):
        writer.append([pending(b"z" * 100)])
    assert bodies(tmp_path) == [b"x" * 150, b"y" * 100]

    trim(tmp_path, end)
    writer.append([pending(b"z" * 100)])

    assert bodies(tmp_path, end) == [b"z" * 100]
    assert writer.bytes == log_bytes(tmp_path)


def test_a_write_that_fails_in_the_middle_keeps_nothing_of_it_and_reuses_no_position(tmp_path: Path) -> None:
    writer = LogWriter(tmp_path)
    kept = writer.append([pending(b"kept")])
    limit = resource.getrlimit(resource.RLIMIT_FSIZE)
    handler = signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    try:
        resource.setrlimit(resource.RLIMIT_FSIZE, (kept + 300, limit[1]))
        with pytest.raises(Unavailable, match="cannot be written"):
            writer.append([pending(b"l" * 100), pending(b"o" * 1000)])
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limit)
        signal.signal(signal.SIGXFSZ, handler)
    assert bodies(tmp_path) == [b"kept"]

    writer.append([pending(b"next")])

    assert bodies(tmp_path) == [b"kept", b"next"]
    assert segment_files(tmp_path)[0].stat().st_size == kept
    assert int(segment_files(tmp_path)[1].stem) > kept + HEADER_BYTES + 100


@pytest.mark.processes
def test_killing_the_writer_loses_nothing_it_acknowledged(tmp_path: Path) -> None:
    script = (
        "import sys, itertools; from pathlib import Path\n"
        "from tracestitch_collector.log import *\n"
        "writer = LogWriter(Path(sys.argv[1]), segment_bytes=5000)\n"
        "for n in itertools.count():\n"
        "    body = b'%d' % n + b'.' * (n % 700)\n"
        "    writer.append([PendingRecord(kind=Kind.TRACES, body=body, received_ns=n, digest=bytes(16))])\n"
        "    print(n, flush=True)\n"
    )
    for round_number in range(3):
        folder = tmp_path / str(round_number)
        process = subprocess.Popen([sys.executable, "-c", script, str(folder)], stdout=subprocess.PIPE)
        assert process.stdout is not None
        for _ in range(50 * (round_number + 1)):
            acknowledged = int(process.stdout.readline())
        process.kill()
        process.wait()
        process.stdout.close()

        LogWriter(folder).append([pending(b"after")])

        found = bodies(folder)
        assert found[-1] == b"after"
        assert [int(body.split(b".")[0]) for body in found[:-1]][: acknowledged + 1] == [
            *range(acknowledged + 1)
        ]
