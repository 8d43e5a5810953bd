"""The pipeline process: out of the logs, through the decoder, into the outputs. It ends on SIGTERM with
everything written; whatever else ends it, the logs still hold what is not durable elsewhere.
"""

from __future__ import annotations

import gc
import logging
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from importlib.metadata import version
from pathlib import Path
from typing import TypeVar

import pyarrow as pa
from prometheus_client.registry import Collector

from tracestitch_collector.columns import FINDINGS
from tracestitch_collector.decode.decoder import Decoded, Decoder, Request, findings_table
from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.log import Kind
from tracestitch_collector.outputs.app_metrics import AppMetrics
from tracestitch_collector.outputs.progress import PipelineMetrics, Signal
from tracestitch_collector.outputs.prometheus import Aggregator, serve
from tracestitch_collector.process import presence
from tracestitch_collector.process.dead_letters import DeadLetters
from tracestitch_collector.process.durability import Durability
from tracestitch_collector.process.intake import MAX_RECORDS, SEEN_NS, Intake, Portion
from tracestitch_collector.process.oddities import oddities
from tracestitch_collector.process.remembered import Remembered
from tracestitch_collector.process.second_store import SHARE, SecondStore
from tracestitch_collector.process.tally import Tally
from tracestitch_collector.settings import Settings
from tracestitch_collector.status import StatusFile
from tracestitch_collector.store.open import covered_by, open_store
from tracestitch_collector.store.store import Batch, Offsets, Sink, Store

logger = logging.getLogger(__name__)

PORTION_BYTES = 4 * 1024 * 1024
"""Inflated bytes that become one batch."""
IDLE_S = 0.1
"""Pause before the logs are looked at again; with it data is searchable well within a second."""
MAX_PAUSE_S = 5.0
SIGNALS: dict[Kind, Signal] = {
    Kind.TRACES: "traces",
    Kind.LOGS: "logs",
    Kind.METRICS: "metrics",
    Kind.FINDINGS: "findings",
}


Opened = TypeVar("Opened", bound=Sink)


@dataclass(frozen=True, slots=True)
class Output:
    """Takes each batch. Raises Unavailable when it should be given the same batch again later."""

    name: str
    take: Callable[[Batch], None]


class Pipeline:
    """One thread runs it; `stop` may be set from anywhere."""

    def __init__(
        self,
        *,
        intake: Intake,
        store: Sink,
        observe: Callable[[pa.Table, pa.Table, pa.Table], None],
        apps: AppMetrics,
        dead_letters: DeadLetters,
        tally: Tally,
        stop: threading.Event,
        clock: Callable[[], int] = time.time_ns,
        trimmable: Callable[[Offsets], Offsets] | None = None,
        remembered: Remembered | None = None,
    ) -> None:
        self._intake = intake
        self._store = store
        self._observe = observe
        self._apps = apps
        self._dead_letters = dead_letters
        self._tally = tally
        self._stop = stop
        self._clock = clock
        self._decoder = Decoder()
        self._cut: dict[Signal, Mapping[str, int]] = {}
        """What was too long in the batch under way; counted once that is taken."""
        self._aside: set[bytes] = set()
        """Requests of the portion under way that were set aside, which may be come upon again."""
        self._failing: set[str] = set()
        """Outputs that do not take data now."""
        self._remembered = remembered
        self._replaying = False
        """What the metrics of an earlier process counted is stored, and not counted again."""
        self._durability = Durability(
            store=store,
            intake=intake,
            tally=tally,
            trimmable=trimmable,
            checkpoint=remembered.checkpoint if remembered else None,
        )
        # Where each batch goes, in order: the store is the place of truth, so it comes first.
        self._outputs: Sequence[Output] = (
            Output("store", self._to_store),
            Output("prometheus", self._to_prometheus),
        )

    def run(self) -> None:
        while not self._stop.is_set():
            if not self.step():
                self._stop.wait(IDLE_S)
        self._durability.finish(self._clock())

    def step(self) -> bool:
        """Takes one portion through; whether there may be more at once."""
        portion = self._intake.take(PORTION_BYTES)
        self._replaying = portion is not None and portion.is_counted
        if not self._replaying:
            self._apps.show()
        if portion is None:
            self._tally.lag(0.0)
            self._tally.backlog(0)
            self._durability.attend(self._clock(), self._stop)
            return False
        self._tally.lag((self._clock() - portion.oldest_ns) / 1e9)
        self._aside.clear()
        batch = self._taken(portion)
        if batch is None:
            return False
        self._account(portion, batch)
        if self._remembered and not self._replaying:
            self._remembered.note(portion.end)
        self._durability.attend(self._clock(), self._stop)
        return portion.size >= PORTION_BYTES // 4 or portion.records >= MAX_RECORDS // 4

    def _taken(self, portion: Portion) -> Batch | None:
        """The portion as a batch that every output took; None when the process is to end first. A request that
        breaks something unforeseen is set aside alone, so that it cannot stop all others for ever."""
        try:
            batch = self._batch(portion)
            done = all(self._persistently(output, batch) for output in self._outputs)
        except Exception as error:
            if not portion.digests:
                raise
            logger.exception("a portion of %d requests cannot be stored as a whole", len(portion.digests))
            if len(portion.digests) > 1:
                batches = [self._taken(part) for part in portion.single()]
                return None if None in batches else replace(self._batch(portion.emptied()), digests=())
            return self._taken(portion.refused(repr(error)))
        if not done:
            return None
        for signal_name, counts in self._cut.items():
            for what, count in counts.items():
                self._tally.cut(signal_name, what, count)
        return batch

    def _batch(self, portion: Portion) -> Batch:
        spans = self._decoded(Kind.TRACES, portion, self._decoder.spans)
        logs = self._decoded(Kind.LOGS, portion, self._decoder.logs)
        findings = (
            self._decoded(Kind.FINDINGS, portion, findings_table)
            if Kind.FINDINGS in portion.requests
            else FINDINGS.empty_table()
        )
        for kind, letter in portion.undecodable:
            self._set_aside(kind, Decoded(table=pa.table({}), undecodable=(letter,)))
        return Batch(
            spans=spans,
            logs=logs,
            findings=findings,
            start=portion.start,
            end=portion.end,
            digests=portion.digests,
        )

    def _decoded(
        self, kind: Kind, portion: Portion, decode: Callable[[Sequence[Request]], Decoded]
    ) -> pa.Table:
        decoded = decode(portion.requests.get(kind, ()))
        self._set_aside(kind, decoded)
        self._cut[SIGNALS[kind]] = decoded.cut
        return decoded.table

    def _set_aside(self, kind: Kind, decoded: Decoded) -> None:
        for letter in decoded.undecodable:
            if letter.request.digest in self._aside:
                continue
            self._aside.add(letter.request.digest)
            self._dead_letters.put_request(kind, letter)
            self._tally.left_out(SIGNALS[kind], "undecodable")
            self._tally.problem("undecodable", f"a request could not be decoded: {letter.reason}")

    def _to_store(self, batch: Batch) -> None:
        rejected = self._store.write(batch)
        self._dead_letters.put_rejected(rejected, self._clock())
        for letter in rejected:
            self._tally.dead_letter(letter.signal, "rejected by the store")
        refused = {name: sum(letter.signal == name for letter in rejected) for name in SIGNALS.values()}
        self._tally.stored("traces", len(batch.spans) - refused["traces"])
        self._tally.stored("logs", len(batch.logs) - refused["logs"])
        self._tally.stored("findings", len(batch.findings) - refused["findings"])

    def _to_prometheus(self, batch: Batch) -> None:
        try:
            rows = 0 if self._replaying else None
            self._observe(batch.spans.slice(0, rows), batch.logs.slice(0, rows), batch.findings)
        except Exception as error:  # the store has the batch: metrics must not make it come again
            logger.exception("a batch could not be counted in the metrics")
            self._tally.problem("metrics", f"a batch could not be counted in the metrics: {error!r}")

    def _expose(self, portion: Portion) -> None:
        """Metrics of apps go to Prometheus alone."""
        try:
            points, undecodable = self._apps.observe(portion.requests.get(Kind.METRICS, ()))
        except Exception as error:
            logger.exception("metrics of apps could not be exposed")
            self._tally.problem("app metrics", f"metrics of apps could not be exposed: {error!r}")
            return
        self._set_aside(Kind.METRICS, Decoded(table=pa.table({}), undecodable=undecodable))
        self._tally.exposed(points)
        for reason, count in self._apps.take_left_out().items():
            self._tally.left_out("metrics", reason, count)

    def _persistently(self, output: Output, batch: Batch) -> bool:
        """Tries until it works; False when the process is to end first."""
        name, pause_s = output.name, 0.1
        while True:
            try:
                output.take(batch)
            except Unavailable as error:
                self._note_failure(name, batch, error)
                if self._stop.wait(pause_s):
                    return False
                pause_s = min(pause_s * 2, MAX_PAUSE_S)
            else:
                self._note_success(name)
                return True

    def _note_failure(self, name: str, batch: Batch, error: Unavailable) -> None:
        self._tally.problem(name, f"the {name} does not take data now: {error}")
        rows: dict[Signal, int] = {
            "traces": len(batch.spans),
            "logs": len(batch.logs),
            "findings": len(batch.findings),
        }
        for signal_name, count in rows.items():
            if count:
                self._tally.failed(name, signal_name)
        if name not in self._failing:  # once per change: an outage must not fill the terminal
            self._failing.add(name)
            logger.warning("the %s does not take data now; trying until it does: %s", name, error)

    def _note_success(self, name: str) -> None:
        self._tally.problem(name, "")
        if name in self._failing:
            self._failing.discard(name)
            logger.warning("the %s takes data again", name)

    def _account(self, portion: Portion, batch: Batch) -> None:
        self._tally.received(portion.records, portion.size)
        self._tally.duplicates(portion.duplicates)
        for what, count in oddities(batch.spans).items():
            self._tally.odd("traces", what, count)
        self._expose(portion)
        self._durability.note(len(batch.spans) + len(batch.logs) + len(batch.findings), portion.size)
        self._tally.backlog(self._intake.backlog_bytes())
        if self._dead_letters.discarded:
            self._tally.fact(
                "dead letters not kept", f"{self._dead_letters.discarded}: the folder or disk is full"
            )
        damaged, text = self._intake.damage()
        if damaged:
            self._tally.fact("damaged places in the log", f"{damaged}; {text}")


def opened(open_it: Callable[[], Opened], tally: Tally, stop: threading.Event) -> Opened | None:
    """The store, as soon as it is there; None when the process is to end first."""
    said = False
    while True:
        try:
            return open_it()
        except Unavailable as error:
            tally.problem("store", f"the store cannot be opened: {error}")
            if not said:
                logger.warning("the store cannot be opened; trying until it can: %s", error)
            said = True
            if stop.wait(MAX_PAUSE_S / 5):
                return None


def run(settings: Settings, stop: threading.Event) -> None:
    metrics = PipelineMetrics()
    tally = Tally(metrics)
    status = threading.Thread(
        target=StatusFile(settings.data / "status", "pipeline").keep_writing,
        args=(tally.report, stop),
        name="status",
    )
    status.start()
    aggregator = Aggregator(public_url=settings.public_url, version=version("tracestitch"))
    apps = AppMetrics()
    end_exposition = _exposition((aggregator, metrics, apps), settings.data / "run" / "metrics.sock", tally)
    try:
        store = opened(lambda: open_store(settings, write=True), tally, stop)
        if store is not None:
            if settings.store == "elasticsearch":
                presence.begin(store, tally, stop)
            _run_with(settings, store, aggregator, apps, tally, stop)
    finally:
        stop.set()
        end_exposition()
        status.join()


def _run_with(
    settings: Settings,
    store: Store,
    aggregator: Aggregator,
    apps: AppMetrics,
    tally: Tally,
    stop: threading.Event,
) -> None:
    now_ns = time.time_ns()
    try:
        _restore(aggregator, store, tally)
        remembered = Remembered(settings.data / "metrics", apps)
        Pipeline(
            intake=Intake(
                settings.data / "log",
                store.covered(),
                store.recent_digests(now_ns - SEEN_NS),
                now_ns,
                remembered.counted,
            ),
            store=store,
            observe=aggregator.observe,
            apps=apps,
            dead_letters=DeadLetters(settings.data / "deadletter"),
            tally=tally,
            stop=stop,
            trimmable=_second_store(settings, tally),
            remembered=remembered,
        ).run()
    finally:
        store.close()


def _second_store(settings: Settings, tally: Tally) -> Callable[[Offsets], Offsets] | None:
    """The log is cut no further than the store beside this one is, within limits."""
    if not settings.also:
        return None
    return SecondStore(
        first=settings.store,
        name=settings.also,
        data=settings.data,
        covered=lambda: covered_by(settings.also, settings.data),
        clock=time.time_ns,
        limit_bytes=SHARE * settings.max_log_size_bytes / settings.receivers,
        tally=tally,
    ).trimmable


def _restore(aggregator: Aggregator, store: Store, tally: Tally) -> None:
    """Findings are written when they change: without this, alerts on the others would end with each restart."""
    try:
        aggregator.restore(store.findings())
    except Unavailable as error:
        tally.problem(
            "prometheus", f"open findings are not in the metrics until they are seen again: {error}"
        )


def _exposition(collectors: Sequence[Collector], path: Path, tally: Tally) -> Callable[[], None]:
    try:
        return serve(path, *collectors)
    except OSError as error:  # a path too long for a socket must not stop the pipeline
        tally.problem("exposition", f"metrics cannot be served on {path}: {error}; choose a shorter --data")
        return lambda: None


def until_told(run: Callable[[Settings, threading.Event], None]) -> int:
    """Runs it with the settings of the environment until SIGTERM or Ctrl-C; the exit code."""
    stop = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    try:
        run(Settings.from_environment(os.environ), stop)
    except BadConfiguration as error:
        logger.critical("%s", error)
        return 78
    return 0


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="tracestitch pipeline: %(message)s")
    # What was learned about attributes stays for long, and batches make few cycles: see the receiver.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    return until_told(run)


if __name__ == "__main__":
    sys.exit(main())
