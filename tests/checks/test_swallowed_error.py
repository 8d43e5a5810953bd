"""swallowed-error: a failed call, a good answer, and silence."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.evidence import found, requests
from tests.support.traces import MS, TraceBuilder, code
from tracestitch_collector.checks import swallowed_error
from tracestitch_collector.checks.finding import Location
from tracestitch_collector.model import SpanEvent


def silence(
    *,
    call_status: int = 503,
    answer: int = 200,
    log: int = 0,
    log_service: str = "shop",
    retried: bool = False,
    exception_event: bool = False,
    told_event: bool = False,
    swallowed_event: bool = False,
    ignore: str = "",
    route: str = "/carts/<id>/voucher",
) -> Callable[[TraceBuilder], None]:
    def build(trace: TraceBuilder) -> None:
        events = []
        if exception_event:
            events.append(SpanEvent(time_ns=trace.base_ns + 30 * MS, name="exception"))
        if told_event:
            events.append(SpanEvent(time_ns=trace.base_ns + 30 * MS, name="tracestitch.exception.told"))
        if swallowed_event:
            events.append(
                SpanEvent(
                    time_ns=trace.base_ns + 30 * MS,
                    name="tracestitch.exception.swallowed",
                    attributes={
                        "exception.type": "requests.exceptions.HTTPError",
                        **code("shop", "cart.py", 68, "CartVoucher.get", ignore),
                    },
                )
            )
        view = trace.server("view", route, status_code=answer, ms=60)
        trace.spans[-1] = replace(view, events=tuple(events))
        for attempt in range(2 if retried else 1):
            failed = not retried or attempt == 0
            trace.call(
                f"call {attempt}",
                "http://pricing/vouchers/abc",
                parent="view",
                at=5 + 20 * attempt,
                ms=15,
                status_code=call_status if failed else 200,
                attributes=code("shop", "cart.py", 65, "CartVoucher.get", "" if swallowed_event else ignore),
            )
            trace.server(
                f"answer {attempt}",
                "/vouchers/<code>",
                service="pricing",
                parent=f"call {attempt}",
                at=6 + 20 * attempt,
                ms=10,
                status_code=call_status if failed else 200,
            )
        if log:
            trace.log(
                "voucher lookup failed",
                span="view" if log_service == "shop" else "answer 0",
                service=log_service,
                at=31,
                severity=log,
            )

    return build


def test_a_failed_call_behind_a_good_answer_is_found_at_the_call() -> None:
    (finding,) = found(swallowed_error, requests(2, silence()))
    assert (
        finding.title == "GET /vouchers/<code> of pricing failed, the answer was 200 and nothing was logged"
    )
    assert finding.location == Location(file="cart.py", line=65, function="CartVoucher.get")
    assert (finding.tier, finding.affected, finding.eligible) == ("B", 2, 2)
    assert ("failed with", "status 503") in finding.details


def test_where_the_agent_saw_the_except_the_finding_points_at_it() -> None:
    (finding,) = found(swallowed_error, requests(2, silence(swallowed_event=True)))
    assert finding.location == Location(file="cart.py", line=68, function="CartVoucher.get")
    assert finding.tier == "A"
    assert ("called at", "cart.py:65") in finding.details


def a_task(state: str) -> Callable[[TraceBuilder], None]:
    def build(trace: TraceBuilder) -> None:
        trace.span("task", kind="consumer", ms=60, attributes={"tracestitch.celery.state": state})
        trace.call("call", "http://pricing/vouchers/abc", parent="task", at=5, ms=15, status_code=503)

    return build


def test_a_task_that_is_tried_again_has_swallowed_nothing() -> None:
    assert found(swallowed_error, requests(3, a_task("RETRY"))) == ()
    assert len(found(swallowed_error, requests(3, a_task("SUCCESS")))) == 1


def insert(message: str, *, noted: bool) -> Callable[[TraceBuilder], None]:
    """An insert that failed with this; `noted` by the agent at the `except`."""

    def build(trace: TraceBuilder) -> None:
        error = "django.db.utils.IntegrityError"
        note = SpanEvent(
            time_ns=trace.base_ns + 30 * MS,
            name="tracestitch.exception.swallowed",
            attributes={"exception.type": error, "exception.message": message, **code("shop", "a.py", 1)},
        )
        view = trace.server("view", "/carts", ms=60)
        trace.spans[-1] = replace(view, events=(note,) if noted else ())
        span = trace.query(
            "insert", "INSERT INTO cart (a) VALUES (?)", parent="view", at=5, attributes={"error.type": error}
        )
        trace.spans[-1] = replace(span, status_code="error", status_message=message)

    return build


@pytest.mark.parametrize("noted", [False, True])
def test_a_row_that_is_there_already_is_an_answer_and_a_missing_one_is_not(noted: bool) -> None:
    there = insert("UNIQUE constraint failed: cart.a", noted=noted)
    assert found(swallowed_error, requests(5, there)) == ()
    missing = insert("FOREIGN KEY constraint failed", noted=noted)
    assert len(found(swallowed_error, requests(5, missing))) == 1


def test_one_except_on_several_routes_is_one_finding() -> None:
    traces = [
        *requests(2, silence(swallowed_event=True), word="cart"),
        *requests(2, silence(swallowed_event=True, route="/wishes"), word="wishes"),
    ]
    (finding,) = found(swallowed_error, traces)
    assert (finding.affected, finding.eligible) == (4, 4)
    assert "and 1 other route went on without" in finding.impact.text


def test_the_note_of_the_except_is_enough_without_a_failed_span() -> None:
    (finding,) = found(swallowed_error, requests(1, silence(swallowed_event=True, call_status=404)))
    assert finding.title.startswith("requests.exceptions.HTTPError failed")


def test_a_log_of_the_service_that_failed_does_not_count_for_the_caller() -> None:
    assert len(found(swallowed_error, requests(1, silence(log=17, log_service="pricing")))) == 1


def test_an_info_line_tells_nobody() -> None:
    assert len(found(swallowed_error, requests(1, silence(log=9)))) == 1


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(silence(answer=502), id="the answer says so"),
        pytest.param(silence(log=17), id="an error was logged"),
        pytest.param(silence(log=13), id="a warning was logged"),
        pytest.param(silence(exception_event=True), id="the exception was recorded"),
        pytest.param(silence(told_event=True), id="an error tracker was told"),
        pytest.param(silence(retried=True), id="the next attempt went well"),
        pytest.param(silence(call_status=404), id="a lookup that found nothing"),
    ],
)
def test_what_is_told_or_handled_is_left_alone(build: Callable[[TraceBuilder], None]) -> None:
    assert found(swallowed_error, requests(3, build)) == ()


def test_an_optional_cache_may_be_away() -> None:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/products", ms=20)
        trace.span(
            "cache",
            parent="view",
            kind="client",
            status="error",
            at=2,
            attributes={"db.system.name": "redis", "db.query.text": "GET products"},
        )

    assert found(swallowed_error, requests(3, build)) == ()


def test_a_database_error_behind_a_good_answer_is_found() -> None:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/products", ms=20)
        trace.span(
            "q",
            parent="view",
            name="INSERT audit",
            kind="client",
            status="error",
            at=2,
            attributes={"db.system.name": "postgresql", "db.query.text": "INSERT INTO audit VALUES (?)"},
        )

    (finding,) = found(swallowed_error, requests(1, build))
    assert finding.title.startswith("INSERT audit failed")
    assert "DatabaseError" in finding.fix.after


@pytest.mark.parametrize("swallowed_event", [True, False])
def test_a_comment_at_the_call_or_the_except_suppresses_it(swallowed_event: bool) -> None:
    (finding,) = found(
        swallowed_error,
        requests(
            1, silence(swallowed_event=swallowed_event, ignore="swallowed-error the list price will do")
        ),
    )
    assert finding.suppressed_by == "the list price will do"


def test_outside_development_once_in_a_while_is_left_alone() -> None:
    fine = silence(call_status=200)
    traces = [
        *requests(30, fine, environment="production"),
        *requests(2, silence(), environment="production", word="bad"),
    ]
    assert found(swallowed_error, traces) == ()
