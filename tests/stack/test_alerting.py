"""From a span to a message: a real collector, Prometheus and Alertmanager with the shipped rules and configuration."""

from __future__ import annotations

import json
import subprocess
import threading
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack, contextmanager
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


def alertmanager(folder: Path, webhook_url: str, port: int) -> list[str]:
    """The shipped configuration, with our receiver and without the long waits."""
    document = yaml.safe_load((STACK / "alertmanager" / "alertmanager.yml").read_text(encoding="utf-8"))
    document["route"].update(group_wait="0s", group_interval="1s")
    for receiver in document["receivers"]:
        for hook in receiver.get("webhook_configs", []):
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
    """The shipped configuration and rules, scraping and evaluating every second."""
    document = yaml.safe_load((STACK / "prometheus" / "prometheus.yml").read_text(encoding="utf-8"))
    document["global"] = {"scrape_interval": "1s", "evaluation_interval": "1s"}
    document["rule_files"] = [str(STACK / "prometheus" / "rules" / "*.yml")]
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


def test_a_finding_becomes_a_message_whose_link_opens_its_page(tmp_path: Path) -> None:
    manager_port, port = free_port(), free_port()
    with ExitStack() as stack:
        server = stack.enter_context(serving(tmp_path / "data"))
        url, received = stack.enter_context(webhook())
        stack.enter_context(running(tmp_path / "am.log", *alertmanager(tmp_path, url, manager_port)))
        stack.enter_context(running(tmp_path / "prom.log", *prometheus(tmp_path, server, manager_port, port)))
        now_ns = time.time_ns()
        post(f"{server.otlp_http}/v1/traces", call_without_timeout(now_ns))

        finding = eventually(lambda: next(iter(server.get("/findings.json")["findings"]), None), 90)
        assert finding["check"] == "missing-timeout"
        alert = eventually(
            lambda: next((a for a in received if a["labels"]["alertname"] == "TracestitchFinding"), None), 90
        )
        assert (alert["receiver"], alert["status"]) == ("/team", "firing")
        assert alert["labels"]["fingerprint"] == finding["fingerprint"]
        assert (alert["labels"]["severity"], alert["labels"]["service_name"]) == ("warning", "pricing")
        with urllib.request.urlopen(alert["annotations"]["dashboard_url"], timeout=30) as page:
            assert page.status == 200
            assert finding["fingerprint"] in page.url
        assert eventually(lambda: any(a["receiver"] == "/watchdog" for a in received))

        calls = eventually(lambda: ask(port, "query?query=traces_span_metrics_calls_total")["result"])
        assert {call["metric"]["span_name"] for call in calls} == {"POST /charges", "POST"}
        now_s = now_ns // 1_000_000_000
        exemplars = eventually(
            lambda: ask(
                port,
                f"query_exemplars?query=traces_span_metrics_duration_seconds_bucket&start={now_s - 60}&end={now_s + 600}",
            )
        )
        assert exemplars[0]["exemplars"][0]["labels"]["trace_id"] == f"{now_ns:032x}"
