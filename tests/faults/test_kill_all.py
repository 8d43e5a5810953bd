"""kill -9 of every process in turn, at random moments under load, while segments are written and merged all the time:
the ledger and the store agree. `make test-faults` kills 200 times, KILLS=1000 as often as that.
"""

from __future__ import annotations

import os
import random
import signal
import sys
import time
from pathlib import Path

import pytest

from tests.support.ledger import Ledger, Sender
from tests.support.long_forms import LONG
from tests.support.server import Server, eventually, start
from tracestitch_collector.status import read_all
from tracestitch_collector.store.embedded.layout import Layout
from tracestitch_collector.store.embedded.manifest import load

KILLS = int(os.environ.get("KILLS", "200" if LONG else "6"))
PROCESSES = {"all": ("receiver", "pipeline", "reader"), "collector": ("receiver", "pipeline", "checks")}
"""What each form of the command runs, beside the supervisor."""
HASTE = """
import sys
if "tracestitch_collector.pipeline" in sys.orig_argv:
    from tracestitch_collector.process import durability
    durability.AGE_S = 0.3
"""
"""Run in each process at its start: syncs follow each other so closely that kills fall into them and into merges."""

pytestmark = [pytest.mark.processes, pytest.mark.timeout(max(300, KILLS * 30))]


@pytest.fixture
def environment(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "haste").mkdir()
    (tmp_path / "haste" / "sitecustomize.py").write_text(HASTE)
    return {"PYTHONPATH": str(tmp_path / "haste")}


@pytest.mark.parametrize(("form", "times"), [("all", KILLS), ("collector", max(4, KILLS // 4))])
def test_whichever_process_is_killed_the_ledger_and_the_store_agree(
    tmp_path: Path, environment: dict[str, str], form: str, times: int
) -> None:
    data, source = tmp_path / "data", random.Random(11)
    ledger = Ledger(path=tmp_path / "ledger")
    server = start(data, [form], environment)
    kills = dict.fromkeys(("supervisor", *PROCESSES[form]), 0)
    try:
        with Sender(lambda: server.otlp_http, ledger, pause_s=0.02):
            for number in range(times):
                name = list(kills)[number] if number < len(kills) else source.choice(list(kills))
                time.sleep(source.uniform(0.0, 1.5))
                server = killed(server, name, form, environment)
                kills[name] += 1
        assert ledger.faults(data, seconds=120) == []
        assert server.stop() == 0
        assert ledger.faults(data) == []
    finally:
        server.process.kill()
        server.process.wait()
    sys.stdout.write(
        f"\nkill -9 of `serve {form}`: {kills}; {len(ledger.sent)} requests sent, {len(ledger.acknowledged)} acknowledged, "
        f"{ledger.refused} refusals, {load(Layout(data)).next_id} numbers of files, 0 lost, 0 doubled\n"
    )
    assert len(ledger.acknowledged) > times
    assert load(Layout(data)).damaged == 0
    assert {line.split()[1] for line in (tmp_path / "ledger").open() if line.startswith("ack")} == (
        ledger.acknowledged
    )


def killed(server: Server, name: str, form: str, environment: dict[str, str]) -> Server:
    """The server once it runs again."""
    if name == "supervisor":
        server.process.kill()
        server.process.wait()
        return start(server.data, [form], environment)
    before = eventually(lambda: pid_of(server, name) if is_ours(server, pid_of(server, name)) else None)
    os.kill(before, signal.SIGKILL)
    eventually(lambda: pid_of(server, name) != before)
    return server


def is_ours(server: Server, pid: int) -> bool:
    try:
        parent = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]
    except FileNotFoundError:
        return False
    return int(parent) == server.process.pid


def pid_of(server: Server, name: str) -> int:
    """As the supervisor says; it says nothing of those that are just being started."""
    told = "checks" if name == "reader" else name  # the reader's own loop tells of it
    found = eventually(lambda: [each for each in read_all(server.data / "status") if each.process == told])
    return found[0].pid


def test_terminating_it_under_load_takes_five_seconds_at_most_and_loses_nothing(tmp_path: Path) -> None:
    ledger = Ledger()
    server = start(tmp_path)
    try:
        with Sender(lambda: server.otlp_http, ledger, pause_s=0.0):
            eventually(lambda: len(ledger.acknowledged) > 50)
            began = time.monotonic()
            server.process.send_signal(signal.SIGTERM)
            code = server.process.wait(timeout=60)
            took = time.monotonic() - began
            server = start(tmp_path)
        assert code == 0
        assert took < 5.5, f"{took:.1f} s"
        assert ledger.faults(tmp_path) == []
    finally:
        server.stop()
