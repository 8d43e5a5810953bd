"""The status files by which the processes tell of themselves."""

from __future__ import annotations

import json
import threading
from pathlib import Path

from tests.support.otlp import otlp_span, trace_request
from tests.support.receiver import receiving
from tracestitch_collector.status import Report, StatusFile, read_all


def test_what_a_process_wrote_last_is_read_back(tmp_path: Path) -> None:
    times = iter([10, 20, 30])
    file = StatusFile(tmp_path / "status", "pipeline", clock_ns=lambda: next(times))
    file.write(Report(counters={"a_total": 1}))
    file.write(Report(counters={"a_total": 2}, facts={"store": "embedded"}, problems=("disk full",)))

    (status,) = read_all(tmp_path / "status")

    assert (status.process, status.started_ns, status.updated_ns) == ("pipeline", 10, 30)
    assert status.report == Report(
        counters={"a_total": 2}, facts={"store": "embedded"}, problems=("disk full",)
    )


def test_a_process_that_stopped_writing_is_stale(tmp_path: Path) -> None:
    StatusFile(tmp_path, "receiver", clock_ns=lambda: 1_000_000_000).write(Report())
    (status,) = read_all(tmp_path)
    assert not status.is_stale(3_000_000_000)
    assert status.is_stale(7_000_000_000)


def test_all_processes_are_read_by_name_and_broken_files_are_left_out(tmp_path: Path) -> None:
    for name in ("receiver", "pipeline"):
        StatusFile(tmp_path, name).write(Report())
    (tmp_path / "broken.json").write_text("{")
    (tmp_path / "other.json").write_text(json.dumps(["not", "a", "status"]))
    assert [status.process for status in read_all(tmp_path)] == ["pipeline", "receiver"]
    assert read_all(tmp_path / "missing") == ()


def test_a_folder_that_cannot_be_written_does_not_stop_the_process(tmp_path: Path) -> None:
    file = StatusFile(tmp_path / "status", "receiver")
    (tmp_path / "status").rmdir()
    file.write(Report())


def test_writing_goes_on_until_it_is_told_to_stop_and_ends_with_the_last_word(tmp_path: Path) -> None:
    counts = iter(range(1000))
    stop = threading.Event()
    file = StatusFile(tmp_path, "receiver")
    thread = threading.Thread(
        target=file.keep_writing, args=(lambda: Report(counters={"n": next(counts)}), stop)
    )
    thread.start()
    stop.set()
    thread.join(timeout=30)
    assert read_all(tmp_path)[0].report.counters["n"] == next(counts) - 1


def test_the_receiver_tells_what_it_took_refused_and_dropped(tmp_path: Path) -> None:
    with receiving(tmp_path) as running:
        body = trace_request(otlp_span(), otlp_span(trace_id="00")).SerializeToString()
        running.post("/v1/traces", body, content_type="application/x-protobuf")
        running.post("/v1/logs", b"\xff", content_type="application/x-protobuf")
    (status,) = read_all(tmp_path / "status")
    counters = status.report.counters
    assert counters['tracestitch_receiver_accepted_total{signal="traces",transport="http"}'] == 1
    refused = 'tracestitch_receiver_refused_total{signal="logs",transport="http",reason="malformed"}'
    assert counters[refused] == 1
    assert (
        sum(count for name, count in counters.items() if name.startswith("tracestitch_receiver_dropped")) == 1
    )
    assert "exposed at /metrics" in status.report.facts["metrics"]


def test_an_alarm_says_since_when_and_keeps_that_over_a_short_pause(tmp_path: Path) -> None:
    now = {"ns": 0}
    file = StatusFile(tmp_path, "receiver", clock_ns=lambda: now["ns"])

    def since(second: int, *alarms: str) -> dict[str, int]:
        now["ns"] = second * 1_000_000_000
        file.write(Report(alarms=dict.fromkeys(alarms, f"at {second}")))
        (status,) = read_all(tmp_path)
        assert status.report.alarms == dict.fromkeys(alarms, f"at {second}")
        return {name: ns // 1_000_000_000 for name, ns in status.alarm_since_ns.items()}

    assert since(10, "full") == {"full": 10}
    assert since(20, "full", "away") == {"full": 10, "away": 20}
    assert since(30) == {}
    assert since(40, "full") == {"full": 10}
    assert since(200, "full") == {"full": 200}


def test_where_the_disk_takes_nothing_new_the_text_goes_into_the_room_of_the_old(tmp_path: Path) -> None:
    folder = tmp_path / "status"
    file = StatusFile(folder, "receiver")
    file.write(Report(counters={"a": 1}))
    size = (folder / "receiver.json").stat().st_size
    (folder / "receiver.tmp").mkdir()  # no draft can be written, whoever runs this test
    file.write(Report(counters={"a": 2}, alarms={"The collector refuses data": "no space left"}))
    (status,) = read_all(folder)
    assert status.report.counters == {"a": 2}
    assert status.report.alarms == {"The collector refuses data": "no space left"}
    assert (folder / "receiver.json").stat().st_size == size
    file.write(Report(facts={"much": "x" * size}))
    assert read_all(folder) == (status,)
