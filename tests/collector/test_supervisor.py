"""`tracestitch serve collector` as real processes: ready, one per folder, restarted alone, ended in time."""

from __future__ import annotations

import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import pytest

from tests.support.module_table import ROOT
from tests.support.otlp import otlp_span, trace_request
from tracestitch_collector.lifeline import take_folder
from tracestitch_collector.log import LogReader
from tracestitch_collector.settings import Settings
from tracestitch_collector.status import read_all
from tracestitch_collector.supervisor import PIPELINE, Child, Supervisor

pytestmark = pytest.mark.processes

Found = TypeVar("Found")
COMMAND = "import sys; from tracestitch_collector.command import serve; sys.exit(serve(sys.argv[1:]))"
FREE_PORTS = ("--otlp-http-port", "0", "--otlp-grpc-port", "0", "--dashboard-port", "0")
BODY = trace_request(otlp_span()).SerializeToString()
PATIENCE_S = 90


def eventually(question: Callable[[], Found | None]) -> Found:
    deadline = time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        try:
            answer = question()
        except OSError:
            answer = None
        if answer:
            return answer
        time.sleep(0.05)
    raise AssertionError(f"no answer within {PATIENCE_S} s")


@dataclass(slots=True, kw_only=True)
class Serving:
    process: subprocess.Popen[str]
    data: Path

    @property
    def addresses(self) -> dict[str, str]:
        found: dict[str, str] = json.loads((self.data / "run" / "addresses.json").read_text())
        return found

    def send(self) -> int:
        url = self.addresses["otlp_http"] + "/v1/traces"
        request = urllib.request.Request(url, BODY, {"content-type": "application/x-protobuf"})
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)

    def pids(self) -> dict[str, int]:
        """Of the running children, by name, as the supervisor tells on its status page."""
        facts = next(status for status in read_all(self.data / "status") if status.process == "supervisor")
        return {
            name: int(text.split("pid ")[1].split(",")[0])
            for name, text in facts.report.facts.items()
            if text.startswith("running")
        }


@contextmanager
def serving(data: Path, *arguments: str) -> Iterator[Serving]:
    process = subprocess.Popen(
        [sys.executable, "-c", COMMAND, *arguments, "--data", str(data), *FREE_PORTS],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        yield Serving(process=process, data=data)
    finally:
        if process.poll() is None:
            process.terminate()
        process.communicate(timeout=60)


def is_alive(pid: int) -> bool:
    """Whether it runs; one that has ended and was not yet collected does not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except FileNotFoundError:
        return False


def run_to_end(*arguments: str, **environment: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-c", COMMAND, *arguments],
        env={**os.environ, **environment},
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
        check=False,
    )


def test_it_tells_its_addresses_in_one_line_when_it_is_ready_and_ends_in_time(tmp_path: Path) -> None:
    with serving(tmp_path, "collector") as server:
        assert server.process.stdout is not None
        line = server.process.stdout.readline()
        addresses = server.addresses
        assert server.send() == 200
        pids = eventually(lambda: server.pids() if len(server.pids()) == 3 else None)

        began = time.monotonic()
        server.process.terminate()
        assert server.process.wait(timeout=60) == 0
        took_s = time.monotonic() - began

    assert line.startswith("Tracestitch is ready · ")
    assert addresses["otlp_http"] in line
    assert addresses["otlp_grpc"] in line
    assert addresses["dashboard"] == ""
    assert set(pids) == {"receiver", "pipeline", "checks"}
    assert took_s < 10  # 5 s on an idle machine
    assert not any(is_alive(pid) for pid in pids.values())
    assert not (tmp_path / "run" / "addresses.json").exists()


def test_its_processes_are_told_to_give_memory_back(tmp_path: Path) -> None:
    with serving(tmp_path, "collector") as server:
        assert server.process.stdout is not None
        assert "ready" in server.process.stdout.readline()
        pids = eventually(lambda: server.pids() if len(server.pids()) == 3 else None)
        variables = Path(f"/proc/{pids['pipeline']}/environ").read_bytes().split(b"\0")
    assert b"ARROW_DEFAULT_MEMORY_POOL=system" in variables
    assert b"MALLOC_ARENA_MAX=2" in variables


def test_a_second_one_on_the_same_folder_is_refused_in_one_line_and_the_first_goes_on(tmp_path: Path) -> None:
    with serving(tmp_path, "collector") as server:
        eventually(lambda: server.addresses)
        second = run_to_end("collector", "--data", str(tmp_path), *FREE_PORTS)
        assert second.returncode == 78
        assert second.stdout == ""
        assert second.stderr.count("\n") == 1
        assert str(tmp_path) in second.stderr
        assert server.send() == 200


def test_a_new_data_folder_is_its_owners_alone_and_an_old_one_is_left_as_it_is(tmp_path: Path) -> None:
    shared = tmp_path / "shared"
    shared.mkdir()
    shared.chmod(0o755)
    for folder, mode in ((tmp_path / "new", 0o700), (shared, 0o755)):
        os.close(take_folder(folder))
        assert folder.stat().st_mode & 0o777 == mode


def test_a_dead_process_is_restarted_alone_on_its_port_and_no_connection_is_turned_away(
    tmp_path: Path,
) -> None:
    with serving(tmp_path, "collector") as server:
        eventually(lambda: server.addresses)
        before = eventually(lambda: server.pids() if len(server.pids()) == 3 else None)

        os.kill(before["receiver"], signal.SIGKILL)

        assert server.send() == 200  # waits in the supervisor's socket until the new receiver takes it
        after = eventually(
            lambda: (
                found
                if len(found := server.pids()) == 3 and found["receiver"] != before["receiver"]
                else None
            )
        )
        assert (after["pipeline"], after["checks"]) == (before["pipeline"], before["checks"])
        supervisor = next(
            status for status in read_all(tmp_path / "status") if status.process == "supervisor"
        )
        assert supervisor.report.counters['tracestitch_process_restarts_total{process="receiver"}'] == 1
        assert any("receiver" in problem for problem in supervisor.report.problems)


def test_a_folder_too_deep_for_a_socket_path_is_as_good_as_any(tmp_path: Path) -> None:
    deep = tmp_path / ("d" * 100) / ("e" * 100)
    with serving(deep, "collector") as server:
        eventually(lambda: server.addresses)
        eventually(lambda: len(server.pids()) == 3 or None)
        with urllib.request.urlopen(server.addresses["otlp_http"] + "/metrics", timeout=60) as answer:
            assert "tracestitch_build_info{" in answer.read().decode()  # only the pipeline has it


@pytest.mark.parametrize(
    ("ready_s", "failures", "waits_s"), [(61.0, 5, 0.0), (59.0, 0, 0.1), (59.0, 5, 10.0), (0.0, 99, 30.0)]
)
def test_who_was_ready_for_a_minute_is_restarted_at_once_and_others_wait_longer_each_time(
    tmp_path: Path, ready_s: float, failures: int, waits_s: float
) -> None:
    said: list[str] = []
    supervisor = Supervisor(
        settings=Settings(data=tmp_path),
        part="collector",
        sockets={},
        environment={},
        lock=None,
        say=said.append,
        complain=said.append,
    )
    child = Child(program=PIPELINE, ready=ready_s > 0, ready_at_s=1000 - ready_s, failures=failures)
    supervisor._note_end(child, -9, 1000.0)
    assert child.start_at_s == 1000 + waits_s
    assert said[0].startswith("the pipeline ended by signal 9; starting it again")


def test_a_process_without_the_extras_says_what_to_install() -> None:
    bare = subprocess.run(
        [sys.executable, "-S", "-m", "tracestitch_collector.pipeline"],
        cwd=ROOT / "collector",
        capture_output=True,
        text=True,
        timeout=PATIENCE_S,
    )
    assert bare.returncode == 1
    assert bare.stderr.count("\n") == 1
    assert "pip install 'tracestitch[server]'" in bare.stderr


def test_when_the_supervisor_is_killed_its_processes_go_too_and_the_folder_is_free(tmp_path: Path) -> None:
    with serving(tmp_path, "collector") as server:
        eventually(lambda: server.addresses)
        pids = eventually(lambda: server.pids() if len(server.pids()) == 3 else None)
        assert server.send() == 200
        server.process.kill()
        server.process.wait()
        eventually(lambda: not any(is_alive(pid) for pid in pids.values()) or None)

    assert len(LogReader(tmp_path / "log" / "receiver", 0).read(1 << 20)) <= 1  # trimmed once stored
    with serving(tmp_path, "collector") as server:
        eventually(lambda: server.send() == 200 or None)


def test_an_occupied_port_is_told_with_its_number(tmp_path: Path) -> None:
    with socket.create_server(("127.0.0.1", 0)) as other:
        port = str(other.getsockname()[1])
        for flag in ("--otlp-http-port", "--otlp-grpc-port"):
            answer = run_to_end("collector", "--data", str(tmp_path), *FREE_PORTS, flag, port)
            assert (answer.returncode, answer.stderr.count("\n")) == (78, 1)
            assert f"127.0.0.1:{port}" in answer.stderr


@pytest.mark.parametrize(
    "arguments", [("--host", "0.0.0.0"), ("collector", "--host", "::"), ("dashboard", "--host", "10.0.0.1")]
)
def test_a_wide_bind_without_a_token_is_refused_in_words(tmp_path: Path, arguments: tuple[str, ...]) -> None:
    answer = run_to_end(*arguments, "--data", str(tmp_path))
    assert answer.returncode == 78
    assert "TRACESTITCH_TOKEN" in answer.stderr
    assert not list(tmp_path.iterdir())


def test_a_folder_that_cannot_be_written_is_told(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("in the way")
    answer = run_to_end("collector", "--data", str(tmp_path / "file"), *FREE_PORTS)
    assert (answer.returncode, answer.stderr.count("\n")) == (78, 1)
    assert "--data" in answer.stderr


def test_wrong_usage_exits_2_and_help_0() -> None:
    assert run_to_end("--no-such-flag").returncode == 2
    assert run_to_end("nonsense").returncode == 2
    shown = run_to_end("--help")
    assert shown.returncode == 0
    assert "--max-log-size" in shown.stdout


ELASTICSEARCH = "import sys; from tracestitch_collector.command import elasticsearch; sys.exit(elasticsearch(sys.argv[1:]))"


def test_setting_up_elasticsearch_says_what_is_missing_or_does_not_answer() -> None:
    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        return subprocess.run(
            [sys.executable, "-c", ELASTICSEARCH, *arguments],
            capture_output=True,
            text=True,
            timeout=PATIENCE_S,
            check=False,
        )

    assert run().returncode == 2
    without_address = run("setup")
    assert (without_address.returncode, without_address.stdout) == (78, "")
    assert "--elasticsearch-url" in without_address.stderr
    with socket.create_server(("127.0.0.1", 0)) as taken:
        port = taken.getsockname()[1]
    nobody_there = run("setup", "--elasticsearch-url", f"http://127.0.0.1:{port}")
    assert (nobody_there.returncode, nobody_there.stdout) == (1, "")
    assert "Traceback" not in nobody_there.stderr
