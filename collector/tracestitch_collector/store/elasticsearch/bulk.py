"""Bulk requests with bodies of our own, answered item by item: what was stored, what may be tried again, and what
never will be.
"""

from __future__ import annotations

import random
from collections import deque
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from typing import Any

import pyarrow as pa
from elasticsearch import ApiError, Elasticsearch

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.elasticsearch.chunks import Chunk, chunks
from tracestitch_collector.store.elasticsearch.client import answering, refusal
from tracestitch_collector.store.elasticsearch.documents import Action, lines_of
from tracestitch_collector.store.elasticsearch.fallback import without_refused
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.store import Rejected

MAX_BODY_BYTES = 6_000_000
IN_FLIGHT = 2
"""Requests at a time: while Elasticsearch works at one, the next is on its way."""
ATTEMPTS = 6
FIRST_PAUSE_S = 0.1
"""Doubled with each attempt: about six seconds in all, then the pipeline waits and the log keeps the data."""

STORED = (200, 201)
CONFLICT = 409
"""The document is there already: the request was sent again."""
RETRIED = (429, 502, 503, 504)
TOO_LARGE = 413
NOT_ALLOWED = (401, 403, 404)


@dataclass(slots=True, kw_only=True)
class Outcome:
    rejected: list[Rejected] = field(default_factory=list)
    duplicates: int = 0
    """Documents that were there already."""
    retried: int = 0
    unindexed: int = 0
    """Times that a document was taken once more without an attribute that the mapping refused."""

    def add(self, other: Outcome) -> None:
        self.rejected += other.rejected
        self.duplicates += other.duplicates
        self.retried += other.retried
        self.unindexed += other.unindexed


@dataclass(frozen=True, slots=True, kw_only=True)
class Bulk:
    """Sends actions until each is stored or refused for good. Raises `Unavailable` when that cannot be now;
    all of the batch may then be sent again."""

    client: Elasticsearch
    settings: ElasticsearchSettings
    pause: Callable[[float], None]
    data_streams: bool = True
    """Refuses to make a plain index where a data stream's template is missing."""

    def send(self, actions: Iterable[Action]) -> Outcome:
        return self.send_lines([lines_of(actions)])

    def send_lines(self, arrays: Iterable[pa.Array]) -> Outcome:
        """Of the lines that documents.py makes."""
        outcome = Outcome()
        with ThreadPoolExecutor(IN_FLIGHT) as threads:
            under_way: deque[Future[Outcome]] = deque()
            for chunk in chunks(arrays, MAX_BODY_BYTES):
                if len(under_way) == IN_FLIGHT:
                    outcome.add(under_way.popleft().result())
                under_way.append(threads.submit(self._delivered, chunk))
            for each in under_way:
                outcome.add(each.result())
        return outcome

    def _delivered(self, chunk: Chunk) -> Outcome:
        outcome = Outcome()
        self._deliver(chunk, outcome)
        return outcome

    def _deliver(self, chunk: Chunk, outcome: Outcome) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                outcome.retried += chunk.count
                self.pause(FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1))  # noqa: S311
            answer = self._request(chunk, outcome)
            if answer is None:
                continue
            if not answer.get("errors", True):
                return
            busy, refused = self._sort_out(chunk.actions(), answer["items"], outcome)
            if refused:
                self._deliver(Chunk.of(refused), outcome)
            if not busy:
                return
            chunk = Chunk.of(busy)
        raise Unavailable(
            f"Elasticsearch at {self.settings.address} took {ATTEMPTS} attempts and still refuses "
            f"{chunk.count} documents for now: it is overloaded or a shard is missing."
        )

    def _request(self, chunk: Chunk, outcome: Outcome) -> Mapping[str, Any] | None:
        """The answer; None when the whole request may be tried again; without items when it was split."""
        try:
            with answering(self.settings):
                return self._post(chunk.body)
        except Unavailable as error:
            cause = error.__cause__
            status = cause.meta.status if isinstance(cause, ApiError) else 0
            if status in RETRIED:
                return None
            if status in (400, TOO_LARGE):
                self._split(chunk.actions(), str(error), outcome)
                return {"errors": False}
            raise

    def _post(self, body: bytes) -> Mapping[str, Any]:
        answer: Mapping[str, Any] = self.client.bulk(
            operations=body,  # type: ignore[arg-type]  # the client passes bytes through; the stub wants objects
            filter_path="errors,items.*.error,items.*.status",
            require_data_stream=self.data_streams,
        ).body
        return answer

    def _split(self, actions: Sequence[Action], reason: str, outcome: Outcome) -> None:
        """One document may be too large, or break the whole request; it must not keep the others out."""
        if len(actions) == 1:
            outcome.rejected.append(rejection(actions[0], reason))
            return
        half = len(actions) // 2
        self._deliver(Chunk.of(actions[:half]), outcome)
        self._deliver(Chunk.of(actions[half:]), outcome)

    def _sort_out(
        self, actions: Sequence[Action], items: Sequence[Mapping[str, Any]], outcome: Outcome
    ) -> tuple[list[Action], list[Action]]:
        """What is to be tried again later, and what at once without what was refused."""
        busy: list[Action] = []
        refused: list[Action] = []
        for action, item in zip(actions, items, strict=False):
            result = next(iter(item.values()))
            status = result["status"]
            if status in STORED:
                continue
            if status == CONFLICT:
                outcome.duplicates += 1
            elif status in RETRIED:
                busy.append(action)
            elif status in NOT_ALLOWED:
                raise Unavailable(refusal(self.settings, status, explanation(result)))
            elif (rest := _without_refused(action, explanation(result))) is not None:
                refused.append(rest)
                outcome.unindexed += 1
            else:
                outcome.rejected.append(rejection(action, explanation(result)))
        return busy, refused


def explanation(result: dict[str, Any]) -> str:
    """Elasticsearch's reason in one line, with the cause beneath it."""
    error = result.get("error") or {}
    cause = (error.get("caused_by") or {}).get("reason")
    text = f"{error.get('type', 'error')}: {error.get('reason', '')}"
    return f"{text} ({cause})" if cause and cause not in text else text


def _without_refused(action: Action, reason: str) -> Action | None:
    if action.signal == "findings":
        return None
    document = without_refused(action.document, reason)
    return None if document is None else replace(action, document=document)


def rejection(action: Action, reason: str) -> Rejected:
    return Rejected(
        signal=action.signal,
        reason=reason,
        document=action.document.decode(errors="replace"),
        identity=action.line.decode(),
    )
