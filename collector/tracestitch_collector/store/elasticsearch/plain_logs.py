"""Log records as bulk lines and documents, all rows of a table at once, as plain_spans.py does for spans."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import orjson
import pyarrow as pa

from tracestitch_collector.store.elasticsearch.origins import Origins
from tracestitch_collector.store.elasticsearch.pairs import Mask, pairs_of
from tracestitch_collector.store.elasticsearch.plain_rows import (
    dropped_counts,
    frames,
    identities,
    numbers,
    quoted,
)
from tracestitch_collector.store.elasticsearch.routing import Router
from tracestitch_collector.store.elasticsearch.texts import (
    coded,
    decimal,
    flat,
    hexadecimal,
    joined,
    spread,
    timestamps,
    together,
    where,
)

EVENT_NAME = "event.name"
"""An attribute that names the event of a record without a name."""


def plain_logs(table: pa.Table, router: Router, origins: Origins) -> tuple[pa.Array, Mask]:
    """Two lines for each plain row, without the odd rows, and which those are."""
    pairs = pairs_of(table)
    bodies = flat(table.column("body"))
    has_body = ~bodies.is_null().to_numpy(zero_copy_only=False)
    odd = pairs.odd | pairs.presence(EVENT_NAME) | (has_body & ~_is_text(table))
    times, observed = numbers(table, "time_ns"), numbers(table, "observed_ns")
    frame = frames(table, "logs", router, origins)
    texts = joined(
        frame.heads,
        identities(table),
        b'"}}\n{"@timestamp":"',
        timestamps(times),
        frame.streams,
        together(b',"observed_timestamp":"', where(observed != 0, timestamps(observed)), b'"'),
        _severities(table),
        _named(table, "severity_text"),
        _named(table, "event_name"),
        *dropped_counts(table, ("dropped_attributes_count",)),
        together(b',"trace_id":"', hexadecimal(table.column("trace_id"), 16), b'"'),
        together(b',"span_id":"', hexadecimal(table.column("span_id"), 8), b'"'),
        together(b',"body":{"text":', where(has_body, quoted(bodies)), b"}"),
        b',"attributes":{"tracestitch.time_ns":',
        decimal(times),
        b',"tracestitch.received_ns":',
        decimal(table.column("received_ns")),
        b',"tracestitch.tie":',
        decimal(_ties(table)),
        pairs.text(),
        frame.tails,
    )
    return texts.filter(pa.array(~odd)) if odd.any() else texts, odd


def _is_text(table: pa.Table) -> Mask:
    is_text: Mask = flat(table.column("body_is_text")).fill_null(False).to_numpy(zero_copy_only=False)
    return is_text


def _severities(table: pa.Table) -> pa.Array:
    severities = numbers(table, "severity_number")
    return together(b',"severity_number":', where(severities != 0, decimal(severities)))


def _named(table: pa.Table, name: str) -> pa.Array:
    codes, values = coded(table.column(name))
    before = b"," + orjson.dumps(name) + b":"
    return spread([before + orjson.dumps(value) if value else b"" for value in values], codes)


def _ties(table: pa.Table) -> npt.NDArray[np.int64]:
    codes, digests = coded(table.column("request_digest"))
    high = np.array([int.from_bytes(digest[:4]) << 31 for digest in digests] or [0], np.int64)
    return high[codes] | numbers(table, "request_index")
