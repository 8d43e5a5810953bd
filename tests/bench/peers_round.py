"""One round of one target: it is fed, left to come to rest, asked, stopped, started again, fed once more and killed."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Iterator, Mapping
from dataclasses import dataclass

from tests.bench.peers_load import Generator, Order, Sent
from tests.bench.peers_payload import Payload, ids_of
from tests.bench.peers_questions import TIMES, Questions, page_questions, questions
from tests.bench.peers_targets import OURS, Asking, Target, running

REST_S = 20.0
TAIL_REQUESTS = 20
"""Acknowledged right before the kill: about ten thousand spans."""
PROBES = 15


@dataclass(frozen=True, slots=True, kw_only=True)
class Waits:
    p50_ms: float
    p99_ms: float


@dataclass(frozen=True, slots=True, kw_only=True)
class Fed:
    """What it took to take the spans."""

    spans: int
    refused: int
    cpu_s: Mapping[str, float]
    """Seconds per million spans of each of its processes, until it had come to rest."""
    per_second: float
    """From the first byte until the last acknowledged span was found."""
    rss: int
    """At its highest."""
    requests: Waits


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    fed: Fed
    disk_bytes: int
    """Of all its files, after it was stopped in good order."""
    visible: Waits
    questions: Mapping[str, Waits]
    """Through Jaeger's query API."""
    as_a_page: Mapping[str, Waits]
    """The same of our list of traces."""
    start_again_s: float
    lost: int
    """Acknowledged spans that were not there after the kill."""
    tail: int
    """Spans that were acknowledged right before it."""


class Round:
    def __init__(self, payload: Payload, generator: Generator, copies: int, number: int) -> None:
        self._payload = payload
        self._generator = generator
        # No two rounds send the same ids.
        self._copies = range(1 + number * (copies + 2), 1 + number * (copies + 2) + copies)

    def run(self, target: Target) -> Outcome:
        with running(target):
            fed = self._feed(target)
            asked = questions(self._payload, self._copies)
            answered = dict(self._ask(target, asked))
            as_a_page = dict(self._ask(target, page_questions())) if target.name == OURS else {}
            visible = self._visible(target)
        disk_bytes = target.disk_bytes()
        start_again_s, lost, tail = self._killed(target)
        return Outcome(
            fed=fed,
            questions=answered,
            as_a_page=as_a_page,
            visible=visible,
            disk_bytes=disk_bytes,
            start_again_s=start_again_s,
            lost=lost,
            tail=tail,
        )

    def _feed(self, target: Target) -> Fed:
        target.rest(REST_S)  # starting costs too, and goes on for seconds after the first answer
        before, begin = target.cpu_s(), time.perf_counter()
        rss, parts = 0, []
        for copy in self._copies:
            parts.append(self._send(target, copy))
            rss = max(rss, target.rss())
        last = list(ids_of(self._payload.requests[parts[-1].acknowledged[-1]], self._copies[-1]))[-1]
        _found(Asking(target.query), last)
        seconds = time.perf_counter() - begin
        target.rest(REST_S)
        spans = sum(self._payload.requests[number].spans for part in parts for number in part.acknowledged)
        used = {name: cpu_s - before.get(name, 0) for name, cpu_s in target.cpu_s().items()}
        return Fed(
            spans=spans,
            refused=sum(part.refused for part in parts),
            cpu_s={name: cpu_s / spans * 1e6 for name, cpu_s in used.items()},
            per_second=spans / seconds,
            rss=max(rss, target.rss()),
            requests=_waits([wait for part in parts for wait in part.waits_s]),
        )

    def _send(self, target: Target, copy: int, requests: int = 1_000_000) -> Sent:
        sent = self._generator.send(Order(address=target.otlp, copy=copy, requests=requests))
        if not sent.acknowledged:
            raise SystemExit(f"{target.name} took nothing: {target.last_words()}")
        return sent

    def _ask(self, target: Target, asked: Questions) -> Iterator[tuple[str, Waits]]:
        asking = Asking(target.query)
        for name, path in asked.items():
            waits = []
            for number in range(TIMES):
                begin = time.perf_counter()
                status, _ = asking.get(path(number))
                waits.append(time.perf_counter() - begin)
                if status != 200:
                    raise SystemExit(f"{target.name} answered {path(number)} with {status}")
            yield name, _waits(waits)

    def _visible(self, target: Target) -> Waits:
        """From the answer to a request until the trace is found."""
        asking, waits = Asking(target.query), []
        for number in range(PROBES):
            copy = 10_000_000 + self._copies[0] * PROBES + number
            self._send(target, copy, requests=1)
            begin = time.perf_counter()
            _found(asking, next(iter(ids_of(self._payload.requests[0], copy))))
            waits.append(time.perf_counter() - begin)
        return _waits(waits)

    def _killed(self, target: Target) -> tuple[float, int, int]:
        """Seconds to start again, spans that were lost, spans that were acknowledged."""
        copy = self._copies[-1] + 1
        target.start()
        sent = self._send(target, copy, TAIL_REQUESTS)
        target.kill()
        acknowledged: Counter[str] = Counter()
        for number in sent.acknowledged:
            acknowledged.update(ids_of(self._payload.requests[number], copy))
        with running(target) as again:
            asking = Asking(again.query)
            last = next(reversed(acknowledged))
            end = time.monotonic() + 5  # what the log holds may still be on its way to the store
            while time.monotonic() < end and not asking.traces(f"/api/traces/{last}"):
                time.sleep(0.1)
            lost = sum(count - min(count, _spans(asking, trace)) for trace, count in acknowledged.items())
            return again.started_s, lost, acknowledged.total()


def _found(asking: Asking, trace_id: str) -> None:
    end = time.monotonic() + 120
    while asking.get(f"/api/traces/{trace_id}")[0] != 200:
        if time.monotonic() > end:
            raise SystemExit(f"trace {trace_id}, which was acknowledged, is not found within two minutes")
        time.sleep(0.005)


def _spans(asking: Asking, trace_id: str) -> int:
    return sum(len(trace["spans"]) for trace in asking.traces(f"/api/traces/{trace_id}"))


def _waits(seconds: list[float]) -> Waits:
    ordered = sorted(seconds)
    middle, last = ordered[len(ordered) // 2], ordered[min(int(len(ordered) * 0.99), len(ordered) - 1)]
    return Waits(p50_ms=middle * 1000, p99_ms=last * 1000)
