"""Spans as bulk lines and documents, all rows of a table at once. What it writes is what documents.py writes for one
row after the other, which it leaves the odd rows to: those with anything that a plain field cannot say.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.store.elasticsearch.enrichment import (
    HAS_IS_REMOTE,
    IS_REMOTE,
    READ_KEYS,
    SEEN_KEYS,
    URL_KEYS,
    SpanFacts,
    representative_count,
    span_attributes,
    without_path,
)
from tracestitch_collector.store.elasticsearch.fields import KINDS, MAX_LONG, STATUSES
from tracestitch_collector.store.elasticsearch.origins import Origins
from tracestitch_collector.store.elasticsearch.pairs import Mask, Pairs, pairs_of
from tracestitch_collector.store.elasticsearch.plain_rows import (
    dropped_counts,
    frames,
    identities,
    numbers,
    quoted,
)
from tracestitch_collector.store.elasticsearch.routing import Router
from tracestitch_collector.store.elasticsearch.texts import (
    Codes,
    coded,
    decimal,
    flat,
    groups,
    hexadecimal,
    joined,
    spread,
    timestamps,
    together,
    where,
)

_OF_EACH_ROW = frozenset(
    ("timestamp.us", "transaction.id", "transaction.name", "transaction.duration.us", "span.duration.us")
)
"""Enrichment that differs from row to row; the rest is the same for all spans of one sort."""
_DROPPED = ("dropped_attributes_count", "dropped_events_count", "dropped_links_count")


@dataclass(frozen=True, slots=True, kw_only=True)
class Sorts:
    """The sorts of spans that a table has, as enrichment tells them apart."""

    of_row: Codes
    texts: Sequence[bytes]
    """`,"key":value` of what is added to each."""
    is_transaction: Mask
    """By row."""
    is_span: Mask
    """To Kibana, by row; a call that begins a trace is both."""


def plain_spans(table: pa.Table, router: Router, origins: Origins) -> tuple[pa.Array, Mask]:
    """Two lines for each plain row, without the odd rows, and which those are."""
    pairs = pairs_of(table)
    starts, durations = numbers(table, "start_ns"), numbers(table, "duration_ns")
    odd = pairs.odd | _without_plain_times(starts, durations)
    odd |= ~flat(table.column("links")).is_null().to_numpy(zero_copy_only=False)
    sorts = _sorts(table, pairs)
    frame = frames(table, "traces", router, origins)
    span_ids = hexadecimal(table.column("span_id"), 8)
    names = quoted(table.column("name"))
    lengths = decimal(_microseconds(durations))
    texts = joined(
        frame.heads,
        identities(table),
        b'"}}\n{"@timestamp":"',
        timestamps(starts),
        frame.streams,
        b',"trace_id":"',
        hexadecimal(table.column("trace_id"), 16),
        b'","span_id":"',
        span_ids,
        together(b'","parent_span_id":"', hexadecimal(table.column("parent_span_id"), 8)),
        b'","name":',
        names,
        _trace_states(table),
        *_kinds(table),
        b',"duration":',
        decimal(durations),
        _statuses(table),
        *dropped_counts(table, _DROPPED),
        b',"attributes":{"tracestitch.time_ns":',
        decimal(starts),
        b',"tracestitch.end_ns":',
        decimal(starts + durations),
        b',"tracestitch.received_ns":',
        decimal(table.column("received_ns")),
        b',"timestamp.us":',
        decimal(starts // 1000),
        spread(sorts.texts, sorts.of_row),
        together(b',"transaction.id":"', where(sorts.is_transaction, span_ids), b'"'),
        together(b',"transaction.duration.us":', where(sorts.is_transaction, lengths)),
        together(b',"transaction.name":', where(sorts.is_transaction & _named(table), names)),
        together(b',"span.duration.us":', where(sorts.is_span, lengths)),
        pairs.text(),
        frame.tails,
    )
    return texts.filter(pa.array(~odd)) if odd.any() else texts, odd


def _without_plain_times(starts: npt.NDArray[np.int64], durations: npt.NDArray[np.int64]) -> Mask:
    """Spans without a start or an end, or with an end that no field can hold."""
    too_late = (durations > 0) & (starts > MAX_LONG - np.maximum(durations, 0))
    missing: Mask = (starts == 0) | (starts == -durations) | too_late
    return missing


def _microseconds(durations: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """As enrichment.microseconds has it."""
    exact = np.abs(durations) < 2**53
    return np.where(exact, np.trunc(durations / 1000), durations // 1000).astype(np.int64)


def _named(table: pa.Table) -> Mask:
    named: Mask = (
        pc.greater(pc.binary_length(flat(table.column("name"))), 0)
        .fill_null(False)
        .to_numpy(zero_copy_only=False)
    )
    return named


def _trace_states(table: pa.Table) -> pa.Array:
    codes, values = coded(table.column("trace_state"))
    pieces = [b',"trace_state":' + orjson.dumps(value) if value else b"" for value in values]
    return spread(pieces, codes)


def _kinds(table: pa.Table) -> Sequence[pa.Array]:
    kinds = numbers(table, "kind")
    pieces = [b',"kind":' + orjson.dumps(name) if name else b"" for name in KINDS]
    return (spread(pieces, np.where((kinds > 0) & (kinds < len(KINDS)), kinds, 0)),)


def _statuses(table: pa.Table) -> pa.Array:
    status_codes = numbers(table, "status_code").astype(np.int32)
    messages, texts = coded(table.column("status_message"))
    first, group = groups([status_codes, messages], table.num_rows)
    pieces = []
    for row in first:
        message = texts[messages[row]] if messages[row] >= 0 else ""
        status: dict[str, str] = {"message": message} if message else {}
        if 0 < status_codes[row] < len(STATUSES):
            status["code"] = STATUSES[status_codes[row]]
        pieces.append(b',"status":' + orjson.dumps(status) if status else b"")
    return spread(pieces, group)


def _sorts(table: pa.Table, pairs: Pairs) -> Sorts:
    """Enriches one span of each sort."""
    facts = _Facts(table, pairs)
    first, group = groups(facts.columns, table.num_rows)
    texts, is_transaction, is_span = [], [], []
    for row in first:
        added = span_attributes(facts.of(int(row)))
        is_transaction.append("transaction.id" in added)
        is_span.append("span.duration.us" in added)
        kept = {key: value for key, value in added.items() if key not in _OF_EACH_ROW}
        texts.append(b"," + orjson.dumps(kept)[1:-1])
    return Sorts(
        of_row=group,
        texts=texts,
        is_transaction=np.array(is_transaction, np.bool_)[group],
        is_span=np.array(is_span, np.bool_)[group],
    )


class _Facts:
    """What enrichment looks at, as columns of codes."""

    def __init__(self, table: pa.Table, pairs: Pairs) -> None:
        self._kinds = numbers(table, "kind")
        self._flags = numbers(table, "flags") & (HAS_IS_REMOTE | IS_REMOTE)
        self._statuses = numbers(table, "status_code")
        self._roots = flat(table.column("parent_span_id")).is_null().to_numpy(zero_copy_only=False)
        self._counts, self._states = _by_count(table)
        self._read = {
            key: _shortened(*pairs.values(key)) if key in URL_KEYS else pairs.values(key)
            for key in READ_KEYS
            if key in pairs.by_key
        }
        self._seen = {
            keys[0]: np.logical_or.reduce([pairs.presence(key) for key in keys])
            for keys in SEEN_KEYS
            if any(key in pairs.by_key for key in keys)
        }
        self.columns: list[Codes] = [
            self._kinds.astype(np.int32),
            (self._flags >> 8).astype(np.int32),
            self._statuses.astype(np.int32),
            self._roots.astype(np.int32),
            self._counts,
            *(codes for codes, _ in self._read.values()),
            *(present.astype(np.int32) for present in self._seen.values()),
        ]

    def of(self, row: int) -> SpanFacts:
        """Names, ids and times do not matter: each row has its own."""
        attributes: dict[str, Any] = {
            key: values[codes[row]] for key, (codes, values) in self._read.items() if codes[row] >= 0
        }
        attributes |= {key: True for key, present in self._seen.items() if present[row]}
        return SpanFacts(
            span_id="",
            is_root=bool(self._roots[row]),
            kind=int(self._kinds[row]),
            flags=int(self._flags[row]),
            name="",
            start_ns=0,
            duration_ns=0,
            status=int(self._statuses[row]),
            trace_state=self._states[self._counts[row]],
            attributes=attributes,
        )


def _by_count(table: pa.Table) -> tuple[Codes, list[str]]:
    """Trace states fall together that stand for the same number of requests."""
    codes, values = coded(table.column("trace_state"))
    states: dict[float, str] = {1.0: ""}
    counts = [representative_count(value or "") for value in values]
    for count, value in zip(counts, values, strict=True):
        states.setdefault(count, value)
    places = {count: place for place, count in enumerate(states)}
    narrowed = np.array([*(places[count] for count in counts), 0], np.int32)
    return narrowed[codes], list(states.values())


def _shortened(codes: Codes, urls: list[Any]) -> tuple[Codes, list[Any]]:
    """One value for all URLs of a host."""
    places: dict[tuple[type, Any], int] = {}
    narrowed = [places.setdefault((type(url), url), len(places)) for url in map(without_path, urls)]
    return np.array([*narrowed, -1], np.int32)[codes], [url for _, url in places]
