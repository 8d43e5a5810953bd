"""Search conditions as Query DSL. Fields have the types that their first values gave them, so conditions that
depend on a type ask which fields have it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

from tracestitch_collector.store.elasticsearch.client import answering
from tracestitch_collector.store.elasticsearch.fields import (
    DURATION,
    EVENT_INDEX,
    NAME,
    PARENT,
    ROUTE,
    SERVICE,
    STATUS,
    TIME,
    UNINDEXED,
)
from tracestitch_collector.store.elasticsearch.searching import (
    Query,
    Searcher,
    all_of,
    any_of,
    exists,
    term,
    within,
)
from tracestitch_collector.store.store import AttributeFilter, LogQuery, TraceQuery

NOTHING: Query = {"match_none": {}}
NUMBERS = ("long", "double", "float", "integer", "short", "byte", "half_float", "scaled_float")
TEXTS = ("keyword", "wildcard", "constant_keyword", "text", "match_only_text")
MAX_TEXT_FIELDS = 500
"""Beyond it a text search would ask more clauses than Elasticsearch allows."""
COMPARISONS: Mapping[str, str] = {"<": "lt", "<=": "lte", ">": "gt", ">=": "gte"}
OWN_EVENTS: Query = {"prefix": {"event_name": "tracestitch."}}
SPAN_EVENTS: Query = {"exists": {"field": EVENT_INDEX}}


@dataclass(frozen=True, slots=True, kw_only=True)
class FieldTypes:
    """Which attribute fields hold numbers and which text, and in which indices where they differ."""

    types: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)

    def condition(self, name: str, wanted: Sequence[str], condition: Query) -> Query:
        """The condition, in the indices where the field has one of the wanted types."""
        found = self.types.get(name, {})
        matching = [found[kind] for kind in wanted if kind in found]
        if not matching:
            return NOTHING
        if len(matching) == len(found):
            return condition
        indices = [name for each in matching for name in each.get("indices", ())]
        return all_of(condition, {"terms": {"_index": indices}})

    def texts(self) -> list[str]:
        return [
            name
            for name, kinds in sorted(self.types.items())
            if name.startswith("attributes.") and any(kind in kinds for kind in TEXTS)
        ][:MAX_TEXT_FIELDS]


def field_types(searcher: Searcher, index: str, query: TraceQuery | LogQuery) -> FieldTypes:
    """Asks only when the query has a condition that depends on types."""
    wanted = ["attributes.*"] if isinstance(query, TraceQuery) and query.text else []
    for condition in query.attributes:
        if condition.operator == "contains" or condition.operator in COMPARISONS:
            wanted += [f"attributes.{condition.key}", f"resource.attributes.{condition.key}"]
    if not wanted:
        return FieldTypes()
    with answering(searcher.settings):
        answer = searcher.client.field_caps(
            index=index, fields=wanted, ignore_unavailable=True, allow_no_indices=True
        )
    return FieldTypes(types=answer["fields"])


def span_conditions(query: TraceQuery, types: FieldTypes) -> Query:
    """What one span must meet."""
    conditions = within(query.window, TIME)
    none_of: list[Query] = []
    if query.service:
        conditions.append(term(SERVICE, query.service))
    if query.operation:
        conditions.append(any_of(term(NAME, query.operation), term(ROUTE, query.operation)))
    if query.min_duration_ns is not None:
        conditions.append({"range": {DURATION: {"gte": query.min_duration_ns}}})
    if query.max_duration_ns is not None:
        conditions.append({"range": {DURATION: {"lte": query.max_duration_ns}}})
    if query.error is not None:
        (conditions if query.error else none_of).append(term(STATUS, "Error"))
    if query.roots_only:
        none_of.append(exists(PARENT))
    if query.text:
        conditions.append(_text_anywhere(query.text, types))
    conditions += [attribute_condition(item, types) for item in query.attributes]
    return all_of(*conditions, none_of=none_of)


def log_conditions(query: LogQuery, types: FieldTypes) -> Query:
    """What a log record must meet. Span events lie in the same streams and are none."""
    conditions = within(query.window, TIME)
    none_of = [SPAN_EVENTS]
    if query.service:
        conditions.append(term(SERVICE, query.service))
    if query.min_severity:
        conditions.append({"range": {"severity_number": {"gte": query.min_severity}}})
    if query.text:
        conditions.append({"match_phrase": {"body.text": query.text}})
    if query.trace_id:
        conditions.append(term("trace_id", query.trace_id.lower()))
    if query.event_name:
        conditions.append(term("event_name", query.event_name))
    else:
        none_of.append(OWN_EVENTS)
    conditions += [attribute_condition(item, types) for item in query.attributes]
    return all_of(*conditions, none_of=none_of)


def attribute_condition(condition: AttributeFilter, types: FieldTypes) -> Query:
    """On the item's own attribute; on its resource's where the item has none of that name."""
    if condition.operator == "!=":
        equal = AttributeFilter(key=condition.key, operator="=", value=condition.value)
        return {"bool": {"must_not": [attribute_condition(equal, types)]}}
    own, resource = f"attributes.{condition.key}", f"resource.attributes.{condition.key}"
    unindexed = term(UNINDEXED, condition.key)
    if condition.operator == "exists":
        return any_of(exists(own), unindexed, exists(resource))
    return any_of(
        _compare(own, condition, types),
        all_of(_compare(resource, condition, types), none_of=[exists(own), unindexed]),
    )


def _compare(name: str, condition: AttributeFilter, types: FieldTypes) -> Query:
    if condition.operator == "=":
        # lenient: a text asked of a field of numbers finds nothing, where a term query would be an error
        return {"match": {name: {"query": condition.value, "lenient": True}}}
    if condition.operator == "contains":
        return types.condition(name, TEXTS, substring(name, condition.value))
    try:
        number = float(condition.value)
    except ValueError:
        return NOTHING
    bound = int(condition.value) if condition.value.strip().lstrip("+-").isdecimal() else number
    if number != number or abs(number) == float("inf"):
        return NOTHING
    return types.condition(name, NUMBERS, {"range": {name: {COMPARISONS[condition.operator]: bound}}})


def _text_anywhere(text: str, types: FieldTypes) -> Query:
    names: Iterable[str] = (NAME, "status.message", *types.texts())
    return any_of(*(substring(name, text) for name in names))


def substring(name: str, text: str) -> Query:
    escaped = "".join(f"\\{mark}" if mark in "*?\\" else mark for mark in text)
    return {"wildcard": {name: {"value": f"*{escaped}*", "case_insensitive": True}}}
