"""A fake receiver of OTLP/HTTP that keeps what it gets, and real apps started through `tracestitch run`."""

import contextlib
import gzip
import http.client
import json
import os
import random
import signal
import socket
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceRequest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, KeyValue
from opentelemetry.proto.logs.v1.logs_pb2 import LogRecord
from opentelemetry.proto.trace.v1.trace_pb2 import Span

REPOSITORY = Path(__file__).resolve().parents[2]
APPS = REPOSITORY / "tests" / "agent" / "apps"
PATIENCE_S = 30.0

SERVER, CLIENT, PRODUCER, CONSUMER = (
    Span.SPAN_KIND_SERVER,
    Span.SPAN_KIND_CLIENT,
    Span.SPAN_KIND_PRODUCER,
    Span.SPAN_KIND_CONSUMER,
)
ACCESS_LOGGERS = (
    *("django.server", "django.channels.server", "werkzeug"),
    *("gunicorn.access", "uvicorn.access", "hypercorn.access"),
)


@dataclass(frozen=True, slots=True, kw_only=True)
class SentEvent:
    name: str
    attributes: Mapping[str, Any]


@dataclass(frozen=True, slots=True, kw_only=True)
class SentSpan:
    resource: Mapping[str, Any]
    scope: str
    name: str
    kind: int
    trace_id: str
    span_id: str
    parent_id: str
    start_ns: int
    end_ns: int
    attributes: Mapping[str, Any]
    events: Sequence[SentEvent]
    is_error: bool
    status_message: str


@dataclass(frozen=True, slots=True, kw_only=True)
class SentLog:
    resource: Mapping[str, Any]
    scope: str
    body: Any
    severity: str
    severity_number: int
    event_name: str
    trace_id: str
    span_id: str
    attributes: Mapping[str, Any]


def plain(value: AnyValue) -> Any:
    kind = value.WhichOneof("value")
    if kind == "array_value":
        return [plain(item) for item in value.array_value.values]
    if kind == "kvlist_value":
        return plain_map(value.kvlist_value.values)
    return getattr(value, kind) if kind else None


def plain_map(pairs: Sequence[KeyValue]) -> dict[str, Any]:
    return {pair.key: plain(pair.value) for pair in pairs}


def read_spans(body: bytes) -> list[SentSpan]:
    request = ExportTraceServiceRequest.FromString(body)
    return [
        _sent_span(plain_map(of_resource.resource.attributes), of_scope.scope.name, span)
        for of_resource in request.resource_spans
        for of_scope in of_resource.scope_spans
        for span in of_scope.spans
    ]


def read_logs(body: bytes) -> list[SentLog]:
    request = ExportLogsServiceRequest.FromString(body)
    return [
        _sent_log(plain_map(of_resource.resource.attributes), of_scope.scope.name, record)
        for of_resource in request.resource_logs
        for of_scope in of_resource.scope_logs
        for record in of_scope.log_records
    ]


def _sent_span(resource: Mapping[str, Any], scope: str, span: Span) -> SentSpan:
    return SentSpan(
        resource=resource,
        scope=scope,
        name=span.name,
        kind=span.kind,
        trace_id=span.trace_id.hex(),
        span_id=span.span_id.hex(),
        parent_id=span.parent_span_id.hex(),
        start_ns=span.start_time_unix_nano,
        end_ns=span.end_time_unix_nano,
        attributes=plain_map(span.attributes),
        events=[SentEvent(name=event.name, attributes=plain_map(event.attributes)) for event in span.events],
        is_error=span.status.code == 2,
        status_message=span.status.message,
    )


def _sent_log(resource: Mapping[str, Any], scope: str, record: LogRecord) -> SentLog:
    return SentLog(
        resource=resource,
        scope=scope,
        body=plain(record.body),
        severity=record.severity_text,
        severity_number=record.severity_number,
        event_name=record.event_name,
        trace_id=record.trace_id.hex(),
        span_id=record.span_id.hex(),
        attributes=plain_map(record.attributes),
    )


@dataclass(slots=True, kw_only=True)
class FakeReceiver:
    """Answers like a collector, unless told otherwise."""

    url: str
    spans: list[SentSpan] = field(default_factory=list)
    logs: list[SentLog] = field(default_factory=list)
    bodies: list[bytes] = field(default_factory=list)
    headers: list[Mapping[str, str]] = field(default_factory=list)
    paths: list[str] = field(default_factory=list)
    # Gives (status, headers, body) for a request; None: the usual 200.
    answer: Callable[[str], tuple[int, Mapping[str, str], bytes] | None] = lambda path: None
    # What it tells at /agent beside the key; None: it is no collector of ours, there is no such page.
    about: Mapping[str, Any] | None = field(default_factory=dict)

    def wait_for(self, enough: Callable[["FakeReceiver"], bool]) -> "FakeReceiver":
        deadline = time.monotonic() + PATIENCE_S
        while not enough(self):
            assert time.monotonic() < deadline, f"not in time; there are {self.summary()}"
            time.sleep(0.02)
        return self

    def server_spans(self, service: str | None = None) -> list[SentSpan]:
        return [
            span
            for span in list(self.spans)
            if span.kind == SERVER and service in (None, span.resource["service.name"])
        ]

    def children(self, parent: SentSpan) -> list[SentSpan]:
        mine = [
            span
            for span in list(self.spans)
            if span.trace_id == parent.trace_id and span.parent_id == parent.span_id
        ]
        return sorted(mine, key=lambda span: span.start_ns)

    def logs_of(self, span: SentSpan) -> list[SentLog]:
        """What the app logged; not what the server says about the request."""
        told = [log for log in list(self.logs) if log.scope not in ACCESS_LOGGERS]
        return [log for log in told if log.span_id == span.span_id]

    def summary(self) -> str:
        spans = [f"{span.resource.get('service.name')}: {span.name}" for span in list(self.spans)]
        logs = [f"{log.scope}: {log.body}"[:120] for log in list(self.logs)]
        return "\n".join(["spans", *spans, "logs", *logs])


@contextlib.contextmanager
def fake_receiver(port: int = 0) -> Iterator[FakeReceiver]:
    receiver = FakeReceiver(url="")

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_GET(self) -> None:
            told = json.dumps({"settings_key": "ab" * 32, **(receiver.about or {})}).encode()
            known = self.path == "/agent" and receiver.about is not None
            self._reply(200 if known else 404, {"content-type": "application/json"}, told)

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            other = receiver.answer(self.path)
            if other is not None:
                self._reply(*other)
                return
            receiver.bodies.append(body)
            receiver.paths.append(self.path)
            receiver.headers.append({key.lower(): value for key, value in self.headers.items()})
            if self.headers.get("content-encoding") == "gzip":
                body = gzip.decompress(body)
            if self.path == "/v1/traces":
                receiver.spans += read_spans(body)
            elif self.path == "/v1/logs":
                receiver.logs += read_logs(body)
            self._reply(200, {"content-type": "application/x-protobuf"}, b"")

        def _reply(self, status: int, headers: Mapping[str, str], body: bytes) -> None:
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the name it has in the library
            pass

    class Server(ThreadingHTTPServer):
        daemon_threads = True

        def handle_error(self, request: Any, client_address: Any) -> None:
            pass  # an app that is killed breaks its connection off

    server = Server(("127.0.0.1", port), Handler)
    receiver.url = f"http://127.0.0.1:{server.server_address[1]}"
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True)
    thread.start()
    try:
        yield receiver
    finally:
        server.shutdown()
        server.server_close()
        thread.join(5)


@contextlib.contextmanager
def hanging_receiver() -> Iterator[str]:
    """Accepts connections and never answers; gives its URL."""
    with socket.create_server(("127.0.0.1", 0), backlog=64) as listening:
        yield f"http://127.0.0.1:{listening.getsockname()[1]}"


def free_port() -> int:
    with socket.create_server(("127.0.0.1", 0)) as probe:
        port: int = probe.getsockname()[1]
        return port


def ports_to_keep(count: int) -> list[int]:
    """Free ports that no outgoing connection is given, however many there are until somebody listens on them."""
    found: list[int] = []
    for port in random.sample(range(15_000, 32_000), 2_000):
        with contextlib.suppress(OSError), socket.create_server(("127.0.0.1", port)):
            found.append(port)
        if len(found) == count:
            return found
    raise AssertionError(f"no {count} free ports between 15000 and 32000")


def environment(endpoint: str | None, **more: str) -> dict[str, str]:
    """This process's environment without anything that steers an agent, then what the test wants."""
    kept = {
        name: value
        for name, value in os.environ.items()
        if not name.startswith(("OTEL_", "TRACESTITCH_", "DJANGO_", "FLASK_", "PYTHON"))
    }
    kept["PATH"] = os.pathsep.join([os.path.dirname(sys.executable), kept.get("PATH", "")])
    if endpoint is not None:
        kept["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
    return {**kept, **more}


TRACESTITCH = (sys.executable, "-m", "tracestitch")


def run_to_end(
    command: Sequence[str], *, environ: Mapping[str, str], folder: Path = APPS, timeout_s: float = 60.0
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [str(part) for part in command],
        cwd=folder,
        env=dict(environ),
        capture_output=True,
        text=True,
        timeout=timeout_s,
        check=False,
    )


@dataclass(slots=True, kw_only=True)
class App:
    """A server process, ready to answer."""

    process: subprocess.Popen[str]
    port: int
    output: Path

    def get(
        self,
        path: str,
        headers: Mapping[str, str] | None = None,
        method: str = "GET",
        body: bytes | None = None,
    ) -> tuple[int, bytes]:
        connection = http.client.HTTPConnection("127.0.0.1", self.port, timeout=PATIENCE_S)
        try:
            connection.request(method, path, body=body, headers=dict(headers or {}))
            response = connection.getresponse()
            return response.status, response.read()
        finally:
            connection.close()

    def said(self) -> str:
        return self.output.read_text(errors="replace")

    def stop(self, number: int = signal.SIGTERM) -> int:
        """Sends the signal and gives the exit code."""
        if self.process.poll() is None:
            self.process.send_signal(number)
        try:
            return self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            raise


@contextlib.contextmanager
def running(
    command: Sequence[str],
    *,
    environ: Mapping[str, str],
    output: Path,
    port: int,
    folder: Path = APPS,
    patience_s: float = PATIENCE_S,
) -> Iterator[App]:
    """Starts the command and waits until something listens on the port; stops its whole process group."""
    with output.open("w") as log:
        process = subprocess.Popen(
            [str(part) for part in command],
            cwd=folder,
            env=dict(environ),
            stdout=log,
            stderr=subprocess.STDOUT,
            text=True,
            start_new_session=True,
        )
    app = App(process=process, port=port, output=output)
    try:
        deadline = time.monotonic() + patience_s
        while not _listens(port):
            assert process.poll() is None, f"it ended with {process.returncode}: {app.said()}"
            assert time.monotonic() < deadline, f"it does not listen: {app.said()}"
            time.sleep(0.05)
        yield app
    finally:
        with contextlib.suppress(subprocess.TimeoutExpired):
            app.stop()
        with contextlib.suppress(ProcessLookupError):
            os.killpg(process.pid, signal.SIGKILL)
        process.wait(PATIENCE_S)


def _listens(port: int) -> bool:
    with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
        return True
    return False


def line_of(file: Path, text: str) -> int:
    """The number of the only line that holds this text, so that tests need not count lines."""
    found = [number for number, line in enumerate(file.read_text().splitlines(), 1) if text in line]
    assert len(found) == 1, f"{text!r} is in lines {found} of {file}"
    return found[0]
