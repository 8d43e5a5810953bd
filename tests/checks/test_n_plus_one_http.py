"""n-plus-one-http knows calls by who answered, on which route."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from tests.support.evidence import evidence, found, requests
from tests.support.traces import TraceBuilder, code
from tracestitch_collector.checks import n_plus_one_http
from tracestitch_collector.checks.catalogue import evaluate
from tracestitch_collector.checks.finding import Location
from tracestitch_collector.model import AttributeValue


def loop(
    count: int = 12,
    ms: float = 10,
    *,
    route: str = "/price/<sku>",
    url: str = "http://pricing:8000/price/#",
    answered: bool = True,
    parallel: bool = False,
    pause: float = 0,
    status_code: int = 200,
    **attributes: AttributeValue,
) -> Callable[[TraceBuilder], None]:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/cart", ms=10 + count * (ms + pause))
        for number in range(count):
            at = 1 if parallel else 1 + number * (ms + pause)
            trace.call(
                f"call {number}",
                url.replace("#", str(number)),
                parent="view",
                at=at,
                ms=ms,
                status_code=status_code,
                attributes={
                    **code("shop", "cart.py", 26, "CartDetail.get"),
                    **{key.replace("__", "."): value for key, value in attributes.items()},
                },
            )
            if answered:
                trace.server(
                    f"answer {number}",
                    route.replace("#", str(number)),
                    parent=f"call {number}",
                    service="pricing",
                    at=at + 1,
                    ms=ms - 2,
                )

    return build


def test_twelve_calls_where_one_would_do() -> None:
    (finding,) = found(n_plus_one_http, requests(3, loop()))
    assert finding.title == "12 calls to GET /price/<sku> of pricing where 1 would do"
    assert (finding.service, finding.operation) == ("shop", "GET /cart")
    assert finding.location == Location(file="cart.py", line=26, function="CartDetail.get")
    assert (finding.affected, finding.eligible, finding.severity) == (3, 3, "important")
    assert 'params={"ids": ids}' in finding.fix.after
    assert "PRICING_URL" in finding.fix.before


def test_a_service_that_does_not_report_is_known_by_its_address_and_path() -> None:
    (finding,) = found(n_plus_one_http, requests(1, loop(answered=False)))
    assert finding.title == "12 calls to GET /price/* of pricing where 1 would do"


def test_calls_in_parallel_are_said_to_be() -> None:
    (finding,) = found(n_plus_one_http, requests(1, loop(parallel=True, ms=60)))
    assert dict(finding.details)["calls in one request"] == "12, in parallel"
    assert finding.severity == "normal"


def test_a_comment_at_the_line_suppresses_it() -> None:
    (finding,) = found(
        n_plus_one_http, requests(1, loop(tracestitch__ignore=("n-plus-one-http no bulk route there",)))
    )
    assert finding.suppressed_by == "no bulk route there"


@pytest.mark.parametrize(
    "build",
    [
        pytest.param(loop(route="/#"), id="different routes under one span name"),
        pytest.param(loop(count=4, ms=50), id="four calls"),
        pytest.param(loop(count=8, ms=3), id="few and fast"),
        pytest.param(loop(status_code=503), id="attempts of a retry"),
        pytest.param(
            loop(url="http://jobs/status", route="/status", pause=200, count=6), id="polling one job"
        ),
        pytest.param(loop(url="http://a/items?page=REDACTED", route="/items"), id="turning pages"),
        pytest.param(loop(url="http://shard-#/search", route="/search"), id="a fan-out over shards"),
    ],
)
def test_what_only_looks_like_a_loop_is_left_alone(build: Callable[[TraceBuilder], None]) -> None:
    assert found(n_plus_one_http, requests(2, build)) == ()


def test_one_address_with_an_id_in_its_query_is_a_loop() -> None:
    assert len(found(n_plus_one_http, requests(1, loop(url="http://a/items?id=REDACTED")))) == 1


def test_five_different_posts_under_one_view_are_no_loop() -> None:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/checkout", method="POST", ms=600)
        for number, route in enumerate(["/reserve", "/charge", "/quote", "/ship", "/mail"]):
            trace.call(route, f"http://back{route}", method="POST", parent="view", at=number * 100, ms=90)
            trace.server(
                f"at {route}", route, method="POST", parent=route, service="back", at=number * 100 + 1, ms=80
            )

    assert found(n_plus_one_http, requests(3, build)) == ()


def test_outside_development_it_must_cost_time_and_show_often() -> None:
    assert found(n_plus_one_http, requests(25, loop(count=12, ms=5), environment="production")) == ()
    assert found(n_plus_one_http, requests(19, loop(), environment="production")) == ()
    assert len(found(n_plus_one_http, requests(20, loop(), environment="production"))) == 1


def test_one_line_on_several_routes_is_one_finding() -> None:
    def elsewhere(trace: TraceBuilder) -> None:
        loop(30)(trace)
        trace.spans[0] = replace(
            trace.spans[0],
            name="GET /wishes",
            attributes={**trace.spans[0].attributes, "http.route": "/wishes"},
        )

    (finding,) = found(
        n_plus_one_http, [*requests(1, loop(), word="cart"), *requests(1, elsewhere, word="wishes")]
    )
    assert finding.operation == "GET /wishes"
    assert ("also on", "GET /cart") in finding.details
    assert (finding.affected, finding.eligible) == (2, 2)


def test_the_same_call_again_and_again_is_asked_once_and_a_closing_slash_is_kept() -> None:
    (same,) = found(n_plus_one_http, requests(3, loop(url="http://pricing:8000/rate/", route="/rate/")))
    assert "the very same" in same.fix.text
    assert "ids" not in same.fix.after
    assert "PRICING_URL}/rate/" in same.fix.after
    slashed = loop(url="http://pricing:8000/price/#/", route="/price/<sku>/")
    (each,) = found(n_plus_one_http, requests(3, slashed))
    assert 'PRICING_URL}/price/", params={"ids": ids}' in each.fix.after


def test_a_comment_that_names_no_check_is_told_on_the_finding() -> None:
    marked = loop(tracestitch__ignore=("n-plus-one-htp ten at most",))
    (finding,) = evaluate(evidence(requests(3, marked)), (n_plus_one_http,)).findings
    assert finding.suppressed_by is None
    assert finding.details[0] == (
        "not suppressed",
        "the comment at the line names n-plus-one-htp, which is no check; this one is n-plus-one-http",
    )
