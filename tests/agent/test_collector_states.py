"""Whatever state the collector is in: no request fails or waits, little is said, the end is quick, and once the
collector is well again what waited arrives and what was lost has been counted."""

import json
import re
import subprocess
import tempfile
from collections.abc import Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from typing import IO, Any

import pytest

from tests.support.agent import APPS, TRACESTITCH, environment, fake_receiver, ports_to_keep
from tests.support.collector_states import STATES, State, serving

pytestmark = pytest.mark.processes
COMMAND = [*TRACESTITCH, "run", "python", "unwell.py"]
LARGEST_GROWTH_KIB = 20 * 1024
# They sleep most of the time.
AT_ONCE = 8
AT_A_PORT = tuple(state for state in STATES if "127.0.0.1" in state.url and "https" not in state.url)


@dataclass(frozen=True, slots=True, kw_only=True)
class Left:
    """An app that has ended: what it told of its requests, its exit code, and what it wrote to stderr."""

    told: dict[str, Any]
    code: int
    said: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Recovered:
    """What came to the collector once it was well."""

    paths: Sequence[str]
    losses: Sequence[Any]


@pytest.fixture(scope="module")
def left() -> Mapping[str, Left]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        return {
            state.name: app
            for state, app in zip(STATES, pool.map(left_in, STATES, ports_to_keep(len(STATES))), strict=True)
        }


@pytest.fixture(scope="module")
def recovered() -> Mapping[str, Recovered]:
    with ThreadPoolExecutor(AT_ONCE) as pool:
        found = pool.map(recovered_from, AT_A_PORT, ports_to_keep(len(AT_A_PORT)))
        return {state.name: one for state, one in zip(AT_A_PORT, found, strict=True)}


def left_in(state: State, port: int) -> Left:
    with tempfile.TemporaryFile("w+") as errors:
        with serving(state.serve, port):
            process = started(["400", "0.1", "stay"], environment(state.url.format(port=port)), errors)
            assert process.stdout is not None
            told = json.loads(process.stdout.readline())
        process.communicate("\n\n", timeout=60)
        errors.seek(0)
        return Left(told=told, code=process.returncode, said=errors.read())


def recovered_from(state: State, port: int) -> Recovered:
    environ = environment(f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_TIMEOUT="2000")
    with tempfile.TemporaryFile("w+") as errors:
        with serving(state.serve, port):
            process = started(["40", "0.1", "stay"], environ, errors)
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
            return Recovered(
                paths=[span.attributes["url.path"] for span in receiver.server_spans()],
                losses=[log.body for log in receiver.logs if log.event_name == "tracestitch.agent.losses"],
            )


def started(words: Sequence[str], environ: Mapping[str, str], errors: IO[str]) -> subprocess.Popen[str]:
    return subprocess.Popen(
        [*COMMAND, *words],
        cwd=APPS,
        env=dict(environ),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=errors,
        text=True,
    )


@pytest.mark.parametrize("state", STATES, ids=lambda state: state.name)
def test_an_unwell_collector_hurts_nobody(state: State, left: Mapping[str, Left]) -> None:
    app = left[state.name]

    assert app.told["errors"] == 0
    assert app.told["waits"] == []  # no request opened a connection or looked up a name
    assert app.told["grown_kib"] <= LARGEST_GROWTH_KIB
    assert app.code == 0
    assert "Traceback" not in app.said
    assert leaving_s(app.said) <= 1.0
    assert len(lines(app.said)) <= 2, (
        app.said
    )  # one of the state, one where it changed when the port was closed
    if state.name != "no URL at all":
        assert app.said.count("does not take data") >= 1 or state.name == "gzip bomb"


@pytest.mark.parametrize("state", AT_A_PORT, ids=lambda state: state.name)
def test_once_the_collector_is_well_again_what_waited_arrives(
    state: State, recovered: Mapping[str, Recovered]
) -> None:
    found = recovered[state.name]

    assert {f"/items/{number}" for number in range(5)} <= set(found.paths)
    if state.refuses:
        assert found.losses[-1]["refused_spans"] > 0
    if not state.refuses and state.name != "gzip bomb":
        assert len(found.paths) == 95  # all since the start, each once
        assert found.losses == []


def lines(said: str) -> list[str]:
    return [line for line in said.splitlines() if "the collector at" in line]


def leaving_s(said: str) -> float:
    [took] = re.findall(r"leaving took ([0-9.]+)", said)
    return float(took)
