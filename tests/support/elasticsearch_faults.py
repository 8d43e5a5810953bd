"""A pipeline that writes to a real Elasticsearch, here in a thread, and the ledger held against what the index holds."""

from __future__ import annotations

import hashlib
import random
import threading
import time
from pathlib import Path

from tests.support.ledger import Ledger
from tests.support.server import eventually
from tracestitch_collector.log import Kind, LogWriter, PendingRecord
from tracestitch_collector.outputs.app_metrics import AppMetrics
from tracestitch_collector.outputs.progress import PipelineMetrics
from tracestitch_collector.pipeline import Pipeline
from tracestitch_collector.process.dead_letters import FOLDER, DeadLetters
from tracestitch_collector.process.intake import Intake
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore


class Collecting:
    """What is in the log counts as acknowledged. Ends with the block, as on SIGTERM."""

    def __init__(self, data: Path, settings: ElasticsearchSettings) -> None:
        self.data = data
        self.settings = settings
        self.ledger = Ledger()
        self.tally = Tally(PipelineMetrics())
        self._source = random.Random(5)
        self._log = LogWriter(data / "log" / "receiver")
        self._stop = threading.Event()
        self._store = ElasticsearchStore.open(settings, write=True)
        self._thread = threading.Thread(target=self._pipeline().run, name="pipeline")

    def _pipeline(self) -> Pipeline:
        return Pipeline(
            intake=Intake(self.data / "log", self._store.covered(), frozenset(), time.time_ns()),
            store=self._store,
            observe=lambda spans, logs, findings: None,
            apps=AppMetrics(),
            dead_letters=DeadLetters(self.data / FOLDER),
            tally=self.tally,
            stop=self._stop,
        )

    def __enter__(self) -> Collecting:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        self._thread.join(timeout=120)
        self._store.close()
        self._log.close()

    def send(self, requests: int = 1) -> None:
        for _ in range(requests):
            trace_id, body = self.ledger.request(self._source)
            self.append(body)
            self.ledger.acknowledge(trace_id)

    def append(self, body: bytes) -> None:
        digest = hashlib.blake2b(body, digest_size=16).digest()
        self._log.append(
            [PendingRecord(kind=Kind.TRACES, body=body, received_ns=time.time_ns(), digest=digest)]
        )

    def send_for(self, seconds: float, requests_per_second: float) -> None:
        end = time.monotonic() + seconds
        while time.monotonic() < end:
            self.send()
            time.sleep(1 / requests_per_second)

    def await_problem(self, text: str) -> str:
        """What the status says is wrong, as soon as it says so."""
        return eventually(
            lambda: next((each for each in self.tally.report().problems if text in each), None), 120
        )

    def await_none(self) -> None:
        eventually(lambda: not self.tally.report().problems, 240)

    def faults(self, seconds: float = 240) -> list[str]:
        reader = ElasticsearchStore.open(self.settings, write=False)
        try:
            return self.ledger.faults_in(reader, seconds)
        finally:
            reader.close()
