"""Requests of the log as tables. A request that cannot be decoded is set aside whole with the reason; the
others are not touched by it.
"""

from __future__ import annotations

import gzip
import json
import zlib
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field

import pyarrow as pa

from tracestitch_collector.checks import finding
from tracestitch_collector.columns import FINDINGS
from tracestitch_collector.decode.origins import Origins
from tracestitch_collector.decode.tables import logs_table, spans_table
from tracestitch_collector.decode.values import MalformedError
from tracestitch_collector.decode.wire import LogRows, Rows, SpanRows

UNDECODABLE = (MalformedError, IndexError, ValueError, RecursionError)


@dataclass(frozen=True, slots=True, kw_only=True)
class Request:
    """One export request, inflated, or one list of findings."""

    body: bytes
    digest: bytes
    received_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Undecodable:
    request: Request
    reason: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Decoded:
    table: pa.Table
    undecodable: tuple[Undecodable, ...] = ()
    cut: Mapping[str, int] = field(default_factory=dict)
    """How often something of it was too long, by what: see cuts.py."""


class Decoder:
    """Keeps what it learned about attributes and resources from table to table."""

    def __init__(self) -> None:
        origins = Origins()
        self._origins = origins
        self._spans = SpanRows(origins)
        self._logs = LogRows(origins)

    def spans(self, requests: Sequence[Request]) -> Decoded:
        good, bad = self._decode(self._spans, requests)
        table = spans_table(self._spans, good)
        return Decoded(table=table, undecodable=bad, cut=dict(self._origins.cuts.counts))

    def logs(self, requests: Sequence[Request]) -> Decoded:
        good, bad = self._decode(self._logs, requests)
        table = logs_table(self._logs, good)
        return Decoded(table=table, undecodable=bad, cut=dict(self._origins.cuts.counts))

    def _decode(
        self, rows: Rows, requests: Sequence[Request]
    ) -> tuple[list[tuple[bytes, int, int]], tuple[Undecodable, ...]]:
        """Fills the rows; returns (digest, received_ns, rows) per request, and those that failed."""
        bad: list[Undecodable] = []
        while True:
            failed = {item.request.digest for item in bad}
            self._origins.begin()
            self._origins.cuts.counts.clear()
            rows.begin()
            done: list[tuple[bytes, int, int]] = []
            for request in requests:
                if request.digest in failed:
                    continue
                before = rows.count
                try:
                    rows.request(request.body)
                except UNDECODABLE as error:
                    # The half-filled rows are of no use: begin again without this request.
                    bad.append(Undecodable(request=request, reason=str(error) or type(error).__name__))
                    break
                done.append((request.digest, request.received_ns, rows.count - before))
            else:
                return done, tuple(bad)


def findings_table(requests: Sequence[Request]) -> Decoded:
    """Findings as the check loop wrote them: a JSON list of documents."""
    rows: list[dict[str, object]] = []
    bad: list[Undecodable] = []
    for request in requests:
        try:
            rows += _finding_rows(request)
        except (ValueError, KeyError, TypeError) as error:
            bad.append(Undecodable(request=request, reason=f"not a list of findings: {error!r}"))
    return Decoded(table=pa.Table.from_pylist(rows, schema=FINDINGS), undecodable=tuple(bad))


def _finding_rows(request: Request) -> list[dict[str, object]]:
    found = [finding.from_json(document) for document in json.loads(request.body)]
    return [
        {
            "evaluated_ns": request.received_ns,
            "fingerprint": item.fingerprint,
            "check": item.check,
            "pitfall": item.pitfall,
            "severity": item.severity,
            "service_name": item.service,
            "first_seen_ns": item.first_seen_ns,
            "last_seen_ns": item.last_seen_ns,
            "document": json.dumps(finding.to_json(item), ensure_ascii=False),
        }
        for item in found
    ]


def inflated(body: bytes) -> bytes:
    """A gzip body of any number of members. Raises ValueError on anything else; its size was checked before
    it was written to the log."""
    try:
        return gzip.decompress(body)
    except (OSError, EOFError, zlib.error) as error:
        raise ValueError(f"the body does not inflate: {error}") from error
