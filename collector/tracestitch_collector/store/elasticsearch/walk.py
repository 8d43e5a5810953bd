"""Traces in the order of their matching spans. Elasticsearch skips what cannot be among the first spans of an order, but
not where it must also keep one span per trace, so spans are asked for as they come, and each next page leaves out the
traces that were met.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from tracestitch_collector.store.elasticsearch.fields import TRACE_ID
from tracestitch_collector.store.elasticsearch.searching import PAGE, Query, Searcher, all_of

MAX_STEPS = 50
MAX_MET = 50_000
"""Traces that one query may leave out; Elasticsearch takes 65,536 (index.max_terms_count)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Step:
    """What one page of spans brought."""

    fresh: tuple[str, ...]
    """Traces that were not met before, in the order of their first spans."""
    reached: Any
    """The sort value of its last span; None where there was none."""
    is_whole: bool
    """Whether there are no more."""
    partial: str = ""
    """Why this is the last page although there may be more."""

    @property
    def is_last(self) -> bool:
        return self.is_whole or bool(self.partial)


def walk(searcher: Searcher, query: Query, order: Mapping[str, Any], size: int) -> Iterator[Step]:
    """Page after page of so many spans, until there are no more or whoever asks has enough."""
    met: list[str] = []
    for _ in range(MAX_STEPS):
        known: list[Query] = [{"terms": {TRACE_ID: met}}] if met else []
        answer = searcher.search(
            searcher.spans,
            all_of(query, none_of=known),
            size=min(size, PAGE),
            sort=[order],
            stored_fields="_none_",
            docvalue_fields=[TRACE_ID],
        )
        fresh = tuple(dict.fromkeys(trace_id(hit) for hit in answer.hits))
        met += fresh
        step = Step(
            fresh=fresh,
            reached=answer.hits[-1]["sort"][0] if answer.hits else None,
            is_whole=len(answer.hits) < min(size, PAGE) and not answer.partial,
            partial=answer.partial,
        )
        yield step
        if step.is_last:
            return
        if len(met) > MAX_MET:
            break
    yield Step(
        fresh=(),
        reached=None,
        is_whole=False,
        partial="the search looked at many spans and may have missed traces: narrow the window",
    )


def trace_id(hit: Mapping[str, Any]) -> str:
    found: str = hit["fields"][TRACE_ID][0]
    return found
