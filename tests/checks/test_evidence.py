"""Traces are cut into units of work, each span in exactly one."""

from __future__ import annotations

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.evidence import evidence, requests
from tests.support.traces import TraceBuilder
from tracestitch_collector.checks.evidence import units_of
from tracestitch_collector.model import Span, Trace
from tracestitch_collector.traces import tree


def checkout(trace: TraceBuilder) -> None:
    trace.server("view", "/checkout", method="POST", ms=100)
    trace.span("inner", parent="view", at=1, ms=50)
    trace.call("call", "http://pricing/quote", parent="inner", at=2, ms=40)
    trace.server("answer", "/quote", service="pricing", parent="call", at=5, ms=30)
    trace.query("q", "SELECT 1", service="pricing", parent="answer", at=6)
    trace.span("task", parent="view", service="worker", kind="consumer", name="process mail", at=200)


def test_a_unit_ends_where_another_service_is_entered() -> None:
    known = evidence(requests(1, checkout))
    found = {unit.place: [node.span.name for node in unit.nodes] for unit in known.units}
    assert found == {
        ("shop", "POST /checkout"): ["POST /checkout", "inner", "GET"],
        ("pricing", "GET /quote"): ["GET /quote", "SELECT"],
        ("worker", "process mail"): ["process mail"],
    }


def test_units_are_counted_by_place_over_all_traces() -> None:
    assert evidence(requests(7, checkout)).eligible["pricing", "GET /quote"] == 7


def test_a_call_of_a_service_to_itself_enters_a_unit_of_its_own() -> None:
    def build(trace: TraceBuilder) -> None:
        trace.server("a", "/a", ms=10)
        trace.call("call", "http://shop/b", parent="a", at=1, ms=8)
        trace.server("b", "/b", parent="call", at=2, ms=6)

    assert [unit.operation for unit in evidence(requests(1, build)).units] == ["GET /a", "GET /b"]


spans = st.builds(
    Span,
    trace_id=st.just("1" * 32),
    span_id=st.sampled_from(["a", "b", "c", "d"]),
    parent_span_id=st.sampled_from(["", "a", "b", "c", "d", "lost"]),
    name=st.just("x"),
    kind=st.sampled_from(["internal", "server", "client", "consumer"]),
    start_ns=st.integers(0, 9),
    duration_ns=st.integers(-1, 9),
)


@given(st.lists(spans, max_size=10))
@settings(deadline=None)
def test_every_span_of_any_trace_is_in_one_unit(made: list[Span]) -> None:
    built = tree.build(Trace(trace_id="1" * 32, spans=tuple(made)))
    members = [id(node.span) for unit in units_of(built) for node in unit.nodes]
    assert sorted(members) == sorted(map(id, made))
