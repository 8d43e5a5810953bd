"""From a span to a message: a real collector, Prometheus and Alertmanager with the shipped rules and configuration."""

from __future__ import annotations

import json
import re
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import pytest
import yaml

from tests.support.prometheus import free_port, tool
from tests.support.server import Server, eventually, serving

STACK = Path(__file__).parents[2] / "stack"

pytestmark = [pytest.mark.server, pytest.mark.processes, pytest.mark.timeout(300)]


def attribute(key: str, value: Any) -> dict[str, Any]:
    kind = {bool: "boolValue", int: "intValue", str: "stringValue"}[type(value)]
    return {"key": key, "value": {kind: value}}


def call_without_timeout(now_ns: int) -> dict[str, Any]:
    """One request to pricing that calls its payment provider and would wait for ever."""
    trace = f"{now_ns:032x}"
    request = {
        "traceId": trace,
        "spanId": "1" * 16,
        "name": "POST /charges",
        "kind": 2,
        "startTimeUnixNano": str(now_ns - 50_000_000),
        "endTimeUnixNano": str(now_ns),
        "attributes": [attribute("http.request.method", "POST"), attribute("http.route", "/charges")],
    }
    call = {
        "traceId": trace,
        "spanId": "2" * 16,
        "parentSpanId": "1" * 16,
        "name": "POST",
        "kind": 3,
        "startTimeUnixNano": str(now_ns - 40_000_000),
        "endTimeUnixNano": str(now_ns - 10_000_000),
        "attributes": [
            attribute("http.request.method", "POST"),
            attribute("url.full", "http://payment/authorizations"),
            attribute("tracestitch.http.client", "requests"),
            attribute("tracestitch.timeout.missing", True),
            attribute("code.file.path", "/app/payments.py"),
            attribute("code.line.number", 25),
            attribute("code.function.name", "charge"),
        ],
    }
    resource = {"attributes": [attribute("service.name", "pricing")]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [request, call]}]}]}


def post(url: str, document: Any) -> None:
    body = json.dumps(document).encode()
    request = urllib.request.Request(url, data=body, headers={"Content-Type": "application/json"})
    with urllib.request.urlopen(request, timeout=30) as answer:
        assert answer.status == 200


@contextmanager
def webhook() -> Iterator[tuple[str, list[dict[str, Any]]]]:
    """Receives what Alertmanager sends; the alerts carry the path they came to as `receiver`."""
    received: list[dict[str, Any]] = []

    class Receiver(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            document = json.loads(self.rfile.read(int(self.headers["Content-Length"])))
            received.extend({"receiver": self.path, **alert} for alert in document["alerts"])
            self.send_response(200)
            self.end_headers()

        def log_message(self, *_: object) -> None: ...

    server = ThreadingHTTPServer(("127.0.0.1", 0), Receiver)
    thread = threading.Thread(target=server.serve_forever)
    thread.start()
    yield f"http://127.0.0.1:{server.server_address[1]}", received
    server.shutdown()
    thread.join()
    server.server_close()


@contextmanager
def running(log: Path, *command: str) -> Iterator[None]:
    with log.open("wb") as output:
        process = subprocess.Popen(command, stdout=output, stderr=output)
    try:
        yield
        assert process.poll() is None, log.read_text(encoding="utf-8")
    finally:
        process.terminate()
        process.wait(timeout=30)


def alertmanager(folder: Path, webhook_url: str, collector: str, port: int) -> list[str]:
    """The shipped configuration, with our receiver and without the long waits."""
    text = (STACK / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8")
    document = yaml.safe_load(text.replace("http://localhost:4318", collector))
    document["route"].update(group_wait="0s", group_interval="1s")
    for receiver in document["receivers"]:
        for hook in receiver.get("webhook_configs", []):
            if not hook["url"].startswith(collector):
                hook["url"] = f"{webhook_url}/{receiver['name']}"
    config = folder / "alertmanager.yml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    return [
        tool("prometheus-alertmanager"),
        f"--config.file={config}",
        f"--storage.path={folder / 'alertmanager'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--cluster.listen-address=",
    ]


def prometheus(folder: Path, server: Server, alertmanager_port: int, port: int) -> list[str]:
    """The shipped configuration and rules, scraping and evaluating every second; nothing waits before it fires."""
    rules = folder / "rules"
    rules.mkdir()
    for path in (STACK / "prometheus" / "rules").glob("*.yml"):
        text = re.sub(r"(?m)^( +for:) .*$", r"\1 0s", path.read_text(encoding="utf-8"))
        (rules / path.name).write_text(text, encoding="utf-8")
    document = yaml.safe_load((STACK / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document["rule_files"] = [str(rules / "*.yml")]
    target = server.otlp_http.removeprefix("http://")
    document["scrape_configs"][0]["static_configs"] = [{"targets": [target]}]
    managers = [{"static_configs": [{"targets": [f"127.0.0.1:{alertmanager_port}"]}]}]
    document["alerting"]["alertmanagers"] = managers
    config = folder / "prometheus.yml"
    config.write_text(yaml.safe_dump(document), encoding="utf-8")
    return [
        tool("prometheus"),
        f"--config.file={config}",
        f"--storage.tsdb.path={folder / 'prometheus'}",
        f"--web.listen-address=127.0.0.1:{port}",
        "--rules.alert.resend-delay=1s",
        "--enable-feature=exemplar-storage",
    ]


def ask(port: int, path: str) -> Any:
    with urllib.request.urlopen(f"http://127.0.0.1:{port}/api/v1/{path}", timeout=30) as answer:
        return json.load(answer)["data"]


def request(trace_id: str, now_ns: int, *, failed: bool, service: str = "storefront") -> dict[str, Any]:
    """One request that was served, badly or well."""
    span = {
        "traceId": trace_id,
        "spanId": trace_id[:16],
        "name": "GET /cart",
        "kind": 2,
        "startTimeUnixNano": str(now_ns - 50_000_000),
        "endTimeUnixNano": str(now_ns),
        "status": {"code": 2, "message": "the cart is on fire"} if failed else {},
    }
    resource = {"attributes": [attribute("service.name", service)]}
    return {"resourceSpans": [{"resource": resource, "scopeSpans": [{"spans": [span]}]}]}


def orders(count: int, now_ns: int) -> dict[str, Any]:
    """A counter of an app's own."""
    point = {"asInt": str(count), "startTimeUnixNano": "1", "timeUnixNano": str(now_ns)}
    metric = {
        "name": "orders.placed",
        "unit": "{order}",
        "sum": {"dataPoints": [point], "aggregationTemporality": 2, "isMonotonic": True},
    }
    resource = {"attributes": [attribute("service.name", "shop"), attribute("service.instance.id", "shop-1")]}
    return {"resourceMetrics": [{"resource": resource, "scopeMetrics": [{"metrics": [metric]}]}]}


@dataclass(frozen=True)
class Watch:
    """Everything that runs, and what was received."""

    server: Server
    port: int
    received: list[dict[str, Any]]

    def alert(self, name: str) -> dict[str, Any]:
        """As the team's receiver got it."""

        def found() -> dict[str, Any] | None:
            for alert in list(self.received):
                if (alert["receiver"], alert["labels"]["alertname"]) == ("/team", name):
                    return alert
            return None

        return eventually(found, 90)

    def page(self, address: str) -> str:
        with urllib.request.urlopen(address, timeout=30) as answer:
            assert answer.status == 200
            text: str = answer.read().decode()
            return text


@pytest.fixture(scope="module")
def watch(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watch]:
    folder = tmp_path_factory.mktemp("watch")
    manager_port, port = free_port(), free_port()
    with ExitStack() as stack:
        server = stack.enter_context(serving(folder / "data"))
        url, received = stack.enter_context(webhook())
        manager = alertmanager(folder, url, server.otlp_http, manager_port)
        stack.enter_context(running(folder / "am.log", *manager))
        stack.enter_context(running(folder / "prom.log", *prometheus(folder, server, manager_port, port)))
        yield Watch(server=server, port=port, received=received)


def test_a_finding_becomes_a_message_whose_link_opens_its_page(watch: Watch) -> None:
    server, port = watch.server, watch.port
    now_ns = time.time_ns()
    post(f"{server.otlp_http}/v1/traces", call_without_timeout(now_ns))

    finding = eventually(
        lambda: next(
            (f for f in server.get("/findings.json")["findings"] if f["service"] == "pricing"), None
        ),
        90,
    )
    assert finding["check"] == "missing-timeout"
    alert = watch.alert("TracestitchFinding")
    assert alert["status"] == "firing"
    assert alert["labels"]["fingerprint"] == finding["fingerprint"]
    assert (alert["labels"]["severity"], alert["labels"]["service_name"]) == ("warning", "pricing")
    page = watch.page(alert["annotations"]["dashboard_url"])
    assert "payments.py" in page  # the line of code that is the cause
    assert f"{now_ns:032x}" in page  # a request that shows it
    assert eventually(lambda: any(a["receiver"] == "/watchdog" for a in watch.received))

    query = 'query?query=traces_span_metrics_calls_total{service_name="pricing"}'
    calls = eventually(lambda: ask(port, query)["result"])
    assert {call["metric"]["span_name"] for call in calls} == {"POST /charges", "POST"}
    now_s = now_ns // 1_000_000_000
    exemplars = eventually(
        lambda: ask(
            port,
            'query_exemplars?query=traces_span_metrics_duration_seconds_bucket{service_name="pricing"}'
            f"&start={now_s - 60}&end={now_s + 600}",
        )
    )
    assert exemplars[0]["exemplars"][0]["labels"]["trace_id"] == f"{now_ns:032x}"


def test_failing_requests_become_a_message_that_leads_to_a_failing_one_and_mark_it(watch: Watch) -> None:
    server = watch.server
    for number in range(400):
        failed = number % 4 == 0
        trace_id = f"{'fa11' if failed else '600d'}{number:028x}"
        post(f"{server.otlp_http}/v1/traces", request(trace_id, time.time_ns(), failed=failed))
        if any(a["labels"]["alertname"] == "ServiceHighErrorRate" for a in list(watch.received)):
            break
        time.sleep(0.1)
    alert = watch.alert("ServiceHighErrorRate")
    assert alert["labels"]["service_name"] == "storefront"
    links = alert["annotations"]
    failing = re.findall(r"/traces/(fa11[0-9a-f]{28})", watch.page(links["traces_url"]))
    assert failing
    assert "600d000" not in watch.page(links["traces_url"])
    timeline = f"{links['traces_url'].partition('/traces')[0]}/traces/{failing[-1]}"
    assert "the cart is on fire" in watch.page(f"{timeline}.json")
    assert "storefront" in watch.page(links["dashboard_url"])
    assert "storefront" in watch.page(links["findings_url"])
    assert 'id="ServiceHighErrorRate"' in watch.page(links["runbook_url"])

    def marks() -> list[dict[str, Any]]:
        told = server.get("/services/storefront.json")["alerts"]
        return [mark for mark in told if mark["name"] == "ServiceHighErrorRate"]

    mark = eventually(marks)[0]
    assert (mark["firing"], mark["severity"]) == (True, "critical")
    on_timeline = {mark["name"] for mark in json.loads(watch.page(f"{timeline}.json"))["alerts"]}
    assert "ServiceHighErrorRate" in on_timeline


def test_a_counter_of_an_app_is_scraped_with_its_own_job_and_instance(watch: Watch) -> None:
    post(f"{watch.server.otlp_http}/v1/metrics", orders(42, time.time_ns()))
    (series,) = eventually(lambda: ask(watch.port, "query?query=orders_placed_total")["result"])
    assert series["value"][1] == "42"
    labels = series["metric"]
    assert (labels["job"], labels["instance"]) == ("shop", "shop-1")
