"""Whole collectors with both stores at once: whichever process is killed, and however far the second store falls
behind, what was acknowledged is in both of them once. `make test-faults` kills twenty times.
"""

from __future__ import annotations

import os
import random
import shlex
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.elasticsearch import RealElasticsearch, elasticsearch_url, own_elasticsearch
from tests.support.ledger import Ledger, Sender
from tests.support.long_forms import LONG
from tests.support.server import Server, eventually, serving, start
from tracestitch_collector.process.second_store import HEADLINE
from tracestitch_collector.status import read_all
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore

__all__ = ["elasticsearch_url", "own_elasticsearch"]

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.timeout(1800 if LONG else 300)]

KILLS = 20 if LONG else 3
PROCESSES = ("pipeline", "supervisor", "pipeline-also")
HASTE = """
import sys
if sys.orig_argv[-1] in ("tracestitch_collector.pipeline", "tracestitch_collector.second"):
    from tracestitch_collector.process import durability
    durability.AGE_S = 0.3
"""
"""Run in each process at its start: syncs follow each other so closely that kills fall into them."""


@pytest.fixture
def haste(tmp_path: Path) -> dict[str, str]:
    (tmp_path / "haste").mkdir()
    (tmp_path / "haste" / "sitecustomize.py").write_text(HASTE)
    return {"PYTHONPATH": os.pathsep.join((str(tmp_path / "haste"), os.environ.get("PYTHONPATH", "")))}


def faults(ledger: Ledger, data: Path, url: str) -> list[str]:
    """In either store."""
    reader = ElasticsearchStore.open(ElasticsearchSettings(url=url, data=data / "unused"), write=False)
    try:
        return ledger.faults(data, 120) + ledger.faults_in(reader, 240)
    finally:
        reader.close()


def test_whichever_process_is_killed_both_stores_agree_with_the_ledger(
    elasticsearch_url: str, tmp_path: Path, haste: dict[str, str]
) -> None:
    data, source, ledger = tmp_path / "data", random.Random(11), Ledger()
    stores = ("--store", "elasticsearch", "--also", "embedded", "--elasticsearch-url", elasticsearch_url)
    server = start(data, stores, haste)
    try:
        with Sender(lambda: server.otlp_http, ledger, pause_s=0.02, seed=time.time_ns()):
            for number in range(KILLS):
                time.sleep(source.uniform(0.2, 1.5))
                name = PROCESSES[number % 3]
                if name == "supervisor":
                    server.process.kill()
                    server.process.wait()
                    server = start(data, stores, haste)
                else:
                    kill(server, name)
        assert faults(ledger, data, elasticsearch_url) == []
        assert len(ledger.acknowledged) > KILLS
        assert server.stop() == 0
    finally:
        server.process.kill()
        server.process.wait()


def kill(server: Server, name: str) -> None:
    before = eventually(lambda: pid_of(server, name))
    os.kill(before, signal.SIGKILL)
    eventually(lambda: pid_of(server, name) not in (0, before), 120)


def pid_of(server: Server, name: str) -> int:
    """As it says itself; 0 where it has said nothing since this server runs."""
    found = [each for each in read_all(server.data / "status") if each.process == name]
    return found[0].pid if found and is_child(found[0].pid, server.process.pid) else 0


def is_child(pid: int, parent: int) -> bool:
    try:
        return int(Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[1]) == parent
    except FileNotFoundError:
        return False


def test_a_second_store_that_is_away_holds_nothing_up_and_is_filled_by_the_command_that_the_alarm_names(
    own_elasticsearch: RealElasticsearch, tmp_path: Path, haste: dict[str, str]
) -> None:
    data, ledger, url = tmp_path / "data", Ledger(), own_elasticsearch.url
    stores = ("--also", "elasticsearch", "--elasticsearch-url", url, "--max-log-size", "400KB")
    with serving(data, *stores, environment=haste) as server:
        with Sender(lambda: server.otlp_http, ledger, pause_s=0.01, seed=time.time_ns()):
            eventually(lambda: len(ledger.acknowledged) > 20)
            own_elasticsearch.signal(signal.SIGSTOP)
            try:
                alarm = eventually(lambda: alarm_of(data), 120)
            finally:
                own_elasticsearch.signal(signal.SIGCONT)
            before = len(ledger.acknowledged)
            eventually(lambda: len(ledger.acknowledged) > before + 50)
        assert ledger.refused == 0
        assert ledger.faults(data) == []
        assert filled(alarm, data, url).returncode == 0
        assert faults(ledger, data, url) == []
        eventually(lambda: not alarm_of(data), 120)


def alarm_of(data: Path) -> str:
    said = [each.report.alarms.get(HEADLINE, "") for each in read_all(data / "status")]
    return next(filter(None, said), "")


def filled(alarm: str, data: Path, url: str) -> subprocess.CompletedProcess[bytes]:
    """What an operator does who reads it, until the newest state of the alarm is done."""
    time.sleep(6)  # the command leaves out what arrived just now
    newest = alarm_of(data) or alarm
    command = shlex.split(newest.partition("tracestitch copy ")[2])
    return subprocess.run(
        [sys.executable, "-m", "tracestitch", "copy", *command, "--data", str(data)],
        env={**os.environ, "TRACESTITCH_ELASTICSEARCH_URL": url},
        timeout=240,
    )
