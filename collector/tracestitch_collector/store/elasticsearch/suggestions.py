"""Values of an attribute, for completing what somebody types."""

from __future__ import annotations

import re

from tracestitch_collector.store.elasticsearch.client import answering
from tracestitch_collector.store.elasticsearch.conditions import TEXTS
from tracestitch_collector.store.elasticsearch.fields import SERVICE, TIME
from tracestitch_collector.store.elasticsearch.searching import Searcher, all_of, exists, term, within
from tracestitch_collector.store.store import Window

LOOKED_AT = 1_000
"""Of numbers, which Elasticsearch does not choose by their first digits."""


def read_values(
    searcher: Searcher, window: Window, key: str, *, prefix: str, service: str, limit: int
) -> tuple[str, ...]:
    if window.end_ns <= window.start_ns or limit < 1 or not key:
        return ()
    found: set[str] = set()
    for name in (f"attributes.{key}", f"resource.attributes.{key}"):
        found = _of_field(searcher, window, name, prefix=prefix, service=service, limit=limit)
        if found:
            break
    return tuple(sorted(found)[:limit])


def _of_field(
    searcher: Searcher, window: Window, name: str, *, prefix: str, service: str, limit: int
) -> set[str]:
    with answering(searcher.settings):
        types = searcher.client.field_caps(
            index=searcher.spans, fields=[name], ignore_unavailable=True, allow_no_indices=True
        )["fields"].get(name, {})
    terms: dict[str, object] = {"field": name, "size": LOOKED_AT}
    if types and all(kind in TEXTS for kind in types):
        terms = {"field": name, "size": limit, "include": f"{_escaped(prefix)}.*"}
    chosen = [term(SERVICE, service)] if service else []
    answer = searcher.search(
        searcher.spans,
        all_of(*within(window, TIME), exists(name), *chosen),
        aggregations={"values": {"terms": terms}},
    )
    buckets = answer.aggregations.get("values", {}).get("buckets", ())
    texts = (str(each.get("key_as_string", each["key"])) for each in buckets)
    return {text for text in texts if text.startswith(prefix)}


def _escaped(text: str) -> str:
    """For Lucene's regular expressions."""
    return re.sub(r'([.?+*|{}\[\]()"\\#@&<>~^$-])', r"\\\1", text)
