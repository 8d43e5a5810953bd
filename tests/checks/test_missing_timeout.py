"""missing-timeout needs one proof, at the line of the call."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.evidence import found, requests
from tests.support.traces import TraceBuilder, code
from tracestitch_collector.checks import missing_timeout
from tracestitch_collector.checks.finding import Location
from tracestitch_collector.model import AttributeValue


def call(
    *, missing: bool | None = True, ms: float = 20, client: str = "requests", line: int = 29, ignore: str = ""
) -> Callable[[TraceBuilder], None]:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/charges", method="POST", service="pricing", ms=ms + 10)
        attributes: dict[str, AttributeValue] = {
            **code("pricing", "payments.py", line, "Charges.post", ignore),
            "tracestitch.http.client": client,
            "server.port": 8805,
        }
        if missing is not None:
            attributes["tracestitch.timeout.missing"] = missing
        trace.call(
            "pay",
            "http://bank:8805/authorizations",
            method="POST",
            service="pricing",
            parent="view",
            at=5,
            ms=ms,
            attributes=attributes,
        )

    return build


def test_one_call_without_a_limit_is_proof_enough_in_any_environment() -> None:
    (finding,) = found(missing_timeout, requests(1, call(), environment="production"))
    assert finding.title == "POST to bank:8805 without a timeout"
    assert (finding.service, finding.operation) == ("pricing", "POST /charges")
    assert finding.location == Location(file="payments.py", line=29, function="Charges.post")
    assert (finding.tier, finding.severity) == ("A", "important")
    assert "timeout=(3.05, 10)" in finding.fix.after


def test_calls_of_one_line_are_one_finding_and_others_another() -> None:
    traces = [*requests(3, call(line=29)), *requests(2, call(line=31), word="moved")]
    (finding,) = found(missing_timeout, traces)
    assert finding.affected == 5
    assert finding.location is not None
    assert finding.location.line in (29, 31)


def test_a_slow_peer_makes_it_critical() -> None:
    (finding,) = found(missing_timeout, requests(1, call(ms=1500)))
    assert finding.severity == "critical"


@pytest.mark.parametrize(
    ("client", "words"),
    [("httpx", "httpx.Timeout"), ("urllib3", "urllib3.Timeout"), ("requests", "requests.")],
)
def test_the_fix_speaks_the_language_of_the_client(client: str, words: str) -> None:
    (finding,) = found(missing_timeout, requests(1, call(client=client)))
    assert words in finding.fix.after


def test_calls_with_a_limit_and_calls_of_stock_clients_are_left_alone() -> None:
    assert found(missing_timeout, requests(3, call(missing=False))) == ()
    assert found(missing_timeout, requests(3, call(missing=None))) == ()


def test_a_comment_at_the_line_suppresses_it() -> None:
    (finding,) = found(missing_timeout, requests(1, call(ignore="missing-timeout a long poll")))
    assert finding.suppressed_by == "a long poll"
