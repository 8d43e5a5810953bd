"""The doctor against a real server: the echo in the store, and what the store knows of the services."""

import os
import signal
import time
import urllib.request
import uuid
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

import pytest
from opentelemetry.proto.trace.v1.trace_pb2 import Span

from tests.support.agent import free_port
from tests.support.doctor import Diagnosis, diagnose
from tests.support.otlp import log_request, otlp_log, otlp_span, trace_request
from tests.support.server import Server, eventually, serving

pytestmark = pytest.mark.processes

SERVER, CLIENT = 2, 3
MS = 1_000_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Server]:
    with serving(tmp_path_factory.mktemp("data")) as running:
        yield running


def send(server: Server, signal_name: str, body: bytes) -> None:
    request = urllib.request.Request(
        f"{server.otlp_http}/v1/{signal_name}", body, {"content-type": "application/x-protobuf"}
    )
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


def send_spans(server: Server, service: str, *spans: Span) -> None:
    send(server, "traces", trace_request(*spans, resource={"service.name": service}).SerializeToString())


def send_inventory(server: Server, service: str, root: str, body: Mapping[str, object]) -> None:
    resource = {
        "service.name": service,
        "service.instance.id": str(uuid.uuid4()),
        "tracestitch.app.root": root,
    }
    record = otlp_log(
        body=body,  # type: ignore[arg-type]  # a mapping of attribute values
        time_ns=time.time_ns(),
        event_name="tracestitch.inventory",
    )
    send(server, "logs", log_request(record, resource=resource).SerializeToString())
    eventually(lambda: server.get(f"/inventories.json?service={service}")["inventories"])


def test_the_echo_is_followed_to_the_store(server: Server) -> None:
    found = diagnose(server.otlp_http)

    assert (found.names, found.code) == ([], 0)
    shown = found.steps[-1].rpartition(" ")[2]
    assert shown.startswith(f"{server.dashboard}/traces/")
    trace = server.get(f"/traces/{shown.rpartition('/')[2]}.json")
    assert [span["service"] for span in trace["spans"]] == ["tracestitch-doctor"]


def test_one_signal_that_is_switched_off_is_not_waited_for(server: Server) -> None:
    found = diagnose(server.otlp_http, OTEL_LOGS_EXPORTER="none")

    assert found.names == ["signal-off"]
    assert "The store shows it" in found.steps[-1]


def test_the_other_ports_of_the_server_are_told_apart(server: Server) -> None:
    assert diagnose(server.otlp_grpc).names == ["grpc-port"]
    assert diagnose(server.dashboard).names == ["dashboard-port"]


def test_a_server_with_a_token(tmp_path: Path) -> None:
    with serving(tmp_path / "data", environment={"TRACESTITCH_TOKEN": "open-sesame-open-sesame"}) as guarded:
        assert diagnose(guarded.otlp_http).names == ["token-missing"]
        assert diagnose(guarded.otlp_http, TRACESTITCH_TOKEN="other").names == ["token-wrong"]
        assert diagnose(guarded.dashboard).names == ["dashboard-port"]
        let_in = diagnose(guarded.otlp_http, TRACESTITCH_TOKEN="open-sesame-open-sesame")

    assert let_in.names == []
    assert "The store shows it" in let_in.steps[-1]


@contextmanager
def stopped(pid: int) -> Iterator[None]:
    os.kill(pid, signal.SIGSTOP)
    try:
        yield
    finally:
        os.kill(pid, signal.SIGCONT)


def test_what_is_acknowledged_and_never_stored(server: Server) -> None:
    processes = {one["process"]: one["pid"] for one in server.get("/status.json")["processes"]}
    with stopped(processes["pipeline"]):
        found = diagnose(server.otlp_http, "--wait", "1.5")

    assert found.names == ["not-stored"]
    assert "no span and no log" in found.texts["not-stored"]
    assert f"{server.dashboard}/status" in found.remedies["not-stored"]


def call_and_answer(
    server: Server, caller: str, callee: str, *, through: int | None, joined: bool = False
) -> None:
    """A call of one service that the other answers; `through` is the port that the call names."""
    start_ns = time.time_ns() - 1_000 * MS
    ids = [os.urandom(16).hex() for _ in range(2)]
    port = free_port()
    request = otlp_span(
        trace_id=ids[0], span_id="01" * 8, name="GET /cart", start_ns=start_ns, duration_ns=90 * MS
    )
    call = otlp_span(
        trace_id=ids[0],
        span_id="02" * 8,
        parent_span_id="01" * 8,
        name="GET",
        kind=CLIENT,
        start_ns=start_ns + 10 * MS,
        duration_ns=50 * MS,
        attributes={
            "http.request.method": "GET",
            "url.full": f"http://pricing:{through or port}/quote/7",
            "server.address": "pricing",
            "server.port": through or port,
            "code.file.path": "shop/cart.py",
            "code.line.number": 12,
        },
    )
    answer = otlp_span(
        trace_id=ids[0] if joined else ids[1],
        span_id="03" * 8,
        parent_span_id="02" * 8 if joined else "",
        name="GET /quote/<sku>",
        kind=SERVER,
        start_ns=start_ns + 20 * MS,
        duration_ns=30 * MS,
        attributes={
            "http.request.method": "GET",
            "http.route": "/quote/<sku>",
            "url.path": "/quote/7",
            "server.address": "pricing",
            "server.port": port,
        },
    )
    send_spans(server, caller, request, call)
    send_spans(server, callee, answer)
    eventually(lambda: server.get(f"/traces.json?service={callee}")["traces"])
    eventually(lambda: server.get(f"/traces.json?service={caller}")["traces"])


def of(server: Server, *services: str) -> Diagnosis:
    return diagnose(server.otlp_http, *(word for name in services for word in ("--service", name)))


def test_propagation_that_is_broken_between_two_services(server: Server) -> None:
    call_and_answer(server, "storefront", "pricing", through=None)

    found = of(server, "storefront", "pricing")

    assert found.names == ["propagation-broken"]
    assert found.texts["propagation-broken"].startswith("storefront calls pricing (GET /quote/<sku>)")
    assert "shop/cart.py:12" in found.remedies["propagation-broken"]


def test_propagation_that_is_broken_by_what_stands_between(server: Server) -> None:
    call_and_answer(server, "kiosk", "ledger", through=8080)

    found = of(server, "kiosk", "ledger")

    assert "whatever stands between kiosk and ledger" in found.remedies["propagation-broken"]


def test_propagation_that_works_is_well(server: Server) -> None:
    call_and_answer(server, "basket", "prices", through=None, joined=True)

    assert of(server, "basket", "prices").names == []


def test_a_service_that_the_store_does_not_know(server: Server) -> None:
    call_and_answer(server, "till", "stock", through=None, joined=True)

    found = of(server, "tills")

    assert found.names == ["service-silent"]
    assert "till" in found.texts["service-silent"].partition("It has:")[2]


def test_a_service_whose_clock_is_wrong(server: Server) -> None:
    ahead = otlp_span(trace_id=os.urandom(16).hex(), start_ns=time.time_ns() + 60_000 * MS)
    send_spans(server, "early", ahead)
    eventually(lambda: server.get("/traces.json?service=early&range=1h")["traces"] or True)

    found = of(server, "early")

    assert found.names == ["service-clock"]


def test_two_code_bases_under_one_name(server: Server) -> None:
    call_and_answer(server, "shop", "bank", through=None, joined=True)
    for framework, codebase in (("django", "shop.settings"), ("flask", "billing")):
        send_inventory(
            server, "shop", f"/srv/{codebase}", {"framework": {"name": framework}, "codebase": codebase}
        )
    eventually(lambda: len(server.get("/inventories.json?service=shop")["inventories"]) == 2)

    found = of(server, "shop")

    assert found.names == ["name-shared"]
    assert "shop (django, /srv/shop.settings)" in found.texts["name-shared"]
    assert "billing (flask, /srv/billing)" in found.texts["name-shared"]


def test_records_below_the_level_and_another_agent_of_a_running_service(
    server: Server, tmp_path: Path
) -> None:
    (tmp_path / "app.py").write_text("import logging\nlogging.info('sold')\n")
    call_and_answer(server, "quiet", "loud", through=None, joined=True)
    body = {"logging": {"root_level": 30}, "other_agents": ("Sentry",)}
    send_inventory(server, "quiet", str(tmp_path), body)

    found = of(server, "quiet")

    assert sorted(found.names) == ["logs-below-level", "other-agent"]
    assert found.texts["logs-below-level"].startswith("app.py:2 logs at INFO")
    assert found.texts["other-agent"] == "Sentry observes quiet too."
