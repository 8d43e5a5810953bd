"""Whatever state the collector is in: no request fails or waits, little is said, the end is quick, and once the
collector is well again what waited arrives and what was lost has been counted."""

import json
import re
import subprocess
from pathlib import Path

import pytest

from tests.support.agent import APPS, TRACESTITCH, environment, fake_receiver, free_port
from tests.support.collector_states import STATES, State, serving

pytestmark = pytest.mark.processes
COMMAND = [*TRACESTITCH, "run", "python", "unwell.py", "400", "0.3", "stay"]
LARGEST_GROWTH_KIB = 20 * 1024


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_an_unwell_collector_hurts_nobody(state: State, tmp_path: Path) -> None:
    port = free_port()
    url = state.url.format(port=port)
    with (tmp_path / "errors").open("w+") as errors:
        with serving(state.serve, port):
            process = subprocess.Popen(
                COMMAND,
                cwd=APPS,
                env=environment(url),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            assert process.stdout is not None
            found = json.loads(process.stdout.readline())
        process.communicate("\n\n", timeout=60)
        errors.seek(0)
        said = errors.read()

    assert found["errors"] == 0
    assert found["waits"] == []  # no request opened a connection or looked up a name
    assert found["grown_kib"] <= LARGEST_GROWTH_KIB
    assert process.returncode == 0
    assert "Traceback" not in said
    assert leaving_s(said) <= 1.0
    assert len(lines(said)) <= 2, said  # one of the state, one where it changed when the port was closed
    if state.name != "no URL at all":
        assert said.count("does not take data") >= 1 or state.name == "gzip bomb"


@pytest.mark.parametrize(
    "state", [state for state in STATES if "127.0.0.1" in state.url and "https" not in state.url], ids=str
)
def test_once_the_collector_is_well_again_what_waited_arrives(state: State, tmp_path: Path) -> None:
    port = free_port()
    with (tmp_path / "errors").open("w+") as errors:
        with serving(state.serve, port):
            process = subprocess.Popen(
                [*COMMAND[:-3], "40", "0.1", "stay"],
                cwd=APPS,
                env=environment(f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_TIMEOUT="2000"),
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=errors,
                text=True,
            )
            assert process.stdout is not None
            assert process.stdin is not None
            json.loads(process.stdout.readline())
        with fake_receiver(port) as receiver:
            process.stdin.write("\n")
            process.stdin.flush()
            json.loads(process.stdout.readline())
            receiver.wait_for(lambda got: len(got.server_spans()) >= 5)
            if state.refuses:
                receiver.wait_for(lambda got: any("losses" in log.event_name for log in got.logs))
            process.communicate("\n", timeout=60)

            numbers = {span.attributes["url.path"] for span in receiver.server_spans()}
            losses = [log.body for log in receiver.logs if log.event_name == "tracestitch.agent.losses"]

    assert {f"/items/{number}" for number in range(5)} <= numbers
    if state.refuses:
        assert losses[-1]["refused_spans"] > 0
    if not state.refuses and state.name != "gzip bomb":
        assert len(receiver.server_spans()) == 95  # all since the start, each once
        assert losses == []


def lines(said: str) -> list[str]:
    return [line for line in said.splitlines() if "the collector at" in line]


def leaving_s(said: str) -> float:
    [took] = re.findall(r"leaving took ([0-9.]+)", said)
    return float(took)
