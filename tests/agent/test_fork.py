"""Forks and threads beside an exporter at work: nobody waits for a lock that another process holds."""

import subprocess
from pathlib import Path

import pytest

from tests.support.agent import (
    APPS,
    REPOSITORY,
    TRACESTITCH,
    environment,
    fake_receiver,
    hanging_receiver,
    run_to_end,
)

pytestmark = pytest.mark.processes
RUN = [*TRACESTITCH, "run"]


@pytest.mark.parametrize("way", ["os_fork", "in_a_thread", "pools", "preexec", "daemons"])
def test_a_process_that_forks_while_it_exports_goes_on(way: str) -> None:
    with fake_receiver() as receiver:
        command = [*RUN, "python", "forking.py", way]
        done = run_to_end(command, environ=environment(receiver.url), timeout_s=120)

        names = {span.name for span in list(receiver.spans)}

    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("['0'] "), done.stdout
    assert "Traceback" not in done.stderr
    assert "Fatal" not in done.stderr
    if way == "os_fork":
        # All that ended by sys.exit; os._exit runs nothing of anybody's. A child waits half a second for the
        # collector when it ends and no longer: what a machine under load cannot do in that time is lost.
        left = {f"child {number}" for number in range(200) if number % 4}
        assert len(left & names) >= 0.99 * len(left), left - names


def test_a_fork_beside_a_hanging_collector_does_not_hang() -> None:
    with hanging_receiver() as url:
        done = run_to_end([*RUN, "python", "forking.py", "in_a_thread"], environ=environment(url))

    assert (done.returncode, done.stdout) == (0, "['0'] 20\n")


GEVENT = """
{before}
import logging, threading, queue
from gevent import monkey
monkey.patch_all()
import gevent
logging.basicConfig(level=logging.ERROR)
logging.getLogger().setLevel(logging.INFO)
logging.getLogger().handlers[0].setLevel(logging.ERROR)
from opentelemetry import trace
tracer = trace.get_tracer("app")
ticks = []
def tick():
    while len(ticks) < 20:
        ticks.append(1)
        gevent.sleep(0.01)
def work(number):
    with tracer.start_as_current_span("green %d" % number):
        logging.getLogger("shop").info("line")
        gevent.sleep(0.01)
jobs = [gevent.spawn(work, number) for number in range(50)] + [gevent.spawn(tick)]
assert len(gevent.joinall(jobs, timeout=20)) == 51
thread = threading.Thread(target=work, args=(50,))
thread.start()
thread.join()
import os
child = os.fork()
if child == 0:
    work(51)
    raise SystemExit(0)
print(os.waitpid(child, 0)[1])
"""


@pytest.mark.parametrize(
    "before",
    ["", "import logging; logging.getLogger('early').warning('the exporter has begun')"],
    ids=["before anything is sent", "after the exporter has begun"],
)
def test_gevent_may_patch_the_process_before_and_after_the_exporter_begins(before: str) -> None:
    python = gevents_python()
    with fake_receiver() as receiver:
        environ = environment(receiver.url, PYTHONPATH=str(REPOSITORY / "instrumentation"))
        command = [str(python), "-m", "tracestitch", "run", str(python), "-c", GEVENT.format(before=before)]
        done = run_to_end(command, environ=environ)

        names = {span.name for span in list(receiver.spans)}

    assert (done.returncode, done.stdout) == (0, "0\n"), done.stderr
    assert {f"green {number}" for number in range(52)} <= names
    assert "Traceback" not in done.stderr


def gevents_python() -> Path:
    """An environment of its own, made once and kept, as gevent brings threads of its own kind."""
    folder = REPOSITORY / ".tools" / "gevent"
    python = folder / "bin" / "python"
    uv = REPOSITORY / ".venv" / "bin" / "uv"
    if not (folder / "ready").exists():
        subprocess.run([uv, "venv", "-q", "--clear", folder], check=True)
        packages = ["gevent", "wrapt", "opentelemetry-distro"]
        subprocess.run([uv, "pip", "install", "-q", "--python", python, *packages], check=True)
        (folder / "ready").touch()
    return python


def test_a_first_item_made_after_a_fork_is_sent_by_the_child() -> None:
    with fake_receiver() as receiver:
        done = run_to_end(
            [*RUN, "python", "forking.py", "forked once"], environ=environment(receiver.url), folder=APPS
        )

        names = [span.name for span in receiver.spans]

    assert done.returncode == 0
    assert names == ["child 1"]
