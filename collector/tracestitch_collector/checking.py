"""The loop that evaluates the checks: every few seconds it looks at the traces that have settled and writes
what changed into a write-ahead log of its own, so that findings are as durable as spans.

It runs as a thread of the reader, or alone: `python -m tracestitch_collector.checking`.
"""

from __future__ import annotations

import hashlib
import json
import os
import signal
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field

from tracestitch_collector.checks import traffic
from tracestitch_collector.checks.catalogue import CHECKS, Check, Evaluation, evaluate
from tracestitch_collector.checks.closing import Seen, seen_in
from tracestitch_collector.checks.evidence import Evidence
from tracestitch_collector.checks.finding import Finding, to_json
from tracestitch_collector.checks.ledger import Ledger
from tracestitch_collector.checks.sampling import SECOND_NS, Sampler
from tracestitch_collector.errors import BadConfiguration, TracestitchError, Unavailable
from tracestitch_collector.log import Kind, LogWriter, PendingRecord
from tracestitch_collector.settings import Settings
from tracestitch_collector.status import Report, StatusFile
from tracestitch_collector.store.open import open_store
from tracestitch_collector.store.store import Inventory, Store, Window

PERIOD_S = 5.0
LONGEST_PERIOD_S = 60.0
SHARE_OF_TIME = 0.1
"""A pass that takes long is made less often: the pages share the processor."""
LOOKBACK_NS = 3600 * SECOND_NS
INVENTORY_LOOKBACK_NS = 7 * 86_400 * SECOND_NS
"""A process tells what it runs on once, when it starts."""


@dataclass(kw_only=True)
class Tally:
    """What the loop says of itself on the status page."""

    evaluations: int = 0
    written: int = 0
    failures: dict[str, int] = field(default_factory=dict)
    problems: dict[str, str] = field(default_factory=dict)
    evaluated_until_ns: int = 0
    took_s: float = 0.0


class Checking:
    """One pass after the other over one store."""

    def __init__(
        self,
        store: Store,
        log: LogWriter,
        *,
        checks: Sequence[Check] = CHECKS,
        sampler: Sampler | None = None,
    ) -> None:
        self.tally = Tally()
        self._store = store
        self._log = log
        self._checks = checks
        self._sampler = sampler or Sampler()
        self._ledger: Ledger | None = None
        self._inventories: tuple[Inventory, ...] = ()
        self._found: tuple[Finding, ...] = ()
        self._seen = Seen()

    def run_once(self, now_ns: int) -> None:
        """Never raises for the store's or the disk's sake: what could not be done is a problem on the status
        page, and is tried again in the next pass."""
        began = time.monotonic()
        try:
            if self._ledger is None:
                self._ledger = Ledger(self._store.findings())
            self._pass(self._ledger, now_ns)
            self.tally.problems.pop("store", None)
        except Unavailable as error:
            self.tally.problems["store"] = f"Checks are waiting: {error}"
        self.tally.took_s = time.monotonic() - began

    def _pass(self, ledger: Ledger, now_ns: int) -> None:
        window = Window(start_ns=now_ns - LOOKBACK_NS, end_ns=now_ns + LOOKBACK_NS)
        changed = self._sampler.refresh(self._store, window, now_ns)
        inventories = self._store.inventories(
            Window(start_ns=now_ns - INVENTORY_LOOKBACK_NS, end_ns=now_ns + LOOKBACK_NS)
        )
        if changed or inventories != self._inventories or not self.tally.evaluations:
            evidence = gather(self._store, self._sampler, inventories, window, now_ns)
            evaluation = evaluate(evidence, self._checks)
            self._note(evaluation)
            self._found = evaluation.findings
            self._seen = seen_in(evidence.units, inventories, {*evaluation.failures, *evaluation.left_out})
            self._inventories = inventories
        # Also when nothing is new: what could not be written, or was written too recently, is due later.
        self._write(ledger, self._found, now_ns)
        self.tally.evaluated_until_ns = now_ns

    def _note(self, evaluation: Evaluation) -> None:
        self.tally.evaluations += 1
        for check in self._checks:
            failure = evaluation.failures.get(check.ID)
            more = evaluation.left_out.get(check.ID)
            if failure is not None:
                self.tally.failures[check.ID] = self.tally.failures.get(check.ID, 0) + 1
                self.tally.problems[check.ID] = f"The check {check.ID} failed, the others ran: {failure}"
            elif more:
                self.tally.problems[check.ID] = f"{more} more findings of {check.ID} are not kept."
            else:
                self.tally.problems.pop(check.ID, None)

    def _write(self, ledger: Ledger, found: Sequence[Finding], now_ns: int) -> None:
        due = ledger.due(found, now_ns, self._seen)
        if not due:
            return
        body = json.dumps([to_json(finding) for finding in due], ensure_ascii=False).encode(
            "utf-8", errors="replace"
        )
        # The same findings written again later are no duplicate of these: the time is part of the identity.
        digest = hashlib.blake2b(f"{now_ns}".encode() + body, digest_size=16).digest()
        self._log.append([PendingRecord(kind=Kind.FINDINGS, body=body, received_ns=now_ns, digest=digest)])
        ledger.written(due, now_ns)
        self.tally.written += len(due)

    @property
    def pause_s(self) -> float:
        return min(max(PERIOD_S, self.tally.took_s / SHARE_OF_TIME), LONGEST_PERIOD_S)

    def report(self) -> Report:
        tally, sampler = self.tally, self._sampler
        failures = {
            f'tracestitch_checks_failures_total{{check="{check}"}}': float(count)
            for check, count in tally.failures.items()
        }
        return Report(
            counters={
                "tracestitch_checks_evaluations_total": float(tally.evaluations),
                "tracestitch_checks_findings_written_total": float(tally.written),
                "tracestitch_checks_traces": float(len(sampler.traces)),
                "tracestitch_checks_traces_waiting": float(sampler.waiting),
                "tracestitch_checks_traces_too_large": float(sampler.too_large),
                "tracestitch_checks_evaluated_until_seconds": tally.evaluated_until_ns / SECOND_NS,
                "tracestitch_checks_duration_seconds": round(tally.took_s, 3),
                **failures,
            },
            problems=tuple(tally.problems.values()),
        )


def gather(
    store: Store, sampler: Sampler, inventories: tuple[Inventory, ...], window: Window, now_ns: int
) -> Evidence:
    """What the checks look at, from a sample that was just refreshed."""
    oldest_ns = store.stats().oldest_ns
    return Evidence(
        window=window,
        traces=sampler.traces,
        inventories=inventories,
        now_ns=now_ns,
        traffic=traffic.observed(sampler.operations, window=window, oldest_ns=oldest_ns, now_ns=now_ns),
    )


def start(
    store: Store, settings: Settings, *, clock_ns: Callable[[], int] = time.time_ns
) -> Callable[[], None]:
    """Begins to evaluate in a thread; returns what stops it. Where another process of the same data folder
    already does, this one leaves it to that."""
    status = StatusFile(settings.data / "status", "checks", clock_ns=clock_ns)
    try:
        log = LogWriter(settings.data / "log" / "checks", max_bytes=settings.max_log_size_bytes)
    except BadConfiguration:
        return lambda: None
    checking = Checking(store, log)
    stopping = threading.Event()

    def run() -> None:
        pause_s = 1.0
        while not _told_within(stopping, pause_s, lambda: status.write(checking.report())):
            try:
                checking.run_once(clock_ns())
            except Exception as error:  # a bug of ours must not end the loop in silence
                checking.tally.problems["loop"] = f"Checks failed: {type(error).__name__}: {error}"
            status.write(checking.report())
            pause_s = checking.pause_s

    thread = threading.Thread(target=run, name="tracestitch-checks", daemon=True)
    thread.start()

    def stop() -> None:
        stopping.set()
        thread.join(timeout=5)
        if not thread.is_alive():
            log.close()

    return stop


def _told_within(stopping: threading.Event, seconds: float, meanwhile: Callable[[], None]) -> bool:
    """Whether told to stop. Each second says that we are alive: who says nothing for long counts as hanging."""
    end = time.monotonic() + seconds
    while (left := end - time.monotonic()) > 0:
        if stopping.wait(min(left, 1.0)):
            return True
        meanwhile()
    return stopping.is_set()


def main(environment: Mapping[str, str] = os.environ) -> int:
    try:
        settings = Settings.from_environment(environment)
        store = open_store(settings, write=False)
    except TracestitchError as error:
        sys.stderr.write(f"{error}\n")
        return 78
    ended = threading.Event()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: ended.set())
    stop = start(store, settings)
    ended.wait()
    stop()
    store.close()
    return 0


if __name__ == "__main__":
    sys.exit(main())
