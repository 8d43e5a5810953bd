"""The generator of the comparison: a process of its own that sends parts of the payload over four connections it keeps,
each request when the one before has been answered, and tells which were acknowledged.
"""

from __future__ import annotations

import http.client
import multiprocessing
import threading
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from multiprocessing.connection import Connection
from urllib.parse import urlsplit

from tests.bench.peers_payload import LASTING_NS, MARK_NS, Payload

CONNECTIONS = 4
HEADERS = {"Content-Type": "application/x-protobuf"}
MOST_REFUSALS = 200


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What to send, and where."""

    address: str
    copy: int
    requests: int
    """So many from the first on; all of the payload when it is more than there are."""


@dataclass(slots=True)
class Sent:
    seconds: float = 0.0
    waits_s: list[float] = field(default_factory=list)
    """Of each request, from its first byte to its answer."""
    acknowledged: list[int] = field(default_factory=list)
    """Which requests of the payload."""
    refused: int = 0


class Generator:
    """Started before anything else of the program, so that the payload is made once and nothing is copied."""

    def __init__(self, payload: Payload) -> None:
        fork = multiprocessing.get_context("fork")
        self._ours, theirs = fork.Pipe()
        self._process = fork.Process(target=_serve, args=(payload, theirs), daemon=True)
        self._process.start()

    def send(self, order: Order) -> Sent:
        """Raises RuntimeError when the generator died."""
        self._ours.send(order)
        while not self._ours.poll(1):
            if not self._process.is_alive():
                raise RuntimeError(f"the generator ended with {self._process.exitcode}")
        sent: Sent = self._ours.recv()
        return sent

    def close(self) -> None:
        self._ours.close()
        self._process.join(10)


def _serve(payload: Payload, orders: Connection) -> None:
    while True:
        try:
            order: Order = orders.recv()
        except (EOFError, KeyboardInterrupt):
            return
        orders.send(_carry_out(payload, order))


def _carry_out(payload: Payload, order: Order) -> Sent:
    numbers = iter(range(min(order.requests, len(payload.requests))))
    lock = threading.Lock()

    def next_numbers() -> Iterator[int]:
        while True:
            with lock:
                number = next(numbers, None)
            if number is None:
                return
            yield number

    parts = [Sent() for _ in range(CONNECTIONS)]
    threads = [threading.Thread(target=_send, args=(payload, order, next_numbers(), part)) for part in parts]
    begin = time.perf_counter()
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return Sent(
        seconds=time.perf_counter() - begin,
        waits_s=[wait for part in parts for wait in part.waits_s],
        acknowledged=sorted(number for part in parts for number in part.acknowledged),
        refused=sum(part.refused for part in parts),
    )


def _send(payload: Payload, order: Order, numbers: Iterator[int], sent: Sent) -> None:
    connection = http.client.HTTPConnection(urlsplit(order.address).netloc, timeout=120)
    for number in numbers:
        request = payload.requests[number]
        while sent.refused < MOST_REFUSALS:
            body = payload.body(request, order.copy, time.time_ns() - LASTING_NS - MARK_NS)
            begin = time.perf_counter()
            try:
                connection.request("POST", "/v1/traces", body, HEADERS)
                answer = connection.getresponse()
                answer.read()
            except OSError:  # it died: nothing more is acknowledged
                connection.close()
                return
            if answer.status == 200:
                sent.waits_s.append(time.perf_counter() - begin)
                sent.acknowledged.append(number)
                break
            sent.refused += 1
            time.sleep(0.2)
    connection.close()
