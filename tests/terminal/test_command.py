"""The commands against a real dashboard and a real data folder: the same answers either way."""

from __future__ import annotations

import json
import socket
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support import telemetry
from tests.support.dashboard import running
from tests.support.traces import TraceBuilder
from tracestitch_collector.checking import Checking
from tracestitch_collector.checks.finding import from_json
from tracestitch_collector.log import LogReader, LogWriter
from tracestitch_collector.settings import Settings
from tracestitch_collector.store.embedded.store import EmbeddedStore
from tracestitch_dashboard import command

SECOND = 10**9
TOKEN = "a-token-that-is-long-enough"


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A data folder with one minute of a shop whose calls have no timeout, evaluated once."""
    data = tmp_path / "data"
    store = EmbeddedStore(data, write=True)
    now_ns = time.time_ns()
    for number in range(3):
        builder = TraceBuilder(f"request {number}")
        builder.base_ns = now_ns - (60 - number) * SECOND
        builder.server("view", "/pay", ms=10)
        builder.call(
            "call", "http://bank/pay", parent="view", attributes={"tracestitch.timeout.missing": True}
        )
        builder.log("paying", span="view", severity=17 if number == 0 else 9)
        trace = builder.build()
        store.write(
            telemetry.batch(trace.spans, trace.logs, request=str(number), start=number, end=number + 1)
        )
    log = LogWriter(data / "log" / "checks")
    Checking(store, log).run_once(now_ns)
    log.close()
    for record in LogReader(data / "log" / "checks", 0).read(10**6):
        found = [from_json(document) for document in json.loads(record.body)]
        store.write(telemetry.batch(findings=found, request="", start=3, end=4, evaluated_ns=now_ns))
    store.sync()
    store.close()
    return data


@pytest.fixture
def server(folder: Path) -> Iterator[str]:
    store = EmbeddedStore(folder, write=False)
    with running(store, Settings(data=folder)) as address:
        yield address
    store.close()


@pytest.fixture(params=["folder", "server"])
def where(request: pytest.FixtureRequest, folder: Path) -> list[str]:
    """Either way of asking."""
    if request.param == "folder":
        return ["--data", str(folder)]
    return ["--server", request.getfixturevalue("server")]


def test_check_fails_the_gate_on_an_important_finding(
    where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.check(where) == 1
    out = capsys.readouterr().out
    assert "GET to bank without a timeout" in out
    assert "1 finding: 1 important. 1 important or worse." in out


def test_check_passes_when_nothing_reaches_the_gate_or_the_service(where: list[str]) -> None:
    assert command.check([*where, "--fail-on", "critical"]) == 0
    assert command.check([*where, "--service", "other"]) == 0
    assert command.check([*where, "--since", "1s"]) == 0


def test_a_baseline_lets_only_new_findings_fail(
    where: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    path = str(tmp_path / "baseline.json")
    assert command.check([*where, "--write-baseline", path]) == 0
    assert command.check([*where, "--baseline", path, "--fail-on", "new"]) == 0
    assert "(in the baseline)" in capsys.readouterr().out
    (tmp_path / "baseline.json").write_text('{"version": 1, "findings": []}')
    assert command.check([*where, "--baseline", path, "--fail-on", "new"]) == 1


def test_what_went_quiet_fails_no_gate_and_is_listed_apart(
    folder: Path, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    store = EmbeddedStore(folder, write=True)
    quiet = telemetry.finding(title="Mended", severity="critical", state="quiet", last_seen_ns=time.time_ns())
    store.write(telemetry.batch(findings=[quiet], request="", start=4, end=5))
    store.sync()
    store.close()
    assert command.check([*where, "--fail-on", "critical"]) == 0
    assert "Mended" not in capsys.readouterr().out
    assert command.findings(where) == 0
    out = capsys.readouterr().out
    assert "quiet  n-plus-one-db  Mended  (last seen " in out
    assert "1 finding: 1 important, 1 quiet." in out
    assert command.findings([*where, "--json"]) == 0
    states = {one["title"]: one["state"] for one in json.loads(capsys.readouterr().out)["findings"]}
    assert states == {"Mended": "quiet", "GET to bank without a timeout": "open"}


@pytest.mark.parametrize("form", ["json", "sarif", "junit"])
def test_check_prints_each_format_and_nothing_else(
    form: str, where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.check([*where, "--format", form]) == 1
    out = capsys.readouterr().out
    if form == "junit":
        assert out.startswith("<?xml")
        assert 'failures="1"' in out
    else:
        document = json.loads(out)
        found = document["findings"] if form == "json" else document["runs"][0]["results"]
        assert len(found) == 1


def test_trace_draws_and_prints_the_same_trace(where: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    trace_id = TraceBuilder("request 1").trace_id
    assert command.trace([*where, trace_id]) == 0
    drawn = capsys.readouterr().out
    assert drawn.startswith("GET /pay  200  10 ms\n1 service · 2 spans · 1 log · 1 finding")
    assert "▤ INFO paying" in drawn
    assert "⚑ missing-timeout" in drawn
    assert command.trace([*where, "--json", trace_id]) == 0
    document = json.loads(capsys.readouterr().out)
    assert [span["name"] for span in document["spans"]] == ["GET /pay", "GET"]


def test_traces_are_listed_newest_first(where: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.traces([*where, "--service", "shop", "--limit", "2"]) == 0
    first, second = capsys.readouterr().out.splitlines()
    assert TraceBuilder("request 2").trace_id in first
    assert TraceBuilder("request 1").trace_id in second
    assert command.traces([*where, "--service", "other"]) == 0
    assert capsys.readouterr().out == "No traces in this time; widen it with --since.\n"
    assert command.traces([*where, "--operation", "/pay", "--slowest", "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["traces"]) == 3


def test_logs_are_listed_newest_last_and_by_severity(
    where: list[str], capsys: pytest.CaptureFixture[str]
) -> None:
    assert command.logs(where) == 0
    lines = capsys.readouterr().out.splitlines()
    assert [line.split()[2] for line in lines] == ["ERROR", "INFO", "INFO"]
    assert command.logs([*where, "--level", "error", "--text", "paying"]) == 0
    assert len(capsys.readouterr().out.splitlines()) == 1


def test_services_and_findings_are_listed(where: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.services(where) == 0
    assert capsys.readouterr().out.splitlines()[1].split()[:3] == ["shop", "3", "0"]
    assert command.findings(where) == 0
    assert "GET to bank without a timeout" in capsys.readouterr().out
    assert command.findings([*where, "--json"]) == 0
    assert len(json.loads(capsys.readouterr().out)["findings"]) == 1


def test_what_doctor_sent_is_in_no_list_of_services(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    data = tmp_path / "data"
    store = EmbeddedStore(data, write=True)
    builder = TraceBuilder("echo")
    builder.base_ns = time.time_ns() - SECOND
    builder.server("echo", "/echo", service="tracestitch-doctor")
    builder.server("view", "/pay", service="shop")
    store.write(telemetry.batch(builder.build().spans, (), request="echo"))
    store.sync()
    store.close()

    assert command.services(["--data", str(data), "--json"]) == 0

    assert [one["service"] for one in json.loads(capsys.readouterr().out)["services"]] == ["shop"]


def test_an_unknown_trace_is_said(where: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.trace([*where, "f" * 32]) == 2
    assert "there is no trace ffff" in capsys.readouterr().err


def test_what_is_no_trace_id_is_said(where: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.trace([*where, "abc"]) == 2
    assert "abc is no trace id: one has 32 hexadecimal digits" in capsys.readouterr().err


def test_nobody_to_ask_is_said_with_what_to_do(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = free.getsockname()[1]
    assert command.check(["--server", f"http://127.0.0.1:{port}"]) == 2
    err = capsys.readouterr().err
    assert f"no Tracestitch dashboard answers at http://127.0.0.1:{port} (Connection refused)" in err
    assert "tracestitch serve" in err
    assert command.traces(["--data", str(tmp_path / "none")]) == 2
    assert "there is no data folder" in capsys.readouterr().err
    assert command.traces(["--server", "file:///etc/passwd"]) == 2
    assert "is no address" in capsys.readouterr().err


def test_a_server_with_a_token_wants_it(folder: Path, capsys: pytest.CaptureFixture[str]) -> None:
    store = EmbeddedStore(folder, write=False)
    with running(store, Settings(data=folder, token=TOKEN)) as address:
        assert command.services(["--server", address]) == 2
        assert "wants a token" in capsys.readouterr().err
        assert command.services(["--server", address, "--token", "another-token-of-length"]) == 2
        assert "does not accept this token" in capsys.readouterr().err
        assert command.services(["--server", address, "--token", TOKEN]) == 0
    store.close()


@pytest.mark.parametrize(
    "arguments",
    [["--since", "yesterday"], ["--format", "pdf"], ["--server", "x", "--data", "y"], ["--fail-on", "new"]],
)
def test_wrong_usage_is_two(arguments: list[str], capsys: pytest.CaptureFixture[str]) -> None:
    assert command.check(arguments) == 2
    assert capsys.readouterr().err


def test_help_is_zero(capsys: pytest.CaptureFixture[str]) -> None:
    for one in (
        command.check,
        command.trace,
        command.traces,
        command.logs,
        command.findings,
        command.services,
    ):
        assert one(["--help"]) == 0
    assert "--fail-on" in capsys.readouterr().out
