"""Values of an attribute, for completing what somebody types: those of the newest spans that have it."""

from __future__ import annotations

import json
from collections.abc import Iterable

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from tracestitch_collector.columns import from_plain
from tracestitch_collector.model import AttributeValue
from tracestitch_collector.store.embedded import matching, row_terms, walk
from tracestitch_collector.store.embedded.conditions import Conditions, clamped
from tracestitch_collector.store.embedded.snapshot import Snapshot
from tracestitch_collector.store.embedded.walk import Deadline
from tracestitch_collector.store.store import Window

PATIENCE_S = 1.0
"""Nobody waits longer for a suggestion."""


def values(
    snapshot: Snapshot, window: Window, key: str, *, prefix: str, service: str, limit: int
) -> tuple[str, ...]:
    if window.end_ns <= window.start_ns or limit < 1:
        return ()
    own = matching.attribute_columns(key)
    found = _walked(snapshot, _asked(window, service, key, own), service, own, prefix, limit)
    if not found:
        asked = _asked(window, service, key, [])
        found = _walked(snapshot, asked, service, ["resource"], prefix, limit, key)
    return tuple(sorted(found)[:limit])


def _asked(window: Window, service: str, key: str, own: list[str]) -> Conditions:
    asked = Conditions(window=clamped(window), time_column="start_ns")
    if service:
        asked.equal_text("service_name", service, row_terms.SERVICE)
    if own:
        asked.add(lambda table: _any_present(table, own), *own, "service_name")
    asked.needs.one_of((row_terms.key(key),), (row_terms.ANY_KEY,))
    return asked


def _any_present(table: pa.Table, names: list[str]) -> matching.Mask:
    found = np.zeros(len(table), bool)
    for name in names:
        if name in table.column_names:
            found |= matching.present(table[name])
    return found


def _walked(
    snapshot: Snapshot,
    asked: Conditions,
    service: str,
    columns: list[str],
    prefix: str,
    limit: int,
    resource_key: str | None = None,
) -> set[str]:
    deadline, found = Deadline(PATIENCE_S), set[str]()
    for step in walk.steps(snapshot, "spans", asked, set(columns), service=service):
        for rows in step.rows:
            for name in rows.column_names:
                distinct = pc.unique(rows[name]).to_pylist()
                texts = distinct if resource_key is None else _of_resources(distinct, resource_key)
                found |= {text for text in map(text_of, texts) if text and text.startswith(prefix)}
        if len(found) >= limit or deadline.is_over:
            break
    return found


def _of_resources(texts: Iterable[str], key: str) -> list[AttributeValue]:
    pairs = [pair for text in texts for pair in json.loads(text)["attributes"] if pair[0] == key]
    return [from_plain(plain) for _, plain in pairs]


def text_of(value: AttributeValue) -> str:
    """Empty for what is no single value."""
    if isinstance(value, bool):
        return "true" if value else "false"
    return str(value) if isinstance(value, (str, int, float)) else ""
