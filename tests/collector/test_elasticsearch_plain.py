"""Rows rendered all at once have the same lines and documents as rows rendered one after the other."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

import pyarrow as pa
from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.telemetry import BASE_NS, log, logs_table, resource, span, spans_table
from tracestitch_collector.model import LogRecord, Resource, Scope, Span, SpanEvent, SpanLink
from tracestitch_collector.store.elasticsearch.documents import (
    Action,
    actions_in,
    log_actions,
    log_lines,
    span_actions,
    span_lines,
)
from tracestitch_collector.store.elasticsearch.enrichment import READ_KEYS, SEEN_KEYS
from tracestitch_collector.store.elasticsearch.origins import Origins
from tracestitch_collector.store.elasticsearch.plain_spans import plain_spans
from tracestitch_collector.store.elasticsearch.routing import Router

Comparable = list[tuple[str, Any, Any]]

TEXTS = (
    "", "a", "Zürich \U0001f600", 'quote " and \\ and \n', "\0", "transaction", "kafka",
    "http://user@shop:8000/a?b#c", "//shop:8000/other", "http://[broken/", "/path/only",
)  # fmt: skip
KEYS = (
    *READ_KEYS, *(key for keys in SEEN_KEYS for key in keys), "mine", "", " ", "k" * 600, 'a"b', "event.name",
    "transaction.id", "span.type", "event.outcome", "tracestitch.time_ns", "data_stream.dataset",
)  # fmt: skip
VALUES = st.one_of(
    st.sampled_from(TEXTS),
    st.sampled_from((0, 1, 2, 13, 99, 200, 404, 503, -1, 2**63 - 1, -(2**63))),
    st.booleans(),
    st.sampled_from((1.0, 0.1, -0.0, 1e300, float("inf"), float("nan"))),
    st.sampled_from(((), ("a", "b"), {"k": 1}, b"\xff", None, (1, "a"))),
)
ATTRIBUTES = st.dictionaries(st.sampled_from(KEYS), VALUES, max_size=6)
TIMES = st.sampled_from((0, 1, 999, BASE_NS, BASE_NS + 123_456_789, 2**63 - 1))
RESOURCES = st.one_of(
    st.sampled_from((resource(), Resource(), resource(data_stream__dataset="Shop"))),
    st.builds(Resource, attributes=ATTRIBUTES, dropped_attributes_count=st.sampled_from((0, 2))),
)
SCOPES = st.sampled_from(
    (Scope(), Scope(name="django", version="1"), Scope(name="otelcol/receiver/kafkareceiver"))
)
COUNTS = st.sampled_from((0, 0, 3))
SPANS = st.builds(
    span,
    parent_span_id=st.sampled_from(("", "0001020304050607")),
    name=st.sampled_from(TEXTS),
    kind=st.sampled_from(("unspecified", "internal", "server", "client", "producer", "consumer")),
    start_ns=TIMES,
    duration_ns=st.sampled_from((0, 1, 999, 1_500_999, 2**53 + 1, 2**62)),
    status_code=st.sampled_from(("unset", "ok", "error")),
    status_message=st.sampled_from(("", "boom", "\n")),
    trace_state=st.sampled_from(("", "vendor=1", "ot=th:c", "ot=th:c;rv:1", "ot=th:8")),
    flags=st.sampled_from((0, 1, 0x100, 0x101, 0x300)),
    attributes=ATTRIBUTES,
    dropped_attributes_count=COUNTS,
    dropped_events_count=COUNTS,
    dropped_links_count=COUNTS,
    events=st.sampled_from(
        ((), (SpanEvent(time_ns=1, name="exception", attributes={"exception.type": "E"}),))
    ),
    links=st.sampled_from(((), (SpanLink(trace_id="0" * 31 + "1", span_id="0" * 15 + "1"),))),
    resource=RESOURCES,
    scope=SCOPES,
)
RECORDS = st.builds(
    log,
    time_ns=TIMES,
    observed_ns=TIMES,
    severity_number=st.sampled_from((0, 9, 17)),
    severity_text=st.sampled_from(("", "INFO", '"')),
    body=VALUES,
    event_name=st.sampled_from(("", "login")),
    trace_id=st.sampled_from(("", "0af7651916cd43dd8448eb211c80319c")),
    span_id=st.sampled_from(("", "b7ad6b7169203331")),
    flags=st.sampled_from((0, 1)),
    attributes=ATTRIBUTES,
    dropped_attributes_count=COUNTS,
    resource=RESOURCES,
    scope=SCOPES,
)


def comparable(actions: Iterable[Action]) -> Comparable:
    """By identity, with documents as objects: order and spacing do not matter, the type of a number does."""
    found = [
        (action.signal, json.loads(action.line), json.loads(action.document, parse_float=lambda text: ("double", text)))
        for action in actions
    ]  # fmt: skip
    return sorted(found, key=lambda item: str(item[1]))


def from_lines(arrays: Iterable[pa.Array]) -> Comparable:
    return comparable(action for array in arrays for action in actions_in(b"".join(array.to_pylist())))


@given(st.lists(SPANS, max_size=8))
@settings(deadline=None, max_examples=150)
def test_spans_are_the_same_either_way(spans: list[Span]) -> None:
    table = spans_table(spans)
    together = span_lines(table, Router(namespace="default"), Origins())
    one_by_one = span_actions(table, Router(namespace="default"), Origins())
    assert from_lines(together) == comparable(one_by_one)


@given(st.lists(RECORDS, max_size=8))
@settings(deadline=None, max_examples=100)
def test_log_records_are_the_same_either_way(records: list[LogRecord]) -> None:
    table = logs_table(records)
    together = log_lines(table, Router(namespace="default"), Origins())
    one_by_one = log_actions(table, Router(namespace="default"), Origins())
    assert from_lines(together) == comparable(one_by_one)


def test_only_what_no_plain_field_can_say_is_rendered_alone() -> None:
    spans = [
        span(attributes={"http.route": "/stock", "n": 1, "ok": True, "ratio": 0.5}),
        span(attributes={"data_stream.dataset": "shop"}),
        span(attributes={"list": ("a", "b")}),
        span(attributes={"span.type": "mine"}),
        span(start_ns=0),
    ]
    texts, odd = plain_spans(spans_table(spans), Router(namespace="default"), Origins())
    assert odd.tolist() == [False, True, True, True, True]
    assert len(texts) == 1
