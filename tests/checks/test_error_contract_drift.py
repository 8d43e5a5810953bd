"""error-contract-drift compares the shapes of errors, never their words."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.evidence import found, requests
from tests.support.traces import TraceBuilder, code
from tracestitch_collector.checks import error_contract_drift
from tracestitch_collector.checks.finding import Location
from tracestitch_collector.model import AttributeValue

PROBLEM = "detail:str,status:int,title:str,type:str"


def error(
    service: str,
    shape: str = "",
    *,
    status_code: int = 404,
    route: str = "/stock/<sku>",
    content_type: str = "application/json",
    asked: bool = False,
    ignore: str = "",
    raised_at: str = "",
) -> Callable[[TraceBuilder], None]:
    def build(trace: TraceBuilder) -> None:
        attributes: dict[str, AttributeValue] = {
            "tracestitch.response.content_type": content_type,
            **code(service, "views.py", 40, "one", ignore),
        }
        if raised_at:
            attributes["tracestitch.response.raised_at"] = raised_at
        if shape:
            attributes["tracestitch.response.body_shape"] = shape
        if asked:
            trace.call("call", f"http://{service}/x", service="caller", ms=20, status_code=status_code)
        trace.server(
            "view",
            route,
            service=service,
            parent="call" if asked else "",
            status_code=status_code,
            at=1,
            ms=10,
            attributes=attributes,
        )

    return build


def test_the_shape_of_most_services_is_the_agreed_one() -> None:
    traces = [
        *requests(3, error("a", "code:int,detail:str"), word="a"),
        *requests(3, error("b", "code:int,detail:str"), word="b"),
        *requests(9, error("c", "error:str"), word="c"),
    ]
    (finding,) = found(error_contract_drift, traces)
    assert finding.title == "c answers errors as {error}, elsewhere they are {code, detail}"
    assert finding.location == Location(file="views.py", line=40, function="one")
    assert (finding.service, finding.operation, finding.severity) == ("c", "GET /stock/<sku>", "normal")
    assert (finding.affected, finding.eligible) == (9, 9)
    assert ("shape in a", "{code, detail}") in finding.details


def test_without_a_majority_a_problem_document_is_preferred() -> None:
    traces = [
        *requests(9, error("a", "error:str"), word="a"),
        *requests(2, error("b", PROBLEM), word="b"),
    ]
    (finding,) = found(error_contract_drift, traces)
    assert finding.service == "a"


def test_two_services_that_each_have_a_shape_of_their_own_beside_the_agreed_one_are_two_findings() -> None:
    traces = [
        *requests(3, error("inventory", "error:str"), word="1"),
        *requests(3, error("inventory", PROBLEM, status_code=400, route="/reservations"), word="2"),
        *requests(3, error("pricing", "message:str"), word="3"),
        *requests(3, error("pricing", PROBLEM, status_code=400, route="/quotes"), word="4"),
    ]
    inventory, pricing = sorted(found(error_contract_drift, traces), key=lambda finding: finding.service)
    assert inventory.title.startswith("inventory answers errors as {error}, on other routes")
    assert pricing.location == Location(file="views.py", line=40, function="one")


def test_one_shape_everywhere_is_a_contract() -> None:
    traces = [
        *requests(3, error("a", PROBLEM), word="a"),
        *requests(3, error("b", PROBLEM, status_code=500), word="b"),
    ]
    assert found(error_contract_drift, traces) == ()


def test_messages_by_form_field_are_no_shape() -> None:
    traces = [
        *requests(3, error("a", "detail:str"), word="a"),
        *requests(3, error("a", "name:list,sku:list", status_code=400), word="b"),
        *requests(3, error("a", "address:dict,sku:list", status_code=400), word="nested"),
    ]
    assert found(error_contract_drift, traces) == ()


def test_an_error_in_an_envelope_is_a_shape() -> None:
    traces = [
        *requests(3, error("a", PROBLEM), word="a"),
        *requests(3, error("b", "error:dict", status_code=400), word="b"),
    ]
    assert len(found(error_contract_drift, traces)) == 1


def test_a_page_for_a_person_is_fine_and_a_page_for_a_service_is_not() -> None:
    json_errors = requests(3, error("a", PROBLEM), word="a")
    page = error("b", content_type="text/html")
    assert found(error_contract_drift, [*json_errors, *requests(3, page, word="b")]) == ()
    asked = error("b", content_type="text/html", asked=True)
    (finding,) = found(error_contract_drift, [*json_errors, *requests(3, asked, word="b")])
    assert finding.title.startswith("b answers errors as an HTML page")


def test_answers_of_no_route_and_rare_shapes_are_left_alone() -> None:
    traces = [
        *requests(30, error("a", PROBLEM), word="a"),
        *requests(3, error("b", "error:str", route=""), word="b"),
        *requests(1, error("a", "error:str"), word="c"),
    ]
    assert found(error_contract_drift, traces) == ()


def test_outside_development_a_pattern_has_to_show() -> None:
    traces = [
        *requests(30, error("a", PROBLEM), word="a", environment="production"),
        *requests(10, error("b", "error:str"), word="b", environment="production"),
    ]
    assert found(error_contract_drift, traces) == ()
    traces += requests(10, error("b", "error:str"), word="more", environment="production")
    assert len(found(error_contract_drift, traces)) == 1


def test_a_comment_at_the_view_suppresses_it() -> None:
    traces = [
        *requests(3, error("a", PROBLEM), word="a"),
        *requests(3, error("b", "error:str", ignore="error-contract-drift old clients"), word="b"),
    ]
    (finding,) = found(error_contract_drift, traces)
    assert finding.suppressed_by == "old clients"


def test_the_line_that_raised_the_answer_is_the_place_to_change() -> None:
    traces = [
        *requests(3, error("a", "code:int,detail:str"), word="a"),
        *requests(3, error("b", "code:int,detail:str"), word="b"),
        *requests(9, error("c", "error:str", raised_at="/srv/my shop/stock.py:17 stock.find"), word="c"),
    ]

    (finding,) = found(error_contract_drift, traces)

    assert finding.location == Location(file="/srv/my shop/stock.py", line=17, function="stock.find")


def test_a_place_that_makes_no_sense_is_no_place() -> None:
    traces = [
        *requests(3, error("a", "code:int,detail:str"), word="a"),
        *requests(3, error("b", "code:int,detail:str"), word="b"),
        *requests(9, error("c", "error:str", raised_at="somewhere: over there"), word="c"),
    ]

    (finding,) = found(error_contract_drift, traces)

    assert finding.location == Location(file="views.py", line=40, function="one")
