"""From a trace to the rows of its timeline."""

from __future__ import annotations

from dataclasses import replace

from tests.support import example_shop
from tests.support.traces import MS, TraceBuilder, code
from tracestitch_collector.checks.finding import Evidence, Finding
from tracestitch_collector.model import AttributeValue, Trace
from tracestitch_dashboard.timeline import building, document, drawing, minimap
from tracestitch_dashboard.timeline.panel import panel_of
from tracestitch_dashboard.timeline.row import Row, Timeline
from tracestitch_dashboard.timeline.view import View, parse, visible


def timeline_of(trace: Trace, *findings: Finding) -> Timeline:
    return building.build(trace, findings, {})


def checkout() -> Timeline:
    return timeline_of(example_shop.checkout(), *example_shop.findings())


def row(timeline: Timeline, name: str) -> Row:
    return next(row for row in timeline.rows if row.name == name)


def outline(timeline: Timeline, view: View | None = None) -> list[str]:
    seen = visible(timeline.rows, view or View())
    return [f"{'  ' * each.level}{timeline.rows[each.place].name}" for each in seen]


def test_what_belongs_to_a_span_lies_beneath_it_by_time() -> None:
    t = TraceBuilder()
    t.server("root", "/cart", ms=100)
    t.query("first", "SELECT a", parent="root", at=10, ms=5, attributes={"db.query.summary": "SELECT a"})
    t.log("between", span="root", at=20)
    t.query("last", "SELECT b", parent="root", at=30, ms=5, attributes={"db.query.summary": "SELECT b"})
    t.log("in the query", span="first", at=12)
    assert outline(timeline_of(t.build()), View(gaps=False)) == [
        "GET /cart",
        "  SELECT a",
        "    in the query",
        "  between",
        "  SELECT b",
    ]


def test_every_span_log_and_exception_has_exactly_one_row() -> None:
    timeline = checkout()
    kinds: dict[str, int] = {}
    for each in timeline.rows:
        kinds[each.kind] = kinds.get(each.kind, 0) + 1
    assert kinds["span"] == len(timeline.trace.spans)
    assert kinds["log"] == len(timeline.trace.logs)
    assert kinds["exception"] == 1
    assert len({each.id for each in timeline.rows}) == len(timeline.rows)


def test_names_are_the_users() -> None:
    names = [each.name for each in checkout().rows if each.kind in ("span", "repeat")]
    assert {
        "POST /checkout",
        "GET /stock → inventory",
        "SELECT warehouse",
        "POST api.payments.example/v1/charge",
        "send send_receipt",
        "send_receipt",
    } <= set(names)


def test_a_run_of_one_statement_is_one_row_with_its_figures() -> None:
    timeline = checkout()
    repeat = next(each for each in timeline.rows if each.badge == "41×")
    assert repeat.name == "SELECT warehouse"
    assert repeat.label.endswith(" ms in 41, one after another")
    assert len(repeat.solid) > 20  # those nearer than a pixel are joined
    assert [timeline.marks[index].finding.title for index in repeat.findings] == [
        "42 queries where 2 would do"
    ]
    assert outline(timeline).count("      SELECT warehouse") == 1
    assert outline(timeline, View(fold=False)).count("      SELECT warehouse") == 41
    opened = View(toggled=frozenset({repeat.id}))
    assert outline(timeline, opened).count("        SELECT warehouse") == 41


def test_own_time_is_solid_and_the_path_runs_through_it() -> None:
    root = row(checkout(), "POST /checkout")
    assert root.solid[0] == (0, 8 * MS)
    assert all(start < end for start, end in root.solid)
    assert root.path


def test_gaps_are_rows_that_say_between_what() -> None:
    gaps = [each for each in checkout().rows if each.kind == "gap"]
    assert any("296 ms" in gap.name and "checkout.py:97" in gap.name for gap in gaps)


def test_an_orphan_lies_under_the_parent_that_never_arrived() -> None:
    t = TraceBuilder()
    t.server("root", "/a", ms=10)
    t.server("lost", "/b", parent="never sent", at=2, ms=3, service="other")
    timeline = timeline_of(t.build())
    assert outline(timeline) == ["GET /a", f"parent {t.id('never sent')} never arrived", "  GET /b"]
    assert any(t.id("never sent") in note for note in timeline.notes)


def test_a_log_whose_span_never_arrived_lies_under_the_root_and_says_so() -> None:
    t = TraceBuilder()
    t.server("root", "/a", ms=10)
    t.log("lost", span="never sent", at=4)
    timeline = timeline_of(t.build())
    assert outline(timeline) == ["GET /a", "  lost"]
    assert row(timeline, "lost").notes == ("its span never arrived",)


def test_a_trace_of_log_records_alone_is_shown() -> None:
    t = TraceBuilder()
    t.log("early", at=1)
    t.log("late", at=9)
    timeline = timeline_of(t.build())
    assert outline(timeline) == ["early", "late"]
    assert timeline.duration_ns >= 1


def test_skew_is_marked_and_only_applied_when_asked_for() -> None:
    t = TraceBuilder()
    t.server("root", "/a", ms=100, service="front")
    t.call("call", "http://back/b", parent="root", service="front", at=10, ms=50)
    t.server("served", "/b", parent="call", service="back", at=1010, ms=40)
    timeline = timeline_of(t.build())
    served = next(each for each in timeline.rows if each.service == "back")
    assert served.start_ns == 1010 * MS
    assert served.skew_ns == -995 * MS
    assert any("clock of back" in note for note in timeline.notes)
    whole = drawing.frame(timeline.duration_ns, View())
    raw, corrected = (drawing.bar(served, whole, View(skew=skew)).whole.x for skew in (False, True))
    assert raw - corrected > 50


def test_a_finding_shows_in_other_traces_where_the_same_line_did_the_same() -> None:
    known = example_shop.findings()[0]
    t = TraceBuilder("another")
    t.server("stock", "/stock", service="inventory", ms=100)
    place = code("inventory", "inventory/views.py", 31)
    for number in range(6):
        t.query(
            f"row-{number}", "SELECT ?", parent="stock", service="inventory", at=number * 10, attributes=place
        )
    timeline = timeline_of(t.build(), known)
    assert [mark.is_evidence for mark in timeline.marks] == [False]
    few = TraceBuilder("few")
    few.server("stock", "/stock", service="inventory", ms=100)
    few.query("row", "SELECT ?", parent="stock", service="inventory", attributes=place)
    assert timeline_of(few.build(), known).marks == ()


def test_a_suppressed_finding_marks_nothing() -> None:
    known = replace(example_shop.findings()[0], suppressed_by="known")
    assert timeline_of(example_shop.checkout(), known).marks == ()


def test_two_spans_with_one_id_are_both_shown() -> None:
    t = TraceBuilder()
    t.server("root", "/a", ms=10)
    t.span("one", parent="root", name="one", at=1, span_id="00000000000000aa")
    t.span("two", parent="root", name="two", at=3, span_id="00000000000000aa")
    timeline = timeline_of(t.build())
    assert outline(timeline, View(gaps=False)) == ["GET /a", "  one", "  two"]
    assert [each.id for each in timeline.rows if each.kind == "span"][1:] == [
        "00000000000000aa",
        "00000000000000aa~2",
    ]


def test_a_span_that_ends_before_it_begins_is_shown_and_said() -> None:
    t = TraceBuilder()
    t.span("odd", ms=-5)
    timeline = timeline_of(t.build())
    assert timeline.rows[0].notes == ("says that it ended before it began",)
    assert timeline.rows[0].label == "−5 ms"
    assert document.rows(timeline)["rows"][0]["id"] == t.id("odd")
    assert minimap.draw(timeline).lines


def test_spans_that_came_late_or_from_the_future_are_said_on_the_trace() -> None:
    t = TraceBuilder()
    t.span("in time", ms=5)
    t.span("late", ms=5)
    t.span("ahead", ms=5)
    trace = t.build()
    shifts = (1_000 * MS, 2 * 3_600_000 * MS, -600_000 * MS)
    spans = tuple(
        replace(span, received_ns=span.start_ns + shift)
        for span, shift in zip(trace.spans, shifts, strict=True)
    )
    notes = timeline_of(replace(trace, spans=spans)).notes
    assert "1 span arrived an hour or more after the end." in notes
    assert "1 span began later than received: a clock is ahead." in notes


def test_ten_thousand_levels_and_a_cycle_are_no_trouble() -> None:
    t = TraceBuilder()
    above = "first"
    t.span("first", parent="last", ms=1)
    for number in range(10_000):
        t.span(f"level {number}", parent=above, ms=1)
        above = f"level {number}"
    t.span("last", parent=above, ms=1)
    timeline = timeline_of(t.build())
    assert sum(each.kind == "span" for each in timeline.rows) == 10_002
    assert any("name each other as parent" in note for note in timeline.notes)


def test_a_big_trace_begins_closed_but_for_what_matters() -> None:
    t = TraceBuilder()
    t.server("root", "/big", ms=5_000)
    for number in range(100):
        t.span(f"part {number}", parent="root", name=f"part {number}", at=number * 10, ms=9)
        for step in range(12):
            t.span(
                f"{number}.{step}",
                parent=f"part {number}",
                name=f"step {number}.{step}",
                at=number * 10,
                ms=2,
            )
            t.span(
                f"{number}.{step}.x",
                parent=f"{number}.{step}",
                name=f"x {number}.{step}",
                at=number * 10,
                ms=1,
            )
    t.span("bad", parent="7.3.x", name="bad", at=70, ms=1, status="error")
    shown = outline(timeline_of(t.build()), View(gaps=False))
    assert "        bad" in shown
    assert len(shown) < 1_400
    assert "      x 8.3" not in shown


def test_the_longest_names_are_cut_and_control_characters_stay_on_one_line() -> None:
    t = TraceBuilder()
    t.span("long", name="x" * 1_000_000)
    t.span("lines", name="a\r\nb\tc")
    names = [each.name for each in timeline_of(t.build()).rows]
    assert sorted(len(name) for name in names) == [5, 200]
    assert "a b c" in names


def test_evidence_of_another_trace_marks_nothing_here() -> None:
    known = replace(
        example_shop.findings()[3],
        evidence=(Evidence(trace_id="0" * 31 + "1", span_ids=("00000000000000aa",)),),
    )
    assert timeline_of(example_shop.checkout(), known).marks == ()


def test_the_view_goes_into_the_address_and_comes_back() -> None:
    view = View(
        logs=False,
        fold=False,
        skew=True,
        zoom=(12.5, 300.0),
        toggled=frozenset({"aa", "r-bb"}),
        span="l-3",
        tab="raw",
        filter="price & more",
        view="table",
    )
    assert parse(view.parameters()) == view
    assert parse({}) == View()


def test_ticks_are_round_and_the_last_label_never_sticks_out() -> None:
    ticks = drawing.ticks(drawing.Frame(start_ns=0, end_ns=1_284 * MS))
    assert [tick.label for tick in ticks] == ["0", "250 ms", "500 ms", "750 ms", "1 s", ""]
    for end in (1, 7, 999, 10**6, 10**12, 2**62):
        ticks = drawing.ticks(drawing.Frame(start_ns=0, end_ns=end))
        assert 1 <= len(ticks) <= 8
        assert all(not tick.label or tick.percent <= 92 for tick in ticks)


def test_the_filter_keeps_matches_and_what_they_lie_in() -> None:
    shown = outline(checkout(), View(filter="GATEWAY closed"))
    assert shown == [
        "POST /checkout",
        "  POST /charge → pricing",
        "    POST /charge",
        "      ConnectionResetError: payment gateway closed the connection",
        "      payment gateway closed the connection",
    ]


def test_a_log_record_stands_at_its_moment_among_siblings_of_which_some_are_folded() -> None:
    """Folding makes siblings fewer, which once hid that there were log records to sort in."""
    t = TraceBuilder("order")
    t.server("root", "/reserve", service="inventory", ms=100)
    t.log("reserving", span="root", service="inventory", at=1)
    t.span("check", parent="root", service="inventory", name="check", at=5, ms=10)
    for number in range(5):
        t.query(
            f"movement-{number}",
            "INSERT INTO movement VALUES (?)",
            parent="root",
            service="inventory",
            at=40 + number * 4,
            ms=2,
            attributes={"db.query.summary": "INSERT movement"},
        )
    t.log("reserved", span="root", service="inventory", at=90)
    rows = building.build(t.build(), (), {}).rows
    beneath = [row for row in rows if row.parent == 0 and row.kind != "gap"]
    assert [row.name for row in beneath] == ["reserving", "check", "INSERT movement", "reserved"]
    starts = [row.start_ns for row in rows if row.parent == 0]
    assert starts == sorted(starts)


def test_a_call_inside_a_transaction_and_how_long_that_was_open_stand_beside_their_bars() -> None:
    t = TraceBuilder()
    t.server("root", "/file", ms=900)
    held = {"tracestitch.db.in_transaction": True, "tracestitch.transaction.writes": 3}
    t.call("call", "http://court/file", parent="root", at=20, ms=800, attributes=held)
    ended: dict[str, AttributeValue] = {
        "db.query.summary": "COMMIT",
        "db.system.name": "postgresql",
        "tracestitch.transaction.open_ms": 850.0,
        "tracestitch.transaction.calls": 1,
    }
    t.query("commit", "", parent="root", at=830, ms=2, attributes=ended)
    timeline = timeline_of(t.build())
    assert row(timeline, "GET court/file").label == "800 ms · inside a transaction"
    assert row(timeline, "COMMIT").label == "2 ms · open for 850 ms · 1 call inside"
    facts = dict(panel_of(timeline, row(timeline, "GET court/file")).facts)
    assert (facts["in transaction"], facts["writes in it"]) == ("true", "3")


def test_a_retry_and_a_client_that_went_away_stand_in_the_panel_in_plain_words() -> None:
    t = TraceBuilder()
    t.server(
        "root",
        "/file",
        ms=900,
        attributes={"tracestitch.client.disconnected": True, "tracestitch.requests.in_flight": 3},
    )
    t.call("call", "http://court/file", parent="root", at=20, attributes={"tracestitch.retry.attempt": 2})
    timeline = timeline_of(t.build())
    facts = dict(panel_of(timeline, row(timeline, "GET court/file")).facts)
    assert facts["attempt"] == "2"
    served = dict(panel_of(timeline, timeline.rows[0]).facts)
    assert (served["client went away"], served["requests served at once"]) == ("true", "3")


def test_what_the_framework_took_stands_in_the_panel_of_the_request() -> None:
    t = TraceBuilder()
    sent = (
        "middleware 5.20 1 shop.middleware.Gate",
        "serializer 3.10 4 shop.api.Cart",
        "nonsense",
        "signal x y",
        "form 1 many f",
    )
    t.server("root", "/file", ms=10, attributes={"tracestitch.stages": sent})
    facts = panel_of(timeline := timeline_of(t.build()), timeline.rows[0]).facts
    assert ("middleware", "5.20 ms · shop.middleware.Gate") in facts
    assert ("serializer", "3.10 ms · 4× · shop.api.Cart") in facts
    assert not [label for label, _ in facts if label in ("signal", "form")]
