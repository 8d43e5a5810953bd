"""n-plus-one-db speaks of loops over rows and of nothing that only looks like one."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.evidence import found, inventory, requests
from tests.support.traces import TraceBuilder, code
from tracestitch_collector.checks import n_plus_one_db
from tracestitch_collector.checks.finding import Location
from tracestitch_collector.model import AttributeValue

LIST = 'SELECT "shop_order"."id", "shop_order"."customer_id" FROM "shop_order" LIMIT 60'
ROW = (
    'SELECT "shop_customer"."id", "shop_customer"."name" FROM "shop_customer" WHERE "shop_customer"."id" = %s'
)


def loop(
    statement: str = ROW,
    count: int = 40,
    ms: float = 2,
    **attributes: AttributeValue,
) -> Callable[[TraceBuilder], None]:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/orders", ms=10 + count * ms)
        trace.query("list", LIST, parent="view", at=1, attributes=code("shop", "views.py", 30))
        for number in range(count):
            trace.query(
                f"row {number}",
                statement.replace("#", str(number)),
                parent="view",
                at=3 + number * ms,
                ms=ms,
                attributes={
                    **code("shop", "views.py", 31, "OrderList.get"),
                    **{key.replace("__", "."): value for key, value in attributes.items()},
                },
            )

    return build


def test_forty_one_queries_where_two_would_do() -> None:
    (finding,) = found(
        n_plus_one_db,
        requests(3, loop()),
        [inventory("shop", framework={"name": "django", "version": "5.2"})],
    )
    assert finding.title == "N+1 queries: 40 × SELECT shop_customer, 41 queries where 2 would do"
    assert (finding.service, finding.operation) == ("shop", "GET /orders")
    assert finding.location == Location(file="views.py", line=31, function="OrderList.get")
    assert (finding.affected, finding.eligible, finding.severity) == (3, 3, "important")
    assert finding.impact.requests_share == 1.0
    assert finding.impact.ms_per_day > 0
    assert 'select_related("customer")' in finding.fix.after
    assert "Order.objects.all()" in finding.fix.before
    assert len({item.trace_id for item in finding.evidence}) == len(finding.evidence) == 3
    assert len(finding.evidence[0].span_ids) == 40


def test_a_lazy_load_of_sqlalchemy_is_mended_with_sqlalchemys_words() -> None:
    statement = "SELECT movement.id FROM movement WHERE ? = movement.order_id"
    (finding,) = found(
        n_plus_one_db, requests(1, loop(statement)), [inventory("shop", framework={"name": "flask"})]
    )
    assert "selectinload(Order.movements)" in finding.fix.after


def test_the_same_loop_keeps_its_fingerprint_when_lines_move_and_numbers_change() -> None:
    (one,) = found(n_plus_one_db, requests(1, loop(count=40)))
    (other,) = found(n_plus_one_db, requests(2, loop(count=12), word="later"))
    assert one.fingerprint == other.fingerprint


def test_literals_in_the_statements_of_stock_instrumentation_do_not_hide_the_loop() -> None:
    statement = "SELECT name FROM customer WHERE id = #  -- it's the ORM's"
    (finding,) = found(n_plus_one_db, requests(1, loop(statement)))
    assert finding.title == "N+1 queries: 40 × SELECT customer, 41 queries where 2 would do"


def test_a_comment_at_the_line_suppresses_it_with_its_reason() -> None:
    (finding,) = found(
        n_plus_one_db,
        requests(1, loop(tracestitch__ignore=("n-plus-one-db admin page, ten rows at most",))),
    )
    assert finding.suppressed_by == "admin page, ten rows at most"


def test_a_comment_for_another_check_suppresses_nothing() -> None:
    (finding,) = found(n_plus_one_db, requests(1, loop(tracestitch__ignore=("missing-timeout x",))))
    assert finding.suppressed_by is None


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(loop(count=4, ms=30), id="four repeats"),
        pytest.param(loop(count=9, ms=1), id="few and fast"),
        pytest.param(loop("INSERT INTO line (a) VALUES (%s)"), id="writes in a loop"),
        pytest.param(loop("GET cart:#", db__system__name="redis"), id="a cache"),
        pytest.param(loop("SELECT a FROM big ORDER BY id LIMIT 100 OFFSET #"), id="paging"),
        pytest.param(loop("FETCH FORWARD 2000 FROM cursor_1"), id="a chunked iterator"),
        pytest.param(loop("SELECT a FROM b WHERE c = 'the rest was cut of..."), id="truncated"),
        pytest.param(loop(""), id="connects"),
        pytest.param(loop("SELECT 1", count=60), id="pings before each use of a connection"),
        pytest.param(loop("SELECT nextval('orders')", count=60), id="numbers of a sequence"),
        pytest.param(
            loop(f"SELECT a FROM line WHERE order_id IN ({', '.join(['%s'] * 500)})"),
            id="a prefetch in pieces",
        ),
        pytest.param(
            loop("SELECT a FROM line WHERE order_id IN (?)", db__response__returned_rows=200),
            id="a prefetch in pieces, its keys folded",
        ),
        pytest.param(
            loop('SELECT "cache_key", "value", "expires" FROM "my_cache" WHERE "cache_key" IN (%s)'),
            id="Django's cache in a table",
        ),
        pytest.param(
            loop('SELECT "session_key", "session_data" FROM "django_session" WHERE "session_key" = %s'),
            id="Django's sessions",
        ),
        pytest.param(
            loop("SELECT sessions.session_id, sessions.data, sessions.expiry FROM sessions WHERE id = ?"),
            id="Flask-Session",
        ),
        pytest.param(loop("SELECT a# FROM b#", count=20), id="different columns and tables"),
    ],
)
def test_what_only_looks_like_a_loop_is_left_alone(build: Callable[[TraceBuilder], None]) -> None:
    assert found(n_plus_one_db, requests(2, build)) == ()


def pausing(*, busy: bool) -> Callable[[TraceBuilder], None]:
    """One query each 200 ms, with or without a call in between."""

    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/wait", ms=4_100)
        for number in range(20):
            trace.query(f"row {number}", "SELECT a FROM job WHERE id = %s", parent="view", at=number * 200)
            if busy:
                trace.call(f"c {number}", "http://a/b", parent="view", at=number * 200 + 10, ms=150)

    return build


def test_waiting_for_a_row_to_change_is_no_loop_over_rows() -> None:
    assert found(n_plus_one_db, requests(1, pausing(busy=False))) == ()
    assert len(found(n_plus_one_db, requests(1, pausing(busy=True)))) == 1


def test_queries_of_different_parents_are_no_loop() -> None:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/orders", ms=500)
        for number in range(20):
            trace.span(f"step {number}", parent="view", at=number * 10, ms=9)
            trace.query(f"row {number}", ROW, parent=f"step {number}", at=number * 10, ms=8)

    assert found(n_plus_one_db, requests(2, build)) == ()


def test_outside_development_a_pattern_has_to_show() -> None:
    assert found(n_plus_one_db, requests(19, loop(), environment="production")) == ()
    (finding,) = found(n_plus_one_db, requests(20, loop(), environment="production"))
    assert finding.eligible == 20


def test_outside_development_a_short_fast_loop_is_left_alone() -> None:
    assert found(n_plus_one_db, requests(30, loop(count=12, ms=1), environment="production")) == ()


def test_the_cost_is_what_the_request_waited_for() -> None:
    def in_background(trace: TraceBuilder) -> None:
        trace.server("view", "/orders", ms=10)
        trace.span("background", parent="view", at=11, ms=200)
        for number in range(40):
            trace.query(f"row {number}", ROW, parent="background", at=12 + number * 2, ms=2)

    (finding,) = found(n_plus_one_db, requests(1, in_background))
    assert finding.impact.ms_per_day == 0


def on(route: str, count: int = 40, function: str = "FilterView.get") -> Callable[[TraceBuilder], None]:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", route, ms=10 + count * 2)
        for number in range(count):
            trace.query(
                f"row {number}",
                ROW,
                parent="view",
                at=3 + number * 2,
                ms=2,
                attributes=code("shop", "views.py", 87, function),
            )

    return build


def test_one_line_on_several_routes_is_one_finding_that_names_the_worst_and_the_others() -> None:
    traces = [
        *requests(2, on("/feedings/", 20), word="feedings"),
        *requests(2, on("/changes/", 60), word="changes"),
        *requests(1, on("/sleep/", 10), word="sleep"),
    ]
    (finding,) = found(n_plus_one_db, traces)
    assert finding.operation == "GET /changes/"
    assert ("also on", "GET /feedings/ and GET /sleep/") in finding.details
    assert (finding.affected, finding.eligible) == (5, 5)
    assert "5 of 5 requests to GET /changes/ and 2 other routes" in finding.impact.text
    (alone,) = found(n_plus_one_db, requests(1, on("/sleep/", 10)))
    assert alone.fingerprint == finding.fingerprint


def test_the_same_statement_from_two_functions_is_two_findings() -> None:
    traces = [
        *requests(1, on("/a", function="A.get"), word="a"),
        *requests(1, on("/b", function="B.get"), word="b"),
    ]
    assert len(found(n_plus_one_db, traces)) == 2


def of_a_library(trace: TraceBuilder, ignore: str = "") -> None:
    trace.server("view", "/api/orders", ms=100, attributes=code("shop", "api.py", 9, "Orders", ignore))
    for number in range(40):
        trace.query(f"row {number}", ROW, parent="view", at=3 + number * 2, ms=2)


def test_a_loop_inside_of_a_library_is_shown_in_the_view_it_serves() -> None:
    (finding,) = found(n_plus_one_db, requests(1, of_a_library))
    assert finding.location == Location(file="api.py", line=9, function="Orders")
    assert ("line", "in the view; the query itself comes from a library") in finding.details


def test_a_comment_at_the_view_suppresses_the_loop_inside_of_a_library() -> None:
    (finding,) = found(
        n_plus_one_db, requests(1, lambda trace: of_a_library(trace, "n-plus-one-db ten rows at most"))
    )
    assert finding.suppressed_by == "ten rows at most"


def test_a_comment_in_a_template_may_end_on_its_line() -> None:
    (finding,) = found(
        n_plus_one_db, requests(1, loop(tracestitch__ignore=("n-plus-one-db a short list #}",)))
    )
    assert finding.suppressed_by == "a short list"
