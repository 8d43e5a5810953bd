"""A store on another machine that is away is said at once, and that it is back."""

from __future__ import annotations

import logging
import socket
import threading
from pathlib import Path

import pytest

from tests.support.memory_store import MemoryStore
from tests.support.server import eventually
from tracestitch_collector.outputs.progress import PipelineMetrics
from tracestitch_collector.process import presence
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.settings import Settings
from tracestitch_collector.status import STORE_AWAY
from tracestitch_collector.store.open import open_store


def test_a_store_that_is_away_before_any_data_is_a_problem_and_an_alarm_until_it_is_back(
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.WARNING)
    store, tally, stop = MemoryStore(away="nobody is there."), Tally(PipelineMetrics()), threading.Event()
    thread = threading.Thread(
        target=presence.watch, args=(store, tally, stop), kwargs={"every_s": 0.01}, daemon=True
    )
    thread.start()
    eventually(lambda: STORE_AWAY in tally.report().alarms)
    assert tally.report().problems == ("the store is not there: nobody is there.",)
    store.away = ""
    eventually(lambda: not tally.report().alarms)
    stop.set()
    thread.join()
    assert [record.getMessage() for record in caplog.records] == [
        "the store is not there; what arrives is kept in the log until it is: nobody is there.",
        "the store is there now",
    ]


def test_an_elasticsearch_that_nobody_runs_is_said(tmp_path: Path) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"http://127.0.0.1:{free.getsockname()[1]}"
    store = open_store(Settings(data=tmp_path, store="elasticsearch", elasticsearch_url=address), write=True)
    tally, stop = Tally(PipelineMetrics()), threading.Event()
    presence.begin(store, tally, stop)
    eventually(lambda: any(address in problem for problem in tally.report().problems))
    stop.set()
