"""However a process ends: what it queued arrives, and a collector that is dead or hangs costs next to nothing."""

import contextlib
import os
import signal
import subprocess
import time
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import pytest

from tests.support.agent import (
    APPS,
    PATIENCE_S,
    TRACESTITCH,
    environment,
    fake_receiver,
    free_port,
    hanging_receiver,
    run_to_end,
    running,
)

pytestmark = pytest.mark.processes
RUN = [*TRACESTITCH, "run"]


def signalled(command: Sequence[str], environ: Mapping[str, str], number: int) -> tuple[int, float]:
    """Starts the program, signals it when it is ready; gives its exit code and how long it took to end."""
    process = subprocess.Popen(
        list(command),
        cwd=APPS,
        env=dict(environ),
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    try:
        assert process.stdout is not None
        assert process.stdout.readline() == "ready\n"
        start = time.monotonic()
        process.send_signal(number)
        code = process.wait(PATIENCE_S)
        return code, time.monotonic() - start
    finally:
        process.kill()
        process.wait()
        if process.stdout is not None:
            process.stdout.close()


@pytest.mark.parametrize(
    ("way", "number", "code"),
    [("wait", signal.SIGTERM, -15), ("wait", signal.SIGINT, -2), ("own handler", signal.SIGTERM, 3)],
)
def test_a_signal_delivers_what_is_queued_and_leaves_the_exit_code(way: str, number: int, code: int) -> None:
    with fake_receiver() as receiver:
        environ = environment(receiver.url, OTEL_BSP_SCHEDULE_DELAY="60000")

        found, _ = signalled([*RUN, "python", "flushing.py", way], environ, number)

        # Two thirds of a second are enough for 300 spans, but on a machine this busy none is sure.
        assert len(receiver.spans) >= 297
    assert found == code


@pytest.mark.parametrize(("way", "code"), [("end", 0), ("raise", 1)])
def test_an_ordinary_end_delivers_what_is_queued(way: str, code: int) -> None:
    with fake_receiver() as receiver:
        environ = environment(receiver.url, OTEL_BSP_SCHEDULE_DELAY="60000")

        done = run_to_end([*RUN, "python", "flushing.py", way], environ=environ)

        assert len(receiver.spans) == 300
    assert done.returncode == code


@contextlib.contextmanager
def nobody() -> Iterator[str]:
    yield f"http://127.0.0.1:{free_port()}"


@pytest.mark.parametrize("collector", [nobody, hanging_receiver], ids=["dead", "hanging"])
@pytest.mark.parametrize("way", ["end", "wait"])
def test_a_missing_collector_costs_at_most_a_second_at_the_end(way: str, collector: object) -> None:
    assert callable(collector)
    command = ["python", "flushing.py", way]
    with collector() as url:
        bare = ended_in(command, environment(url))
        observed = min(ended_in([*RUN, *command], environment(url)) for _ in range(2))

    assert observed - bare <= 1.0 + 0.5  # the start of the agent, and the noise of the machine, are in it


def ended_in(command: Sequence[str], environ: Mapping[str, str]) -> float:
    if command[-1] == "wait":
        return signalled(command, environ, signal.SIGTERM)[1]
    start = time.monotonic()
    run_to_end(command, environ=environ)
    return time.monotonic() - start


@pytest.mark.parametrize("collector", [nobody, hanging_receiver], ids=["dead", "hanging"])
def test_a_missing_collector_costs_no_request(collector: object, tmp_path: Path) -> None:
    assert callable(collector)
    port = free_port()
    with collector() as url:
        command = [*RUN, "gunicorn", "flask_stock:app", "-b", f"127.0.0.1:{port}"]
        with running(command, environ=environment(url), output=tmp_path / "output", port=port) as app:
            slowest = 0.0
            for number in range(200):
                start = time.monotonic()
                assert app.get(f"/stock/{number}")[0] == 200
                slowest = max(slowest, time.monotonic() - start)
            start = time.monotonic()
            assert app.stop() == 0
            took = time.monotonic() - start
            said = app.said()

    assert slowest < 3  # an exporter that waited in a request would take its time-out, five seconds
    assert took < 6  # gunicorn's own end takes up to two seconds here; a master and a worker, each within one
    assert said.count("does not take data") <= 2  # once in the master, once in the worker


def test_a_dead_collector_is_said_once_and_the_output_is_the_apps_own() -> None:
    environ = environment(f"http://127.0.0.1:{free_port()}")

    done = run_to_end([*RUN, "python", "flushing.py", "logs"], environ=environ)

    lines = [line for line in done.stderr.splitlines() if not line.startswith("WARNING:shop:line")]
    assert done.returncode == 0
    assert done.stderr.count("WARNING:shop:line") == 50
    assert len(lines) == 1
    assert "does not take data" in lines[0]


def test_a_forked_child_sends_its_own_and_is_an_instance_of_its_own() -> None:
    with fake_receiver() as receiver:
        run_to_end([*RUN, "python", "flushing.py", "fork"], environ=environment(receiver.url))

        by_instance = {(s.resource["service.instance.id"], s.resource["process.pid"]) for s in receiver.spans}
        assert Counter(span.name for span in receiver.spans) == Counter(
            f"{who} {number}" for who in ("parent", "child") for number in range(3)
        )
    assert len(by_instance) == 2


def test_children_of_multiprocessing_send_theirs() -> None:
    with fake_receiver() as receiver:
        done = run_to_end(
            [*RUN, "python", "flushing.py", "multiprocessing"], environ=environment(receiver.url)
        )

        assert done.returncode == 0, done.stderr
        assert sorted(span.name for span in receiver.spans) == sorted(
            f"{method} {number}" for method in ("fork", "spawn") for number in range(3)
        )


def test_a_gunicorn_that_is_stopped_loses_nothing(tmp_path: Path) -> None:
    port = free_port()
    with fake_receiver() as receiver:
        environ = environment(receiver.url, OTEL_BSP_SCHEDULE_DELAY="60000")
        command = [*RUN, "gunicorn", "flask_stock:app", "-b", f"127.0.0.1:{port}", "-w", "2"]
        with running(command, environ=environ, output=tmp_path / "output", port=port) as app:
            for number in range(20):
                app.get(f"/stock/{number}")
            assert app.stop() == 0

        assert len(receiver.server_spans()) == 20
        assert len({span.resource["process.pid"] for span in receiver.server_spans()}) <= 2
        assert os.getpid() not in {span.resource["process.pid"] for span in receiver.server_spans()}
