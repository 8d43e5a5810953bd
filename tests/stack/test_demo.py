"""The demo shop's own promises: its table, what it expects to be found, and that it works without the agent."""

from __future__ import annotations

import http.client
import os
import re
import signal
import subprocess
import sys
import threading
import urllib.request
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest

from tests.support.demo import pricing_python
from tests.support.prometheus import tool
from tracestitch_demo import gateway, load, opening, pitfalls, verification
from tracestitch_demo.opening import Place
from tracestitch_demo.pitfalls import Seed
from tracestitch_demo.processes import DemoError, Processes

README = Path(__file__).parents[2] / "stack" / "demo" / "README.md"


def table() -> list[list[str]]:
    rows = [line for line in README.read_text(encoding="utf-8").splitlines() if line.startswith("| ")]
    return [[cell.strip() for cell in row.strip("|").split("|")] for row in rows[1:]]


def test_the_readme_names_every_seeded_line() -> None:
    told = {(check, file, line) for check, file, line, _, _ in table() if file != "–"}
    assert told == {
        (seed.check, seed.file.removeprefix("tracestitch_demo/"), str(seed.line))
        for seed in pitfalls.seeded()
    }
    assert [check for check, file, *_ in table() if file == "–"] == [pitfalls.DEPENDENCY_DRIFT]


def test_each_pitfall_has_a_route_that_is_driven_and_a_clean_twin_beside_it() -> None:
    routes = {route.operation: route for route in load.ROUTES}
    for check, _, _, seeded_on, twin in table():
        for operation in re.findall(r"`(.+?)`", seeded_on):
            assert check in routes[operation].pitfalls
        for operation in re.findall(r"`(.+?)`", twin):
            assert check not in routes[operation].pitfalls


def test_all_nine_checks_are_seeded() -> None:
    assert {seed.check for seed in pitfalls.seeded()} | {pitfalls.DEPENDENCY_DRIFT} == {
        "shared-database",
        "dependency-drift",
        "debug-exposed",
        "n-plus-one-db",
        "n-plus-one-http",
        "broken-trace-context",
        "error-contract-drift",
        "missing-timeout",
        "swallowed-error",
    }


def seed(check: str, service: str = "pricing", line: int = 7) -> Seed:
    return Seed(check=check, file=f"tracestitch_demo/{service}/payments.py", line=line)


def found(
    check: str, service: str = "pricing", line: int | None = 7, operation: str = "POST /charges"
) -> dict[str, Any]:
    file = f"stack/demo/tracestitch_demo/{service}/payments.py"
    return {
        "check": check,
        "service": service,
        "operation": operation,
        "title": "POST to payment without a timeout",
        "location": None if line is None else {"file": file, "line": line, "function": "post"},
    }


def outcomes(findings: list[Mapping[str, Any]], *seeds: Seed) -> list[str]:
    expected = [one for one in verification.expectations(seeds) if one.check != pitfalls.DEPENDENCY_DRIFT]
    return [row.outcome for row in verification.judge_findings(findings, expected, skipped={})]


def test_a_pitfall_counts_only_when_it_is_found_at_its_line() -> None:
    assert outcomes([found("missing-timeout")], seed("missing-timeout")) == ["ok"]
    assert outcomes([found("missing-timeout", line=8)], seed("missing-timeout")) == ["missing"]
    assert outcomes([found("missing-timeout", line=None)], seed("missing-timeout")) == ["missing"]
    assert outcomes([found("n-plus-one-db")], seed("missing-timeout")) == ["missing"]
    assert outcomes([], seed("missing-timeout")) == ["missing"]


def test_one_pitfall_in_two_services_must_be_found_in_both() -> None:
    seeds = (seed("n-plus-one-db"), seed("n-plus-one-db", "inventory"))
    assert outcomes([found("n-plus-one-db")], *seeds) == ["missing", "ok"]


def test_a_pitfall_between_services_is_found_at_any_of_its_lines() -> None:
    seeds = (seed("shared-database"), seed("shared-database", "inventory", 9))
    assert outcomes([found("shared-database", "inventory", 9)], *seeds) == ["ok"]


def test_a_lost_trace_context_needs_no_line() -> None:
    assert outcomes([found("broken-trace-context", "storefront", None)], seed("broken-trace-context")) == [
        "ok"
    ]


def test_findings_on_clean_routes_and_unseeded_ones_are_noise() -> None:
    expected = verification.expectations([seed("missing-timeout")])
    clean = found("n-plus-one-db", "inventory", operation="GET /stock/summary")
    rows = verification.judge_silence([found("missing-timeout"), clean], expected, load.ROUTES)
    assert [row.outcome for row in rows] == ["missing", "missing"]
    rows = verification.judge_silence([found("missing-timeout")], expected, load.ROUTES)
    assert [row.outcome for row in rows] == ["ok", "ok"]


def test_the_gateway_drops_the_trace_on_one_route_only() -> None:
    headers = {"traceparent": "00-1-2-01", "Accept": "*/*", "Host": "gateway", "X-Shop": "7"}
    assert gateway.passed_on("/tariffs/SKU-001", headers) == {"Accept": "*/*"}
    assert set(gateway.passed_on("/offers/SKU-001", headers)) == {"traceparent", "Accept", "X-Shop"}


@contextmanager
def serving(handler: type[BaseHTTPRequestHandler]) -> Iterator[int]:
    server: HTTPServer = ThreadingHTTPServer(("127.0.0.1", 0), handler)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield server.server_address[1]
    server.shutdown()
    thread.join()
    server.server_close()


def test_the_gateway_hands_through_answers_and_errors() -> None:
    class Pricing(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            body = (self.headers.get("traceparent") or "none").encode()
            self.send_response(200 if self.path.startswith("/offers") else 404)
            self.send_header("Content-Length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None: ...

    with serving(Pricing) as pricing, serving(gateway.handler(f"http://127.0.0.1:{pricing}")) as port:
        connection = http.client.HTTPConnection("127.0.0.1", port, timeout=30)
        answers = []
        for path in ("/offers/1", "/tariffs/1"):
            connection.request("GET", path, headers={"traceparent": "00-1-2-01"})
            answer = connection.getresponse()
            answers.append((answer.status, answer.read()))
        connection.close()
    assert answers == [(200, b"00-1-2-01"), (404, b"none")]


@pytest.mark.processes
def test_a_process_that_dies_is_named_with_the_end_of_its_output(tmp_path: Path) -> None:
    with Processes(tmp_path) as processes:
        started = processes.start("oven", [sys.executable, "-c", "print('too hot'); raise SystemExit(3)"], {})
        started.process.wait()
        with pytest.raises(DemoError, match=r"(?s)oven ended with code 3.*too hot"):
            processes.check()


def test_a_folder_holds_one_demo_at_a_time(tmp_path: Path) -> None:
    place = Place(data=tmp_path, port_base=0, pricing_python=sys.executable)
    with opening.reserved(place), pytest.raises(DemoError, match="already"), opening.reserved(place):
        pass
    with opening.reserved(place):
        pass


@pytest.mark.processes
@pytest.mark.timeout(300)
@pytest.mark.parametrize("broker", ["redis", "files"])
def test_the_shop_works_without_the_agent(tmp_path: Path, broker: str) -> None:
    if broker == "redis":
        tool("redis-server")
    path = os.environ["PATH"] if broker == "redis" else str(tmp_path / "nothing")
    command = [sys.executable, "-m", "tracestitch_demo.run", "--bare", "--rounds", "2", "--port-base", "0"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path)],
        capture_output=True,
        text=True,
        timeout=280,
        env={**os.environ, "PATH": path},
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "the worker wrote every receipt          2 of 2" in done.stdout
    assert (tmp_path / "log" / "redis.log").exists() == (broker == "redis")


@pytest.mark.processes
@pytest.mark.server
@pytest.mark.timeout(600)
def test_one_round_finds_every_seeded_pitfall_at_its_line_and_nothing_else(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tracestitch_demo.run", "--once", "--port-base", "0"]
    done = subprocess.run(
        [*command, "--data", str(tmp_path), "--pricing-python", str(pricing_python())],
        capture_output=True,
        text=True,
        timeout=580,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    assert "✗" not in done.stdout
    assert "–" not in done.stdout
    assert done.stdout.count("✓") == 1 + 5 + 11 + 2  # answers, checkout, pitfalls, silence


def running_with(text: str) -> list[str]:
    """Command lines of living processes that name the text."""
    found = []
    for path in Path("/proc").glob("[0-9]*/environ"):
        try:
            if text.encode() in path.read_bytes():
                found.append(path.with_name("cmdline").read_text(encoding="utf-8").replace("\0", " "))
        except OSError:
            pass
    return found


@pytest.mark.processes
@pytest.mark.timeout(300)
def test_ctrl_c_closes_the_shop_and_leaves_nothing_behind(tmp_path: Path) -> None:
    command = [sys.executable, "-m", "tracestitch_demo.run", "--rounds", "1", "--port-base", "0"]
    with subprocess.Popen(
        [*command, "--data", str(tmp_path)], stdout=subprocess.PIPE, text=True, start_new_session=True
    ) as demo:
        assert demo.stdout is not None
        said = ""
        while "Ctrl-C closes the shop." not in said:
            line = demo.stdout.readline()
            assert line, said
            said += line
        checkout = re.search(r"One checkout +(\S+)", said)
        assert checkout is not None, said
        with urllib.request.urlopen(checkout[1], timeout=30) as page:
            assert page.status == 200
        assert running_with(str(tmp_path))
        demo.send_signal(signal.SIGINT)
        assert "The shop is closed." in demo.stdout.read()
        assert demo.wait(timeout=60) == 0
    assert running_with(str(tmp_path)) == []
