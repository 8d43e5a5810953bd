"""The only thread of the agent: bounded queues in front, one connection behind, nothing that holds up the app.

Producers only append to a deque and at most release a lock: safe in signal handlers, in __del__ and on any
thread. The thread starts with the first item, so that a process which only forks never has it.
"""

import gzip
import signal
import time
from _thread import allocate_lock, start_new_thread
from collections import Counter, deque
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from time import perf_counter_ns
from typing import Any

from tracestitch import __version__, clocks
from tracestitch.delivery import Verdict, judge, wrong_port
from tracestitch.encode import SCOPE_NAME, Encoder, LogEntry
from tracestitch.ignores import Ignores
from tracestitch.log_lines import Deferred, Line
from tracestitch.queues import BoundedQueue
from tracestitch.safety import FAILURES, guard, say
from tracestitch.settings import AgentSettings, Target
from tracestitch.spans import Span
from tracestitch.transport import Transport, Unreachable

BATCH_ITEMS = 512
_TOO_MANY_WAIT = 4 * BATCH_ITEMS
_FIRST_PAUSE_S, _LONGEST_PAUSE_S = 0.5, 15.0
# A process that ends does not wait long for a collector that failed, or owes an answer, already.
_HOPELESS_WAIT_S, _SUSPICIOUS_SILENCE_S = 0.15, 0.3
# The thread encodes so long at a time, and then lets the app's threads go on: they would wait for it otherwise.
_SLICE_NS, _BREATH_S = 150_000, 0.000_5
# Enough for the thread to be run.
_MOMENT_S = 0.002
_RUNNING, _SIGNALS = guard("the exporter"), guard("leaving signals to the app's threads")
_ENCODING = guard("encoding")
# Taken before a monkey patch.
_sleep = time.sleep


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """A request that is sent again byte for byte until it is delivered, so that the collector can tell."""

    signal: str
    target: Target
    body: bytes
    count: int


class Exporter:
    def __init__(self, settings: AgentSettings, resource: Callable[[], Mapping[str, Any]]) -> None:
        self._settings = settings
        self.resource = resource
        self._encoder = Encoder(Ignores().at)
        self._complaints = settings.complaints
        self._reset()

    def _reset(self) -> None:
        """A fresh start, also in a forked child, which must neither resend nor wait for its parent's things."""
        settings = self._settings
        # Most were written at their end.
        self.spans: BoundedQueue[Span | bytes] = BoundedQueue(settings.queue_items, settings.queue_bytes)
        self.logs: BoundedQueue[LogEntry | Deferred] = BoundedQueue(
            settings.queue_items, settings.queue_bytes
        )
        self.events: BoundedQueue[LogEntry] = BoundedQueue(64, 4 * 1024 * 1024)
        self._jobs: deque[Callable[[], None]] = deque()
        self._waiters: deque[Any] = deque()
        self._transport = Transport(timeout_s=settings.timeout_s, certificate=settings.certificate)
        self._wake = allocate_lock()
        self._wake.acquire()
        self._started = allocate_lock()
        self._idle = self._running = self._draining = self._hurried = False
        self._pending: Batch | None = None
        self._pause_s = 0.0
        self._asked_at_s = 0.0
        self._complained: set[str] = set()
        self._refusing: set[str] = set()
        # Of the resource, which seldom changes.
        self._told: Mapping[str, Any] = {}
        self._told_bytes = b""
        self._lost: Counter[str] = Counter()
        self._reported: dict[str, int] = {}
        self._key: bytes | None = None
        self._key_asked = False
        # Of this clock ahead of the collector's; known once the key was asked for.
        self.clock_offset_ms: float | None = None

    def after_fork(self) -> None:
        self._reset()

    # What the app's threads call.

    def add_span(self, span: Span) -> None:
        if self._settings.traces is None:
            return
        size = 300  # roughly, and fast
        for attributes in span.shared:
            size += attributes.size
        for value in span.own.values():
            size += len(value) + 60 if type(value) is str else 60
        if span._rare is not None:
            size += 4096 * len(span._rare.events)
        waiting = self.spans.put(span, size)
        if self._idle or waiting == BATCH_ITEMS or not self._running:
            self._notify(waiting == BATCH_ITEMS)

    def add_encoded(self, span: bytes) -> None:
        """A span with its tag and length."""
        if self._settings.traces is None:
            return
        waiting = self.spans.put(span, len(span) + 64)
        if self._idle or waiting == BATCH_ITEMS or not self._running:
            self._notify(waiting == BATCH_ITEMS)

    def add_log(self, entry: LogEntry | Deferred, size: int) -> None:
        if self._settings.logs is None:
            return
        waiting = self.logs.put(entry, size)
        if self._idle or waiting == BATCH_ITEMS or not self._running:
            self._notify(waiting == BATCH_ITEMS)

    def emit_event(self, name: str, body: Mapping[str, Any]) -> None:
        if self._settings.logs is not None:
            entry = LogEntry(time.time_ns(), 9, "INFO", SCOPE_NAME, body, {}, event_name=name)
            self.events.put(entry, 4096)
            self._notify(False)

    def background(self, job: Callable[[], None]) -> None:
        """Runs `job` once on the exporter's thread, after what is queued has been sent."""
        self._jobs.append(job)
        self._notify(False)

    def flush(self, timeout_s: float) -> bool:
        """Waits until all that is queued now was sent or given up, at most so long; true if it was sent."""
        # What is being encoded is in no queue any more.
        if not (self._draining or self.spans or self.logs or self.events or self._pending or self._jobs):
            return True
        done = allocate_lock()
        done.acquire()
        self._waiters.append(done)
        if not self._ensure_thread():
            self._step()  # no thread can start while the interpreter shuts down
        self._release(self._wake)
        arrived = done.acquire(timeout=min(timeout_s, _HOPELESS_WAIT_S) if self._looks_dead() else timeout_s)
        return arrived and self._pending is None

    def give_a_turn(self, longest_s: float) -> None:
        """Like `flush`, but a collector that failed, or owes an answer, is hardly waited for at all."""
        self.flush(_MOMENT_S if self._looks_dead() else longest_s)

    def _looks_dead(self) -> bool:
        silent_s = time.monotonic() - self._asked_at_s if self._asked_at_s else 0.0
        return self._pause_s > 0 or silent_s > _SUSPICIOUS_SILENCE_S

    def _notify(self, urgent: bool) -> None:
        if urgent or self._idle:
            self._release(self._wake)
        elif not self._started.locked():
            self._ensure_thread()

    def _ensure_thread(self) -> bool:
        if self._started.acquire(False):
            try:
                start_new_thread(self._run, (self._wake,))
                self._running = True
            except RuntimeError:
                self._started.release()
                return False
        return True

    @staticmethod
    def _release(lock: Any) -> None:
        try:
            lock.release()
        except RuntimeError:  # it was not held: somebody else woke the thread a moment ago
            pass

    # What the thread does.

    def _run(self, wake: Any) -> None:
        with _SIGNALS:
            signal.pthread_sigmask(signal.SIG_BLOCK, signal.valid_signals())
        while wake is self._wake:
            try:
                self._idle = True
                if not self._has_work():
                    wake.acquire()
                self._idle = False
                if not self._waiters:  # gather a batch; a full queue or a flush cuts this short
                    wake.acquire(timeout=max(self._settings.batch_delay_s, self._pause_s))
                self._step()
            except Exception as error:
                _RUNNING.caught(error)
                _sleep(0.05)  # whatever it was, it may come again at once

    def _has_work(self) -> bool:
        return bool(self.spans or self.logs or self.events or self._jobs or self._waiters or self._pending)

    def _step(self) -> None:
        waiters = [self._waiters.popleft() for _ in range(len(self._waiters))]
        self._hurried = bool(waiters)
        try:
            for text in self._complaints:
                say(text)
            self._complaints = ()
            sent = self._drain()
            while self._jobs:
                with guard("a background job"):
                    self._jobs.popleft()()
            if sent:
                self._report()
                self._drain()
        finally:
            for waiter in waiters:
                self._release(waiter)

    def _drain(self) -> bool:
        """Sends what is waiting now; what comes meanwhile is left for the next batch, which would be tiny."""
        due = {queue: len(queue) for queue in (self.spans, self.events, self.logs)}
        self._draining = True
        try:
            while True:
                if self._pending is None:
                    self._pending = self._next_batch(due)
                if self._pending is None:
                    return True
                if not self._send(self._pending):
                    return False
                self._pending = None
        finally:
            self._draining = False

    def _next_batch(self, due: dict[BoundedQueue[Any], int]) -> Batch | None:
        settings, resource = self._settings, self._encoded_resource()
        for queue, count in due.items():
            items = queue.take(BATCH_ITEMS) if count > 0 else []
            due[queue] = count - len(items) if items else 0
            if items and queue is self.spans and settings.traces is not None:
                spans = self._encoded(items, self._encoder.scoped_span)
                return self._batch(
                    "spans", settings.traces, self._encoder.traces(resource, spans), len(spans)
                )
            if items and settings.logs is not None:
                records = self._encoded(items, self._record)
                return self._batch("logs", settings.logs, self._encoder.logs(resource, records), len(records))
        return None

    def _encoded_resource(self) -> bytes:
        told = self.resource()
        if told != self._told:
            self._told, self._told_bytes = told, self._encoder.resource(told)
        return self._told_bytes

    def _record(self, item: LogEntry | Deferred) -> tuple[str, bytes]:
        line = item[0]
        if type(line) is Line:
            return line.scope, line.encoded(self._encoder, *item[1:])
        assert isinstance(item, LogEntry)
        return item.scope, self._encoder.log(item)

    def _batch(self, signal: str, target: Target, body: bytes, count: int) -> Batch:
        data = gzip.compress(body, 1, mtime=0) if target.gzip else body
        return Batch(signal=signal, target=target, body=data, count=count)

    def _encoded(self, items: list[Any], encode: Callable[[Any], Any]) -> list[Any]:
        encoded = []
        until_ns = perf_counter_ns() + _SLICE_NS
        for item in items:
            try:
                encoded.append(encode(item))
            except Exception as error:
                _ENCODING.caught(error)
            if perf_counter_ns() > until_ns:
                self._breathe()
                until_ns = perf_counter_ns() + _SLICE_NS
        self._lost["encoding"] += len(items) - len(encoded)
        return encoded

    def _breathe(self) -> None:
        """Not while somebody waits for a flush, nor while more comes than goes."""
        if not (self._hurried or self._waiters) and max(len(self.spans), len(self.logs)) < _TOO_MANY_WAIT:
            _sleep(_BREATH_S)

    def _send(self, batch: Batch) -> bool:
        """False: the collector is not there, keep the batch."""
        headers = {
            **batch.target.headers,
            "content-type": "application/x-protobuf",
            "user-agent": f"tracestitch/{__version__}",
        }
        if batch.target.gzip:
            headers["content-encoding"] = "gzip"
        self._asked_at_s = time.monotonic()
        try:
            reply = self._transport.request("POST", batch.target.url, batch.body, headers)
            verdict = judge(reply, time.time())
        except Unreachable as error:
            verdict = Verdict(retry=True, reason=str(error))
        finally:
            self._asked_at_s = 0.0
        return self._conclude(batch, verdict)

    def _conclude(self, batch: Batch, verdict: Verdict) -> bool:
        url = batch.target.url
        if verdict.retry:
            kept = f"up to {self._settings.queue_items:,} items of each kind are kept until it does"
            self._complain(url, f"does not take data: {verdict.reason}. The app is not held up; {kept}")
            longer = min(max(self._pause_s * 2, _FIRST_PAUSE_S), _LONGEST_PAUSE_S)
            self._pause_s = longer if verdict.retry_after_s is None else max(verdict.retry_after_s, 0.05)
            return False
        self._pause_s = 0.0
        self._refusing.discard(url)
        if not verdict.delivered:
            self._refusing.add(url)
            self._complain(url, f"does not take data: {verdict.reason}. What is sent there is lost")
            self._lost[f"refused_{batch.signal}"] += batch.count
        elif verdict.rejected:
            self._complain(url, f"does not take everything: {verdict.reason}")
            self._lost[f"rejected_{batch.signal}"] += verdict.rejected
        elif url in self._complained:
            self._complained.discard(url)
            say(f"the collector at {url} takes data again{self._losses()}.")
        return True

    def _complain(self, url: str, what: str) -> None:
        """Once until it is well again, for each address: one may be refused while another works."""
        if url not in self._complained:
            self._complained.add(url)
            end = "" if what.endswith((".", "?", "!")) else "."
            say(
                f"the collector at {url} {what}{end} {wrong_port(url)}See `tracestitch serve`, or name another "
                "with --endpoint or OTEL_EXPORTER_OTLP_ENDPOINT."
            )

    def _losses(self) -> str:
        losses = self._losses_by_kind()
        return "; lost meanwhile: " + ", ".join(f"{n} {what}" for what, n in losses.items()) if losses else ""

    def _losses_by_kind(self) -> dict[str, int]:
        losses = {
            "dropped_spans": self.spans.dropped,
            "dropped_logs": self.logs.dropped,
            "dropped_events": self.events.dropped,
        }
        losses.update(self._lost)
        return {name: count for name, count in losses.items() if count}

    def _report(self) -> None:
        """What was lost or failed since the last report goes out as an event of its own."""
        logs = self._settings.logs
        if logs is None or logs.url in self._refusing:
            return  # the report would only be lost too
        state = {**self._losses_by_kind(), **{f"failed: {part}": n for part, n in FAILURES.by_part().items()}}
        if state != self._reported:
            self._reported = state
            self.emit_event("tracestitch.agent.losses", state)

    def settings_key(self) -> bytes | None:
        """The collector's key for settings hashes; asks once, so call it in the background only."""
        if not self._key_asked:
            self._key_asked = True
            answer, self.clock_offset_ms = _ask_the_collector(self._transport, self._settings.agent)
            with guard("reading the collector's key"):
                self._key = bytes.fromhex(answer["settings_key"]) if "settings_key" in answer else None
        return self._key


def _ask_the_collector(transport: Transport, target: Target) -> tuple[Mapping[str, Any], float | None]:
    """What it says of itself, and how far the clocks are apart."""
    import json

    try:
        asked_ns = time.time_ns()
        reply = transport.request("GET", target.url, b"", target.headers)
        answer = json.loads(reply.body) if reply.status == 200 else None
        if isinstance(answer, dict):
            return answer, clocks.offset_ms(answer, asked_ns, time.time_ns())
    except (Unreachable, ValueError):
        pass
    return {}, None
