"""From the bytes of a request to a durable record or a refusal, whatever transport they came by."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from concurrent.futures import Future
from dataclasses import dataclass

from tracestitch_collector.decode.json import Transcoder
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.log import PendingRecord, identity
from tracestitch_collector.receive.answers import (
    MALFORMED,
    TOO_LARGE,
    UNAVAILABLE,
    Accepted,
    RefusedError,
    remark,
)
from tracestitch_collector.receive.committer import Committer
from tracestitch_collector.receive.counters import Counters
from tracestitch_collector.receive.limits import (
    MAX_BYTES,
    MalformedError,
    TooLargeError,
    TooManyBytesError,
    check_json,
    inflate,
)
from tracestitch_collector.receive.shapes import Signal
from tracestitch_collector.receive.wire import Census, Inspector, without


@dataclass(frozen=True, slots=True, kw_only=True)
class Prepared:
    """A sound request: what is to be kept of it, and what to tell its sender."""

    signal: Signal
    transport: str
    record: PendingRecord | None
    """None when nothing of it is kept."""
    census: Census
    dropped_values: int
    answer: Accepted


class Intake:
    """`prepare` looks at the request and may take long; `commit` makes it durable; `finish` counts it."""

    def __init__(self, committer: Committer, counters: Counters, clock_ns: Callable[[], int]) -> None:
        self._committer = committer
        self._counters = counters
        self._clock_ns = clock_ns
        self._inspector = Inspector()
        self._transcoder = Transcoder()

    def prepare(
        self,
        signal: Signal,
        transport: str,
        body: bytes,
        *,
        gzip: bool = False,
        json: bool = False,
        limit: int = MAX_BYTES,
    ) -> Prepared:
        """Raises RefusedError."""
        try:
            return self._prepare(signal, transport, body, gzip, json, limit)
        except TooLargeError as error:
            raise RefusedError(TOO_LARGE, str(error)) from error
        except MalformedError as error:
            raise RefusedError(MALFORMED, f"the request is no OTLP {signal.name} request: {error}") from error

    def _prepare(
        self, signal: Signal, transport: str, body: bytes, gzip: bool, json: bool, limit: int
    ) -> Prepared:
        content = inflate(body, limit) if gzip else body
        if len(content) > limit:
            raise TooManyBytesError(f"the request is larger than {limit} bytes")
        dropped_values = 0
        if json:
            check_json(content)
            content, dropped_values = self._transcoder.to_protobuf(content, signal.name)
        census = self._inspector.inspect(content, signal)
        as_received = not json and not census.rejected
        if census.rejected:
            content = without(content, census.rejected)
        kept = census.items - len(census.rejected)
        record = None
        if kept:
            record = PendingRecord(
                kind=signal.kind,
                body=body if as_received else content,
                gzip=gzip and as_received,
                received_ns=self._clock_ns(),
                digest=identity(content),
            )
        answer = Accepted(rejected=len(census.rejected), remark=remark(census, signal, dropped_values))
        return Prepared(
            signal=signal,
            transport=transport,
            record=record,
            census=census,
            dropped_values=dropped_values,
            answer=answer,
        )

    def commit(self, prepared: Prepared) -> Future[None] | None:
        """A future that is done once the record is durable, None when there is none to keep."""
        if prepared.record is None:
            return None
        try:
            return self._committer.submit(prepared.record)
        except Unavailable as error:
            raise RefusedError(UNAVAILABLE, str(error)) from error

    async def settle(self, prepared: Prepared) -> Accepted:
        """Commits, waits until it is durable, and counts it. Raises RefusedError."""
        committed = self.commit(prepared)
        if committed is not None:
            try:
                await asyncio.wrap_future(committed)
            except Unavailable as error:
                raise RefusedError(UNAVAILABLE, str(error)) from error
        return self.finish(prepared)

    def finish(self, prepared: Prepared) -> Accepted:
        """Counts an acknowledged request."""
        name, census = prepared.signal.name, prepared.census
        self._counters.requests.labels(name, prepared.transport).inc()
        self._counters.accepted.labels(name, prepared.transport).inc(census.items - len(census.rejected))
        for reason, count in census.reasons.items():
            self._counters.dropped.labels(name, reason).inc(count)
        if prepared.dropped_values:
            self._counters.dropped.labels(name, "value out of range").inc(prepared.dropped_values)
        return prepared.answer

    def refuse(self, signal_name: str, transport: str, error: RefusedError) -> None:
        """Counts a refused request."""
        self._counters.refused.labels(signal_name, transport, error.reason.label).inc()
