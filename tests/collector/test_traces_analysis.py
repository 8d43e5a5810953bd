"""Critical path, gaps, skew and repeats on traces drawn by hand."""

from __future__ import annotations

from tests.support.traces import EPOCH_NS, MS, TraceBuilder, code
from tracestitch_collector.model import Span
from tracestitch_collector.traces import critical_path, gaps, repeats, skew, tree
from tracestitch_collector.traces.code import relative
from tracestitch_collector.traces.critical_path import share_by_service
from tracestitch_collector.traces.repeats import Repeat


def path(builder: TraceBuilder) -> list[tuple[str, float, float]]:
    return [
        (segment.span.name, (segment.start_ns - EPOCH_NS) / MS, (segment.end_ns - EPOCH_NS) / MS)
        for segment in critical_path.find(tree.build(builder.build()))
    ]


def test_the_path_goes_through_the_child_that_finished_last() -> None:
    builder = TraceBuilder()
    builder.span("root", ms=100)
    builder.span("quick", parent="root", at=10, ms=20)
    builder.span("slow", parent="root", at=10, ms=70)
    builder.span("inner", parent="slow", at=20, ms=30)
    assert path(builder) == [
        ("root", 0, 10),
        ("slow", 10, 20),
        ("inner", 20, 50),
        ("slow", 50, 80),
        ("root", 80, 100),
    ]


def test_calls_one_after_another_are_all_on_the_path() -> None:
    builder = TraceBuilder()
    builder.span("root", ms=30)
    builder.span("a", parent="root", at=0, ms=10)
    builder.span("b", parent="root", at=12, ms=10)
    assert path(builder) == [("a", 0, 10), ("root", 10, 12), ("b", 12, 22), ("root", 22, 30)]


def test_a_child_that_outlives_its_parent_counts_up_to_the_parents_end() -> None:
    builder = TraceBuilder()
    builder.span("root", ms=10)
    builder.span("left behind", parent="root", at=5, ms=50)
    assert path(builder) == [("root", 0, 5), ("left behind", 5, 10)]


def test_a_task_that_runs_after_the_answer_is_detached_and_waiting_in_the_queue_is_nobodys() -> None:
    builder = TraceBuilder()
    builder.server("view", "/checkout", ms=10)
    builder.span("send", parent="view", kind="producer", at=5, ms=1)
    builder.span("task", parent="send", kind="consumer", service="worker", at=30, ms=20)
    segments = critical_path.find(tree.build(builder.build()))
    assert [(s.span.name, s.detached) for s in segments] == [
        ("GET /checkout", False),
        ("send", False),
        ("GET /checkout", False),
        ("task", True),
    ]
    assert share_by_service(segments) == (("worker", 20 * MS), ("shop", 10 * MS))


def test_a_trace_without_spans_has_no_path() -> None:
    assert path(TraceBuilder()) == []


def test_time_that_no_child_accounts_for_is_a_gap_with_its_surroundings() -> None:
    builder = TraceBuilder()
    builder.server("view", "/checkout", ms=100)
    builder.query("first", "SELECT 1", parent="view", at=0, ms=20, attributes=code("shop", "a.py", 7))
    builder.query("second", "UPDATE x SET y=1", parent="view", at=60, ms=37)
    (gap,) = gaps.find(tree.build(builder.build()))
    assert (gap.start_ns - EPOCH_NS, gap.duration_ns) == (20 * MS, 40 * MS)
    assert gap.guess == "not instrumented, between SELECT (a.py:7) and UPDATE"


def test_the_way_to_a_server_and_back_is_named_as_such() -> None:
    builder = TraceBuilder()
    builder.call("call", "http://pricing/quote", ms=100)
    builder.server("answer", "/quote", service="pricing", parent="call", at=30, ms=40)
    there, back = gaps.find(tree.build(builder.build()))
    assert there.guess.startswith("on the way:")
    assert back.guess.startswith("on the way back:")


def test_a_gap_that_is_nothing_in_the_whole_trace_gets_no_row() -> None:
    builder = TraceBuilder()
    builder.server("view", "/checkout", ms=1000)
    builder.span("short", parent="view", at=0, ms=980)
    builder.span("deep", parent="short", at=0, ms=960)
    builder.span("first", parent="deep", at=0, ms=940)
    assert gaps.find(tree.build(builder.build())) == ()


def test_a_span_without_children_has_no_gap() -> None:
    builder = TraceBuilder()
    builder.span("root", ms=100)
    assert gaps.find(tree.build(builder.build())) == ()


def skewed(ahead_ms: float, worker_ms: float = 0) -> TraceBuilder:
    builder = TraceBuilder()
    builder.server("view", "/checkout", ms=100)
    builder.call("call", "http://pricing/quote", parent="view", at=10, ms=50)
    builder.server("answer", "/quote", service="pricing", parent="call", at=20 + ahead_ms, ms=30)
    builder.query("q", "SELECT 1", service="pricing", parent="answer", at=22 + ahead_ms, ms=5)
    return builder


def test_a_clock_five_minutes_ahead_is_estimated_for_everything_beneath() -> None:
    builder = skewed(ahead_ms=300_000)
    offsets = skew.estimate(tree.build(builder.build()))
    assert offsets == {builder.id("answer"): -300_000 * MS, builder.id("q"): -300_000 * MS}


def test_clocks_that_agree_have_no_offset_wherever_the_answer_lies_in_the_call() -> None:
    assert skew.estimate(tree.build(skewed(ahead_ms=8).build())) == {}


def test_all_calls_of_a_pair_are_taken_together() -> None:
    builder = skewed(ahead_ms=100)
    builder.call("long", "http://pricing/long", parent="view", at=0, ms=1000)
    builder.server("tight", "/long", service="pricing", parent="long", at=102, ms=996)
    offsets = skew.estimate(tree.build(builder.build()))
    assert offsets[builder.id("answer")] == offsets[builder.id("tight")] == -100 * MS


def test_a_task_may_begin_late_but_not_before_it_was_sent() -> None:
    builder = TraceBuilder()
    builder.span("send", kind="producer", at=10)
    builder.span("late", parent="send", kind="consumer", service="a", at=90_000)
    builder.span("early", parent="send", kind="consumer", service="b", at=4)
    assert skew.estimate(tree.build(builder.build())) == {builder.id("early"): 6 * MS}


def siblings(builder: TraceBuilder) -> list[tuple[int, str]]:
    folded = repeats.fold(tree.build(builder.build()).roots[0].children)
    return [(item.count, item.label) if isinstance(item, Repeat) else (1, item.span.name) for item in folded]


def test_a_run_of_one_statement_is_folded_with_its_figures() -> None:
    builder = TraceBuilder()
    builder.server("view", "/stock", ms=100)
    builder.query("list", "SELECT * FROM a", parent="view")
    for number in range(4):
        builder.query(
            f"q{number}", "SELECT * FROM b WHERE id = ?", parent="view", at=10 + 10 * number, ms=2 + number
        )
    first, repeat = repeats.fold(tree.build(builder.build()).roots[0].children)
    assert not isinstance(first, Repeat)
    assert isinstance(repeat, Repeat)
    assert (repeat.count, repeat.total_ns, repeat.max_ns) == (4, 14 * MS, 5 * MS)
    assert (repeat.p50_ns, repeat.union_ns, repeat.parallel) == (3.5 * MS, 14 * MS, False)


def test_calls_are_folded_by_who_answers_not_by_the_span_name() -> None:
    builder = TraceBuilder()
    builder.server("view", "/cart", ms=100)
    for number in range(6):
        route = "/price/<sku>" if number < 3 else f"/other/{number}"
        builder.call(f"c{number}", f"http://pricing/{number}", parent="view", at=number * 10, ms=9)
        builder.server(f"s{number}", route, service="pricing", parent=f"c{number}", at=number * 10 + 1, ms=5)
    assert siblings(builder) == [(3, "GET /price/<sku> (pricing)"), (1, "GET"), (1, "GET"), (1, "GET")]


def test_two_of_a_kind_are_not_worth_folding_and_parallel_ones_are_said_to_be() -> None:
    builder = TraceBuilder()
    builder.server("view", "/cart", ms=100)
    builder.query("a", "SELECT 1", parent="view", at=1)
    builder.query("b", "SELECT 1", parent="view", at=3)
    for number in range(3):
        builder.call(f"c{number}", "http://bank.example/rates/5", parent="view", at=10 + number, ms=50)
    *pair, repeat = repeats.fold(tree.build(builder.build()).roots[0].children)
    assert len(pair) == 2
    assert isinstance(repeat, Repeat)
    assert repeat.parallel


def test_failed_members_are_counted() -> None:
    builder = TraceBuilder()
    builder.server("view", "/cart", ms=100)
    for number in range(3):
        builder.call(
            f"c{number}",
            f"http://x/{number}",
            parent="view",
            at=number * 10,
            status_code=200 + 300 * (number == 1),
        )
    (repeat,) = repeats.fold(tree.build(builder.build()).roots[0].children)
    assert isinstance(repeat, Repeat)
    assert repeat.errors == 1


def test_ids_are_taken_out_of_paths() -> None:
    assert repeats.without_ids("/a/17/b/4bf92f3577b34da6a3ce929d0e0e4736/c") == "/a/*/b/*/c"
    assert repeats.without_ids("/a/123e4567-e89b-12d3-a456-426614174000") == "/a/*"


def test_a_server_span_without_a_route_is_named_by_its_path() -> None:
    span = Span(trace_id="", span_id="", name="GET", kind="server", start_ns=0, duration_ns=0,
                attributes={"http.request.method": "GET", "url.path": "/items/42"})  # fmt: skip
    assert repeats.method_and_route(span) == "GET /items/*"


def test_a_file_of_an_installed_app_is_told_below_the_folder_it_is_installed_in() -> None:
    assert relative("/srv/.venv/lib/python3.12/site-packages/shop/views.py", "/srv") == "shop/views.py"
    assert relative("/srv/shop/views.py", "/srv") == "shop/views.py"
    assert relative("/elsewhere/views.py", "/srv") == "/elsewhere/views.py"
