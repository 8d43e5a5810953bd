"""The table of checks: what holds for all of them."""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path

from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from tests.support.evidence import evidence, inventory, requests
from tests.support.traces import TraceBuilder, code
from tracestitch_collector.checks import missing_timeout
from tracestitch_collector.checks.catalogue import CHECKS, MOST_PER_CHECK, evaluate
from tracestitch_collector.checks.evidence import Evidence
from tracestitch_collector.checks.finding import PITFALLS, Finding, Pitfall, from_json, to_json
from tracestitch_collector.model import AttributeValue, Span, SpanEvent, Trace

PAGE = Path(__file__).parents[2] / "docs" / "checks.md"


class Broken:
    ID = "broken-check"
    PITFALL: Pitfall = "P1"
    TITLE = "A bug"

    def find(self, evidence: Evidence) -> Iterable[Finding]:
        raise ValueError("a bug of ours")


def no_limit(trace: TraceBuilder) -> None:
    trace.server("view", "/pay", ms=10)
    trace.call("call", "http://bank/pay", parent="view", attributes={"tracestitch.timeout.missing": True})


def test_each_pitfall_has_a_check_and_each_check_an_id_of_its_own() -> None:
    assert {check.PITFALL for check in CHECKS} == set(PITFALLS)
    assert len({check.ID for check in CHECKS}) == len(CHECKS)


def test_each_check_has_a_section_in_the_users_page() -> None:
    headings = [line.split("`")[1] for line in PAGE.read_text().splitlines() if line.startswith("## `")]
    assert headings == [check.ID for check in CHECKS]


def test_a_check_that_fails_is_said_and_the_others_run() -> None:
    evaluation = evaluate(evidence(requests(1, no_limit)), (Broken(), missing_timeout))
    assert evaluation.failures == {"broken-check": "ValueError: a bug of ours"}
    assert [finding.check for finding in evaluation.findings] == ["missing-timeout"]


def test_what_telemetry_says_cannot_flood_the_store() -> None:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/" + "x" * 10**6, ms=10, service="s" * 10**6)
        for number in range(300):
            trace.call(
                f"c{number}",
                "http://bank/pay",
                parent="view",
                service="s" * 10**6,
                attributes={
                    "tracestitch.timeout.missing": True,
                    **code("shop", f"{number}.py", 1),
                },
            )

    evaluation = evaluate(evidence(requests(1, build)), (missing_timeout,))
    assert len(evaluation.findings) == MOST_PER_CHECK
    assert evaluation.left_out == {"missing-timeout": 100}
    assert max(len(json.dumps(to_json(finding))) for finding in evaluation.findings) < 20_000


def test_nothing_at_all_yields_nothing() -> None:
    assert evaluate(evidence()).findings == ()


def test_a_finding_survives_its_json() -> None:
    (finding,) = evaluate(evidence(requests(2, no_limit))).findings
    assert from_json(to_json(finding)) == finding


KEYS = (
    "http.request.method", "http.route", "url.path", "url.full", "http.response.status_code", "server.address",
    "server.port", "db.system.name", "db.namespace", "db.query.text", "db.operation.name",
    "db.collection.name", "code.file.path", "code.line.number", "code.function.name", "tracestitch.ignore",
    "tracestitch.timeout.missing", "tracestitch.response.body_shape", "tracestitch.response.content_type",
    "tracestitch.http.client", "tracestitch.exception.frames", "exception.type",
)  # fmt: skip
values: st.SearchStrategy[AttributeValue] = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=8),
    st.sampled_from(
        ["GET", "/a/<b>", "http://x:1/a?b", "SELECT a FROM b", "UPDATE b SET c=1", "[{}]", "a:str"]
    ),
    st.binary(max_size=3),
    st.tuples(st.text(max_size=3)),
    st.dictionaries(st.text(max_size=3), st.integers(), max_size=2),
)
attributes = st.dictionaries(st.sampled_from(KEYS), values, max_size=12)
hostile = st.builds(
    Span,
    trace_id=st.sampled_from(["1" * 32, "2" * 32]),
    span_id=st.sampled_from(["a", "b", "c", "d", "e"]),
    parent_span_id=st.sampled_from(["", "", "a", "b", "c", "lost"]),
    name=st.text(max_size=5),
    kind=st.sampled_from(["internal", "server", "client", "consumer"]),
    status_code=st.sampled_from(["unset", "error"]),
    start_ns=st.integers(0, 2**63),
    duration_ns=st.integers(-5, 2**60),
    attributes=attributes,
    events=st.lists(
        st.builds(
            SpanEvent,
            time_ns=st.integers(0, 2**63),
            name=st.sampled_from(["exception", "tracestitch.exception.swallowed"]),
            attributes=attributes,
        ),
        max_size=2,
    ).map(tuple),
)


@given(st.lists(hostile, max_size=12), values)
@settings(max_examples=120, deadline=None, suppress_health_check=[HealthCheck.too_slow])
def test_no_telemetry_makes_a_check_fail(spans: list[Span], anything: AttributeValue) -> None:
    repeated = [span for span in spans for _ in range(3)]
    traces = [
        Trace(trace_id=trace_id, spans=tuple(span for span in repeated if span.trace_id == trace_id))
        for trace_id in ("1" * 32, "2" * 32)
    ]
    inventories = [
        inventory(
            "a",
            "staging",
            packages=anything,
            security=anything,
            framework=anything,
            codebase=anything,
            debug_location=anything,
        ),
        inventory(
            "b", "staging", security={"debug": True}, debug_location={"file": anything, "line": anything}
        ),
    ]
    evaluation = evaluate(evidence(traces, inventories))
    assert evaluation.failures == {}
    for finding in evaluation.findings:
        assert from_json(to_json(finding)) == finding
