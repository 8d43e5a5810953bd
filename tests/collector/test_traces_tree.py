"""The tree holds every span once, whatever was sent."""

from __future__ import annotations

import time

from hypothesis import given, settings
from hypothesis import strategies as st

from tests.support.traces import EPOCH_NS, MS, TraceBuilder, hex_id
from tracestitch_collector.model import Span, Trace
from tracestitch_collector.traces import critical_path, gaps, repeats, skew, tree


def chain(length: int) -> Trace:
    return Trace(
        trace_id=hex_id("deep", 32),
        spans=tuple(
            Span(
                trace_id=hex_id("deep", 32),
                span_id=f"{index + 1:016x}",
                parent_span_id=f"{index:016x}" if index else "",
                name=f"level {index}",
                start_ns=EPOCH_NS + index,
                duration_ns=2 * length - 2 * index,
            )
            for index in range(length)
        ),
    )


def test_children_stand_under_their_parent_by_start() -> None:
    builder = TraceBuilder()
    builder.span("root", ms=10)
    builder.span("second", parent="root", at=5)
    builder.span("first", parent="root", at=1, ms=3)
    builder.span("inner", parent="first", at=2)
    built = tree.build(builder.build())
    assert [node.span.name for node in built.nodes] == ["root", "first", "inner", "second"]
    assert [node.depth for node in built.nodes] == [0, 1, 2, 1]
    assert built.problems == ()


def test_self_time_is_what_no_child_covers_and_overlaps_count_once() -> None:
    builder = TraceBuilder()
    builder.span("root", ms=10)
    builder.span("a", parent="root", at=1, ms=4)
    builder.span("b", parent="root", at=3, ms=4)
    builder.span("outlives", parent="root", at=9, ms=50)
    built = tree.build(builder.build())
    assert built.nodes[0].self_ns == (10 - 6 - 1) * MS


def test_a_span_whose_parent_never_arrived_is_an_orphan_and_the_parent_is_named() -> None:
    builder = TraceBuilder()
    builder.span("root", ms=10)
    builder.span("lost child", parent="nobody", at=2)
    builder.span("its child", parent="lost child", at=2)
    built = tree.build(builder.build())
    assert [(node.span.name, node.orphan) for node in built.roots] == [("root", False), ("lost child", True)]
    assert list(built.orphans_by_parent()) == [builder.id("nobody")]
    assert built.problems == (f"Parent {builder.id('nobody')} never arrived.",)
    assert built.main_root is built.roots[0]


def test_a_span_that_names_itself_as_parent_is_a_root_and_said() -> None:
    builder = TraceBuilder()
    builder.span("selfish", parent="selfish")
    built = tree.build(builder.build())
    assert [node.orphan for node in built.roots] == [False]
    assert "names itself as its parent" in built.problems[0]


def test_a_cycle_is_cut_at_its_earliest_span_and_said() -> None:
    builder = TraceBuilder()
    builder.span("a", parent="c", at=1)
    builder.span("b", parent="a", at=2)
    builder.span("c", parent="b", at=3)
    builder.span("leaf", parent="c", at=4)
    built = tree.build(builder.build())
    assert [node.span.name for node in built.nodes] == ["a", "b", "c", "leaf"]
    assert "3 spans name each other as parent" in built.problems[0]
    assert builder.id("a") in built.problems[0]


def test_spans_that_share_an_id_all_survive_and_a_child_goes_to_the_one_that_was_running() -> None:
    builder = TraceBuilder()
    builder.span("root", ms=10)
    builder.span("twin", parent="root", at=0, ms=1)
    builder.span("twin", parent="root", at=5, ms=4, name="later twin")
    builder.span("child", parent="twin", at=6)
    built = tree.build(builder.build())
    child = next(node for node in built.nodes if node.span.name == "child")
    parent = built.parent_of(child)
    assert len(built.nodes) == 4
    assert parent is not None
    assert parent.span.name == "later twin"


def test_a_span_that_ended_before_it_began_has_no_self_time_and_is_said() -> None:
    builder = TraceBuilder()
    builder.span("backwards", ms=-5)
    built = tree.build(builder.build())
    assert built.nodes[0].self_ns == 0
    assert "ended before it began" in built.problems[0]


def test_a_chain_of_ten_thousand_spans_is_analysed_without_recursion() -> None:
    built = tree.build(chain(10_000))
    assert built.nodes[-1].depth == 9_999
    assert len(critical_path.find(built)) >= 10_000
    assert skew.estimate(built) == {}
    assert gaps.find(built) == ()
    assert repr(built.roots[0])


def test_a_hundred_thousand_siblings_are_analysed_in_seconds() -> None:
    root = Span(trace_id="t", span_id="root", name="root", start_ns=0, duration_ns=300_000)
    children = tuple(
        Span(trace_id="t", span_id=f"{i:x}", parent_span_id="root", name="x", start_ns=i, duration_ns=1)
        for i in range(100_000)
    )
    began = time.process_time()
    built = tree.build(Trace(trace_id="t", spans=(root, *children)))
    folded = repeats.fold(built.roots[0].children)
    critical_path.find(built)
    assert [item.count for item in folded if isinstance(item, repeats.Repeat)] == [100_000]
    assert time.process_time() - began < 20


@st.composite
def traces(draw: st.DrawFn) -> Trace:
    """Any spans at all: ids that repeat, parents that are missing, themselves or each other."""
    ids = st.sampled_from([f"{number:016x}" for number in range(1, 9)])
    spans = draw(
        st.lists(
            st.builds(
                Span,
                trace_id=st.just("0" * 31 + "1"),
                span_id=ids,
                parent_span_id=st.one_of(st.just(""), ids, st.just("f" * 16)),
                name=st.sampled_from(["a", "b"]),
                kind=st.sampled_from(["internal", "server", "client", "consumer"]),
                start_ns=st.integers(0, 50),
                duration_ns=st.integers(-5, 50),
            ),
            max_size=14,
        )
    )
    return Trace(trace_id="0" * 31 + "1", spans=tuple(spans))


@given(traces())
@settings(max_examples=300, deadline=None)
def test_any_trace_keeps_each_span_once_with_self_time_within_its_duration(trace: Trace) -> None:
    built = tree.build(trace)
    assert sorted(map(id, trace.spans)) == sorted(id(node.span) for node in built.nodes)
    for node in built.nodes:
        assert 0 <= node.self_ns <= max(node.span.duration_ns, 0)
        assert all(child.parent == node.index and child.depth == node.depth + 1 for child in node.children)
    folded = repeats.fold(built.roots)
    members = [n for item in folded for n in (item.nodes if isinstance(item, repeats.Repeat) else (item,))]
    assert members == list(built.roots)


@given(traces())
@settings(max_examples=300, deadline=None)
def test_the_critical_path_of_any_trace_is_disjoint_in_order_and_within_its_spans(trace: Trace) -> None:
    built = tree.build(trace)
    cursor = None
    for segment in critical_path.find(built):
        assert segment.span.start_ns <= segment.start_ns < segment.end_ns <= segment.span.end_ns
        assert cursor is None or segment.start_ns >= cursor
        cursor = segment.end_ns
    for gap in gaps.find(built, share=0, floor_ns=1):
        assert gap.parent.start_ns <= gap.start_ns < gap.end_ns <= gap.parent.end_ns
    skew.estimate(built)
