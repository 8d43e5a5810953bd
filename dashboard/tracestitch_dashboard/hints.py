"""Why a search may have found nothing: an attribute that no recent span has, and the names that are nearest to it."""

from __future__ import annotations

import difflib
from collections.abc import Iterable
from dataclasses import dataclass, replace

from tracestitch_collector.store.store import Store, TraceQuery, Window

LOOKED_AT = 40
"""Traces whose attributes are taken for the known ones."""
NEAREST = 3


@dataclass(frozen=True, slots=True, kw_only=True)
class Unknown:
    key: str
    nearest: tuple[str, ...]

    @property
    def text(self) -> str:
        """`No span here has an attribute htp.route; there is http.route.`"""
        there = f"; there is {' and '.join(self.nearest)}" if self.nearest else ""
        return f"No recent span here has an attribute {self.key[:100]}{there}."


def unknown_attributes(store: Store, query: TraceQuery) -> tuple[Unknown, ...]:
    """Of a search that found nothing."""
    asked = [condition.key for condition in query.attributes]
    missing = [key for key in dict.fromkeys(asked) if not store.values(query.window, key, limit=1)]
    if not missing:
        return ()
    known = _known(store, query.window)
    return tuple(Unknown(key=key, nearest=nearest(key, known)) for key in missing if key not in known)


def nearest(key: str, known: Iterable[str]) -> tuple[str, ...]:
    """By the whole name, or by its last part: `status_code` is http.response.status_code."""
    names = sorted(known)
    lowered = key.lower()
    ends = [name for name in names if name.rpartition(".")[2] == lowered or f".{lowered}." in f".{name}."]
    close = difflib.get_close_matches(lowered, names, n=NEAREST, cutoff=0.6)
    return tuple(dict.fromkeys((*close, *ends)))[:NEAREST]


def _known(store: Store, window: Window) -> frozenset[str]:
    newest = store.search(replace(TraceQuery(window=window), limit=LOOKED_AT)).traces
    traces = store.traces([summary.trace_id for summary in newest if summary.span_count <= 500])
    spans = [span for trace in traces for span in trace.spans]
    return frozenset(key for span in spans for key in (*span.attributes, *span.resource.attributes))
