"""Real OpenTelemetry exporters against the real receiver, and /metrics read by the real promtool."""

from __future__ import annotations

import shutil
import subprocess
import threading
from http.server import BaseHTTPRequestHandler
from pathlib import Path
from socketserver import ThreadingUnixStreamServer
from typing import Any

import pytest
from opentelemetry.exporter.otlp.proto.grpc.trace_exporter import OTLPSpanExporter as GrpcExporter
from opentelemetry.exporter.otlp.proto.http import Compression
from opentelemetry.exporter.otlp.proto.http.trace_exporter import OTLPSpanExporter as HttpExporter
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.sdk.resources import Resource
from opentelemetry.sdk.trace import ReadableSpan, TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult
from opentelemetry.sdk.trace.export.in_memory_span_exporter import InMemorySpanExporter

from tests.support.receiver import RunningReceiver, receiving
from tracestitch_collector.receive.limits import inflate

TOKEN = "correct-horse-battery"


def finished_spans(count: int) -> tuple[ReadableSpan, ...]:
    memory = InMemorySpanExporter()
    provider = TracerProvider(resource=Resource.create({"service.name": "shop"}))
    provider.add_span_processor(SimpleSpanProcessor(memory))
    tracer = provider.get_tracer("tests")
    for number in range(count):
        with tracer.start_as_current_span(f"span {number}") as span:
            span.set_attribute("list", ["a", "b"])
            span.add_event("event", {"n": number})
    return memory.get_finished_spans()


def logged_names(running: RunningReceiver) -> list[str]:
    names = []
    for record in running.new_records():
        request = ExportTraceServiceRequest.FromString(inflate(record.body) if record.gzip else record.body)
        names += [
            span.name
            for resource in request.resource_spans
            for scope in resource.scope_spans
            for span in scope.spans
        ]
    return names


def exporter(running: RunningReceiver, kind: str, **more: Any) -> SpanExporter:
    if kind == "grpc":
        return GrpcExporter(endpoint=running.grpc, insecure=True, **more)
    compression = Compression.Gzip if kind == "http gzip" else Compression.NoCompression
    return HttpExporter(endpoint=f"{running.http}/v1/traces", compression=compression, **more)


@pytest.mark.parametrize("kind", ["http", "http gzip", "grpc"])
def test_the_stock_exporters_deliver_every_span(tmp_path: Path, kind: str) -> None:
    spans = finished_spans(100)
    with receiving(tmp_path) as running:
        sender = exporter(running, kind)
        assert sender.export(spans) is SpanExportResult.SUCCESS
        sender.shutdown()
        assert logged_names(running) == [f"span {number}" for number in range(100)]


@pytest.mark.parametrize("kind", ["http", "grpc"])
def test_the_stock_exporters_get_in_with_a_token(tmp_path: Path, kind: str) -> None:
    spans = finished_spans(1)
    headers: Any = {"authorization": f"Bearer {TOKEN}"}
    with receiving(tmp_path, token=TOKEN) as running:
        sender = exporter(running, kind, headers=headers)
        assert sender.export(spans) is SpanExportResult.SUCCESS
        sender.shutdown()
        assert logged_names(running) == ["span 0"]


class _Pipeline(ThreadingUnixStreamServer):
    """Exposes what it is given, as the pipeline does."""

    def __init__(self, path: Path, body: bytes) -> None:
        accepts: list[str] = []

        class Handler(BaseHTTPRequestHandler):
            def do_GET(self) -> None:
                accepts.append(self.headers["Accept"])
                self.send_response(200)
                self.end_headers()
                self.wfile.write(body)

            def log_message(self, *_: object) -> None:
                pass

            def address_string(self) -> str:
                return ""

        super().__init__(str(path), Handler)
        self.accepts = accepts
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()


THEIRS = b"# HELP tracestitch_demo_total A counter.\n# TYPE tracestitch_demo_total counter\ntracestitch_demo_total 7.0\n"
OPEN_METRICS = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"


def promtool(text: bytes) -> subprocess.CompletedProcess[bytes]:
    return subprocess.run(["promtool", "check", "metrics"], input=text, capture_output=True, check=False)


def test_metrics_hold_the_receivers_counters_and_the_pipelines_exposition(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with receiving(tmp_path) as running, _Pipeline(tmp_path / "run" / "metrics.sock", THEIRS) as pipeline:
        running.post("/v1/metrics", b"\xff", content_type="application/x-protobuf")
        answer = running.request("GET", "/metrics", headers={"accept": "text/plain"})
        pipeline.shutdown()
    assert answer.status == 200
    assert answer.headers["content-type"].startswith("text/plain")
    lines = answer.body.decode().splitlines()
    assert "tracestitch_demo_total 7.0" in lines
    assert "tracestitch_pipeline_up 1.0" in lines
    assert (
        'tracestitch_receiver_refused_total{reason="malformed",signal="metrics",transport="http"} 1.0'
        in lines
    )
    assert pipeline.accepts == ["text/plain"]
    if shutil.which("promtool"):
        checked = promtool(answer.body)
        assert (checked.returncode, checked.stderr) == (0, b"")


def test_open_metrics_are_negotiated_and_end_once(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    theirs = (
        THEIRS.replace(b"demo_total A", b"demo A").replace(b"demo_total counter", b"demo counter")
        + b"# EOF\n"
    )
    with receiving(tmp_path) as running, _Pipeline(tmp_path / "run" / "metrics.sock", theirs) as pipeline:
        answer = running.request("GET", "/metrics", headers={"accept": OPEN_METRICS})
        pipeline.shutdown()
    assert answer.headers["content-type"].startswith("application/openmetrics-text")
    assert answer.body.count(b"# EOF") == 1
    assert answer.body.endswith(b"tracestitch_demo_total 7.0\n# EOF\n")
    assert pipeline.accepts == [OPEN_METRICS]


@pytest.mark.parametrize("accept", ["", "text/plain", OPEN_METRICS])
def test_without_the_pipeline_the_receivers_counters_are_still_exposed(tmp_path: Path, accept: str) -> None:
    with receiving(tmp_path) as running:
        answer = running.request("GET", "/metrics", headers={"accept": accept})
    assert answer.status == 200
    assert b"tracestitch_pipeline_up 0.0" in answer.body


def test_metrics_need_the_token_and_health_does_not(tmp_path: Path) -> None:
    with receiving(tmp_path, token=TOKEN) as running:
        bearer = {"authorization": f"Bearer {TOKEN}"}
        paths = ("/metrics", "/agent", "/healthz", "/readyz")
        assert [running.request("GET", path).status for path in paths] == [401, 401, 200, 200]
        assert [running.request("GET", path, headers=bearer).status for path in paths] == [200] * 4
        refused = running.post("/v1/traces", b"", content_type="application/x-protobuf")
        assert (refused.status, refused.headers["www-authenticate"]) == (401, "Bearer")
        evil = {"host": "evil.example"}
        assert [running.request("GET", path, headers=evil).status for path in paths] == [421, 421, 200, 200]
