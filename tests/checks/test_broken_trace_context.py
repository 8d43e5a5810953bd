"""broken-trace-context joins the two ends that lost each other, and only those."""

from __future__ import annotations

from collections.abc import Callable

from tests.support.evidence import found, requests
from tests.support.traces import TraceBuilder, code
from tracestitch_collector.checks import broken_trace_context
from tracestitch_collector.checks.finding import Location
from tracestitch_collector.model import Trace


def broken(
    count: int = 3,
    *,
    environment: str = "",
    asked: str = "http://gateway:8804/tariffs/#",
    answered: str = "/tariffs/#",
    late: float = 0,
    call_status: int = 200,
    port: int = 8804,
    answered_port: int = 8803,
    answer_host: str = "pricing",
    ignore: str = "",
    word: str = "pair",
) -> list[Trace]:
    """A call of the shop, and what pricing did for it in a trace of its own."""
    traces = []
    for number in range(count):
        caller = TraceBuilder(f"{word} {number} caller", environment, offset_ms=1000 * number)
        caller.server("view", "/products/<sku>/tariff", ms=40)
        caller.call(
            "call",
            asked.replace("#", str(number)),
            parent="view",
            at=5,
            ms=30,
            status_code=call_status,
            attributes={"server.port": port, **code("shop", "products.py", 50, "Tariff.get", ignore)},
        )
        callee = TraceBuilder(f"{word} {number} callee", environment, offset_ms=1000 * number)
        callee.server(
            "answer",
            "/tariffs/<sku>",
            service="pricing",
            at=10 + late,
            ms=15,
            attributes={
                "url.path": answered.replace("#", str(number)),
                "server.address": answer_host,
                "server.port": answered_port,
            },
        )
        traces += [caller.build(), callee.build()]
    return traces


def test_a_gateway_that_drops_headers_is_found_between_its_two_ends() -> None:
    traces = broken()
    (finding,) = found(broken_trace_context, traces)
    assert finding.title == "GET /tariffs/<sku> of pricing begins a new trace when shop calls it"
    assert (finding.service, finding.operation) == ("shop", "GET /products/<sku>/tariff")
    assert (finding.affected, finding.eligible) == (3, 3)
    assert finding.location is None
    assert {item.trace_id for item in finding.evidence} <= {trace.trace_id for trace in traces}
    assert [item.trace_id for item in finding.evidence[:2]] == [traces[4].trace_id, traces[5].trace_id]
    assert "traceparent" in finding.fix.after
    assert ("called at", "products.py:50") in finding.details


def test_a_gateway_that_takes_off_a_prefix_changes_nothing() -> None:
    traces = broken(asked="http://gateway:8804/api/pricing/tariffs/#")
    assert len(found(broken_trace_context, traces)) == 1


def test_without_anything_in_between_the_fault_is_at_the_call() -> None:
    traces = broken(answer_host="gateway", answered_port=8804)
    (finding,) = found(broken_trace_context, traces)
    assert finding.location == Location(file="products.py", line=50, function="Tariff.get")
    assert "copy_context" in finding.fix.after


def test_calls_that_kept_their_trace_make_the_share() -> None:
    def whole(trace: TraceBuilder) -> None:
        trace.server("view", "/products/<sku>/tariff", ms=40)
        trace.call("call", "http://gateway:8804/tariffs/9", parent="view", at=5, ms=30)
        trace.server("answer", "/tariffs/<sku>", service="pricing", parent="call", at=8, ms=20)

    (finding,) = found(broken_trace_context, [*broken(1), *requests(9, whole)])
    assert (finding.affected, finding.eligible) == (1, 10)
    assert found(broken_trace_context, requests(9, whole)) == ()


def test_ends_that_do_not_fit_are_strangers() -> None:
    assert found(broken_trace_context, broken(late=500, word="too late")) == ()
    assert found(broken_trace_context, broken(answered="/offers/#", word="other path")) == ()
    assert found(broken_trace_context, broken(call_status=404, word="other outcome")) == ()


def test_a_probe_that_coincides_with_another_is_no_broken_context() -> None:
    asked = "http://gateway:8804/healthz"
    assert found(broken_trace_context, broken(asked=asked, answered="/healthz")) == ()
    same_address = broken(asked=asked, answered="/healthz", answer_host="gateway", answered_port=8804)
    assert len(found(broken_trace_context, same_address)) == 1


def test_a_browser_and_a_third_party_are_no_broken_context() -> None:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/pay", ms=40)
        trace.call("call", "https://api.bank.example/v1/charges", parent="view", at=5, ms=30)

    assert found(broken_trace_context, requests(30, build)) == ()


def test_a_server_span_whose_parent_is_a_browser_is_no_lost_span() -> None:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/pay", parent="in the browser", ms=40)

    assert found(broken_trace_context, requests(30, build)) == ()


def test_spans_whose_parent_never_arrived_are_counted_from_three_on() -> None:
    def lost(trace: TraceBuilder) -> None:
        trace.server("view", "/pay", ms=40)
        trace.query("q", "SELECT 1", parent="killed with its process", at=5)

    assert found(broken_trace_context, requests(2, lost)) == ()
    (finding,) = found(broken_trace_context, requests(3, lost))
    assert finding.title == "3 spans of shop name a parent that never arrived"
    assert (finding.affected, finding.eligible) == (3, 6)


def with_thread(trace: TraceBuilder, *, ms: float = 100) -> None:
    trace.server("view", "/pay", ms=ms)


def in_thread(at: float) -> Callable[[TraceBuilder], None]:
    def build(trace: TraceBuilder) -> None:
        trace.call("call", "http://bank/pay", at=at, ms=10, attributes=code("shop", "pay.py", 9, "later"))

    return build


def test_calls_that_only_ever_happen_during_requests_were_made_for_them() -> None:
    traces = [*requests(5, with_thread), *requests(5, in_thread(at=50), word="thread")]
    (finding,) = found(broken_trace_context, traces)
    assert finding.title == "GET of shop is made for a request and belongs to none"
    assert finding.location == Location(file="pay.py", line=9, function="later")
    assert (finding.tier, finding.affected) == ("C", 5)


def test_a_poller_and_a_service_that_is_always_busy_prove_nothing() -> None:
    poller = [*requests(5, with_thread), *requests(5, in_thread(at=500), word="poller")]
    assert found(broken_trace_context, poller) == ()
    busy = [
        *requests(5, lambda trace: with_thread(trace, ms=900)),
        *requests(5, in_thread(at=50), word="chance"),
    ]
    assert found(broken_trace_context, busy) == ()
    script = requests(5, in_thread(at=50), word="script")
    assert found(broken_trace_context, script) == ()


def test_outside_development_a_pattern_has_to_show() -> None:
    assert found(broken_trace_context, broken(19, environment="production")) == ()
    assert len(found(broken_trace_context, broken(20, environment="production"))) == 1


def test_a_comment_at_the_call_suppresses_it() -> None:
    (finding,) = found(broken_trace_context, broken(ignore="broken-trace-context the gateway is theirs"))
    assert finding.suppressed_by == "the gateway is theirs"
