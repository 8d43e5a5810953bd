"""Model objects survive their plain JSON, whatever was sent."""

from __future__ import annotations

import json
import math

from hypothesis import given
from hypothesis import strategies as st

from tests.support import telemetry
from tracestitch_collector import plain
from tracestitch_collector.model import AttributeValue, SpanEvent, SpanLink
from tracestitch_collector.store.store import Bucket, ServiceSummary, TraceSummary

values: st.SearchStrategy[AttributeValue] = st.recursive(
    st.none()
    | st.booleans()
    | st.integers(-(2**63), 2**63 - 1)
    | st.floats(allow_nan=False)
    | st.text(max_size=5)
    | st.binary(max_size=5),
    lambda inner: (
        st.lists(inner, max_size=3).map(tuple)
        | st.dictionaries(st.sampled_from(["bytes", "double", "kvlist", "a"]), inner, max_size=2)
    ),
    max_leaves=6,
)


@given(values)
def test_any_value_survives(value: AttributeValue) -> None:
    text = json.dumps(plain.value_to_json(value), allow_nan=False)
    assert plain.value_from_json(json.loads(text)) == value


def test_what_is_no_number_is_a_word_that_json_can_carry() -> None:
    shown = plain.value_to_json(math.nan)
    assert shown == {"double": "nan"}
    back = plain.value_from_json(shown)
    assert isinstance(back, float)
    assert math.isnan(back)


@given(st.dictionaries(st.text(max_size=4), values, max_size=3))
def test_a_span_survives_with_everything_it_carries(attributes: dict[str, AttributeValue]) -> None:
    span = telemetry.span(
        attributes=attributes,
        duplicate_attributes=(("a", 1), ("a", (1, "b"))),
        events=(SpanEvent(time_ns=5, name="exception", attributes=attributes),),
        links=(SpanLink(trace_id="1" * 32, span_id="2" * 16, attributes=attributes),),
        copies=2,
        conflicting=True,
    )
    document = json.loads(json.dumps(plain.span_to_json(span)))
    assert plain.span_from_json({**document, "added_by_a_page": 1}) == span


@given(values)
def test_a_log_record_survives(body: AttributeValue) -> None:
    record = telemetry.log(body=body, event_name="x", trace_id="1" * 32)
    assert plain.log_from_json(json.loads(json.dumps(plain.log_to_json(record)))) == record


def test_summaries_survive() -> None:
    trace = TraceSummary(
        trace_id="1" * 32,
        root_service="a",
        root_name="GET /",
        start_ns=1,
        duration_ns=2,
        span_count=3,
        error_count=0,
        log_count=0,
        services={"a": 3},
        root_duration_ns=1,
    )
    assert plain.summary_from_json(plain.summary_to_json(trace)) == trace
    service = ServiceSummary(
        service="a",
        requests=1,
        errors=0,
        p50_ns=1,
        p95_ns=2,
        p99_ns=3,
        spans=9,
        last_seen_ns=7,
        buckets=(Bucket(start_ns=0, requests=1, errors=0),),
    )
    assert plain.service_from_json(plain.service_to_json(service)) == service
