"""Bulk requests with bodies of our own, answered item by item: what was stored, what may be tried again, and what
never will be.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

from elastic_transport import ObjectApiResponse
from elasticsearch import ApiError, Elasticsearch

from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.elasticsearch.client import answering, refusal
from tracestitch_collector.store.elasticsearch.documents import Action
from tracestitch_collector.store.elasticsearch.fallback import without_refused
from tracestitch_collector.store.elasticsearch.settings import ElasticsearchSettings
from tracestitch_collector.store.store import Rejected

MAX_BODY_BYTES = 5_000_000
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
        outcome = Outcome()
        for chunk in chunks(actions, MAX_BODY_BYTES):
            self._deliver(chunk, outcome)
        return outcome

    def _deliver(self, chunk: Sequence[Action], outcome: Outcome) -> None:
        for attempt in range(ATTEMPTS):
            if attempt:
                outcome.retried += len(chunk)
                self.pause(FIRST_PAUSE_S * 2 ** (attempt - 1) * random.uniform(0.5, 1))  # noqa: S311
            answer = self._request(chunk, outcome)
            if answer is None:
                continue
            busy, refused = self._sort_out(chunk, answer, outcome)
            if refused:
                self._deliver(refused, outcome)
            if not busy:
                return
            chunk = busy
        raise Unavailable(
            f"Elasticsearch at {self.settings.address} took {ATTEMPTS} attempts and still refuses "
            f"{len(chunk)} documents for now: it is overloaded or a shard is missing."
        )

    def _request(self, chunk: Sequence[Action], outcome: Outcome) -> list[dict[str, Any]] | None:
        """The items of the answer; None when the whole request may be tried again; empty when it was split."""
        body = b"\n".join(part for action in chunk for part in (action.line, action.document)) + b"\n"
        try:
            with answering(self.settings):
                return list(self._post(body)["items"])
        except Unavailable as error:
            cause = error.__cause__
            status = cause.meta.status if isinstance(cause, ApiError) else 0
            if status in RETRIED:
                return None
            if status in (400, TOO_LARGE):
                self._split(chunk, str(error), outcome)
                return []
            raise

    def _post(self, body: bytes) -> ObjectApiResponse[Any]:
        return self.client.bulk(
            operations=body,  # type: ignore[arg-type]  # the client passes bytes through; the stub wants objects
            filter_path="items.*.error,items.*.status",
            require_data_stream=self.data_streams,
        )

    def _split(self, chunk: Sequence[Action], reason: str, outcome: Outcome) -> None:
        """One document may be too large, or break the whole request; it must not keep the others out."""
        if len(chunk) == 1:
            outcome.rejected.append(rejection(chunk[0], reason))
            return
        half = len(chunk) // 2
        self._deliver(chunk[:half], outcome)
        self._deliver(chunk[half:], outcome)

    def _sort_out(
        self, chunk: Sequence[Action], items: list[dict[str, Any]], outcome: Outcome
    ) -> tuple[list[Action], list[Action]]:
        """What is to be tried again later, and what at once without what was refused."""
        busy: list[Action] = []
        refused: list[Action] = []
        for action, item in zip(chunk, items, strict=False):
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


def chunks(actions: Iterable[Action], limit: int) -> Iterator[list[Action]]:
    """Groups whose bodies stay within the limit; a larger document goes alone."""
    chunk: list[Action] = []
    size = 0
    for action in actions:
        if chunk and size + action.size > limit:
            yield chunk
            chunk, size = [], 0
        chunk.append(action)
        size += action.size
    if chunk:
        yield chunk


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
