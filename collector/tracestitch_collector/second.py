"""The process that writes a second store (`--also`) from the same logs as the pipeline, at its own pace and with its
own place in them. It counts nothing for Prometheus and trims no log: the pipeline does.
"""

from __future__ import annotations

import logging
import sys
import threading
import time

import pyarrow as pa

from tracestitch_collector.outputs.app_metrics import AppMetrics
from tracestitch_collector.outputs.logstash import LogstashOutput
from tracestitch_collector.outputs.progress import PipelineMetrics
from tracestitch_collector.pipeline import Pipeline, opened, until_told
from tracestitch_collector.process import presence
from tracestitch_collector.process.dead_letters import DeadLetters
from tracestitch_collector.process.intake import SEEN_NS, Intake
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.settings import Settings
from tracestitch_collector.status import StatusFile
from tracestitch_collector.store.open import open_named
from tracestitch_collector.store.store import Offsets, Sink, Store

NAME = "pipeline-also"


def run(settings: Settings, stop: threading.Event) -> None:
    tally = Tally(PipelineMetrics(), store_away=f"The second store, {settings.also}, takes no data")
    status = threading.Thread(
        target=StatusFile(settings.data / "status", NAME).keep_writing,
        args=(tally.report, stop),
        name="status",
    )
    status.start()
    try:
        sink = (
            LogstashOutput(settings.logstash_url, settings.data)
            if settings.also == "logstash"
            else _store(settings, tally, stop)
        )
        if sink is not None:
            _run_with(settings, sink, tally, stop)
    finally:
        stop.set()
        status.join()


def _store(settings: Settings, tally: Tally, stop: threading.Event) -> Store | None:
    store = opened(lambda: open_named(settings.also, settings, write=True), tally, stop)
    if store is not None and settings.also == "elasticsearch":
        presence.begin(store, tally, stop)
    return store


def _run_with(settings: Settings, store: Sink, tally: Tally, stop: threading.Event) -> None:
    now_ns = time.time_ns()
    try:
        Pipeline(
            intake=Intake(
                settings.data / "log", store.covered(), store.recent_digests(now_ns - SEEN_NS), now_ns
            ),
            store=store,
            observe=_count_nothing,
            apps=AppMetrics(),
            dead_letters=DeadLetters(settings.data / "deadletter", keeps_requests=False),
            tally=tally,
            stop=stop,
            trimmable=_nothing_goes,
        ).run()
    finally:
        store.close()


def _count_nothing(spans: pa.Table, logs: pa.Table, findings: pa.Table) -> None:
    """The pipeline counts them."""


def _nothing_goes(covered: Offsets) -> Offsets:
    """The pipeline alone knows what both stores have."""
    return dict.fromkeys(covered, 0)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="tracestitch second store: %(message)s")
    return until_told(run)


if __name__ == "__main__":
    sys.exit(main())
