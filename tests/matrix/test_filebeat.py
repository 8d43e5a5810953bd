"""A real Filebeat with the configuration that users get reads the agent's ECS lines and brings each to the timeline of its
trace. By hand: build it first with `python -m tests.support.filebeat`.
"""

import json
import signal
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from tests.support import filebeat
from tests.support.agent import environment
from tests.support.server import Server, eventually, serving, start

pytestmark = [pytest.mark.matrix, pytest.mark.processes]
LINES = 3_000
PROGRAM = f"""
import logging
from opentelemetry import trace
with trace.get_tracer("app").start_as_current_span("work"):
    for number in range({LINES}):
        logging.getLogger("shop").warning("line %s", number)
print("a line that is no JSON", flush=True)
"""


@pytest.fixture(autouse=True)
def built() -> None:
    if not filebeat.PROGRAM.exists():
        pytest.skip("there is no Filebeat: python -m tests.support.filebeat builds it")


def logged(server: Server, file: Path) -> str:
    """Runs an app that writes its lines into the file; the id of its one trace."""
    command = [sys.executable, "-m", "tracestitch", "run", "--service", "shop", "--logs", "stdout-ecs"]
    with file.open("wb") as output:
        subprocess.run(
            [*command, sys.executable, "-c", PROGRAM],
            env=environment(server.otlp_http),
            stdout=output,
            stderr=subprocess.DEVNULL,
            check=True,
            timeout=60,
        )
    first = json.loads(file.read_text(encoding="utf-8").partition("\n")[0])
    return str(first["trace.id"])


def variables(server: Server, folder: Path) -> dict[str, str]:
    return {"LOG_FILES": f"{folder}/*.log", "TRACESTITCH_LINES": server.lines.removeprefix("tcp://")}


def bodies(server: Server, trace_id: str) -> list[str]:
    found: Any = server.get(f"/traces/{trace_id}.json")
    return [record["body"] for record in found["logs"]]


def test_every_line_is_on_the_timeline_of_its_trace(tmp_path: Path) -> None:
    with serving(tmp_path / "data", "--lines-port", "0") as server:
        trace_id = logged(server, tmp_path / "app.log")
        with filebeat.shipping(tmp_path, variables(server, tmp_path)):
            found = eventually(lambda: said if len(said := bodies(server, trace_id)) >= LINES else None)
            plain = eventually(lambda: server.get("/logs.json?range=1h&text=no+JSON")["logs"])

    assert sorted(found) == sorted(f"line {number}" for number in range(LINES))
    assert [record["body"] for record in plain] == ["a line that is no JSON"]


def test_a_collector_that_is_killed_meanwhile_loses_no_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    server = start(data, ("--lines-port", "0"))
    trace_id = logged(server, tmp_path / "app.log")
    port = server.lines.rpartition(":")[2]
    with filebeat.shipping(tmp_path, variables(server, tmp_path)):
        eventually(lambda: (tmp_path / "output").read_text().count("Connection to backoff") or None)
        server.process.send_signal(signal.SIGKILL)
        server.process.wait()
        with serving(data, "--lines-port", port) as again:
            eventually(lambda: len(bodies(again, trace_id)) >= LINES or None, 120)
            found = set(bodies(again, trace_id))
    assert found == {f"line {number}" for number in range(LINES)}
