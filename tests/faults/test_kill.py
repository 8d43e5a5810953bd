"""kill -9 of a pipeline alone, whose syncs follow each other closely: no span is lost and none is doubled."""

from __future__ import annotations

import hashlib
import os
import random
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.support.ledger import Ledger
from tests.support.long_forms import LONG
from tests.support.server import eventually
from tracestitch_collector.log import Kind, LogWriter, PendingRecord
from tracestitch_collector.settings import SETTINGS_VARIABLE, Settings
from tracestitch_collector.store.embedded.layout import Layout
from tracestitch_collector.store.embedded.manifest import load

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

PIPELINE = """
import sys
from tracestitch_collector import pipeline
from tracestitch_collector.process import durability
durability.AGE_S = 0.2  # so that kills fall into syncs too
sys.exit(pipeline.main())
"""


def test_a_pipeline_killed_again_and_again_loses_and_doubles_nothing(tmp_path: Path) -> None:
    ledger, source = Ledger(), random.Random(1)
    logs = LogWriter(tmp_path / "log" / "receiver", segment_bytes=100_000)
    environment = {**os.environ, SETTINGS_VARIABLE: Settings(data=tmp_path).to_json()}
    for _ in range(10 if LONG else 5):
        process = subprocess.Popen([sys.executable, "-c", PIPELINE], env=environment)
        run = load(Layout(tmp_path)).run
        eventually(lambda run=run: load(Layout(tmp_path)).run > run)  # type: ignore[misc]  # a default binds the loop's variable
        end = time.monotonic() + source.uniform(0.2, 1.0)
        while time.monotonic() < end:
            _append(logs, ledger, source)
            time.sleep(0.005)
        process.kill()
        process.wait()
    process = subprocess.Popen([sys.executable, "-c", PIPELINE], env=environment)
    try:
        assert ledger.faults(tmp_path) == []
        process.send_signal(signal.SIGTERM)
        assert process.wait(timeout=30) == 0
        assert ledger.faults(tmp_path) == []
    finally:
        process.kill()
        process.wait()
        logs.close()
    assert load(Layout(tmp_path)).covered == {"receiver": logs.position}


def _append(logs: LogWriter, ledger: Ledger, source: random.Random) -> None:
    """A request, now and then once more, as a sender that missed the answer would."""
    trace_id, body = ledger.request(source)
    record = PendingRecord(
        kind=Kind.TRACES,
        body=body,
        received_ns=time.time_ns(),
        digest=hashlib.blake2b(body, digest_size=16).digest(),
    )
    logs.append([record])
    ledger.acknowledged.add(trace_id)
    if source.random() < 0.2:
        logs.append([record])
