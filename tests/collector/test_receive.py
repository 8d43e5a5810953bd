"""OTLP over HTTP, rule by rule, on a real socket."""

from __future__ import annotations

import gzip
import hashlib
import json
import zlib
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from google.protobuf.message import Message
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import (
    ExportMetricsServiceRequest,
    ExportMetricsServiceResponse,
)
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.support.otlp import log_request, otlp_log, otlp_span, trace_request
from tests.support.receiver import Answer, RunningReceiver, receiving
from tracestitch_collector.log import Kind
from tracestitch_collector.receive import intake
from tracestitch_collector.receive.limits import MIB, check_json
from tracestitch_collector.status import STORE_AWAY, Report, StatusFile

PROTOBUF = "application/x-protobuf"
JSON = "application/json"
TOO_LARGE_BYTES = 64 * MIB + 1


def metrics_bytes() -> bytes:
    request = ExportMetricsServiceRequest()
    metric = request.resource_metrics.add().scope_metrics.add().metrics.add(name="requests")
    metric.sum.data_points.add(as_int=1)
    return request.SerializeToString()


SAMPLES: dict[tuple[str, str], bytes] = {
    ("traces", PROTOBUF): trace_request(otlp_span(attributes={"a": "b"})).SerializeToString(),
    ("logs", PROTOBUF): log_request(otlp_log()).SerializeToString(),
    ("metrics", PROTOBUF): metrics_bytes(),
    ("traces", JSON): json.dumps(
        {"resourceSpans": [{"scopeSpans": [{"spans": [{"traceId": "0A" * 16, "spanId": "b0" * 8}]}]}]}
    ).encode(),
    ("logs", JSON): b'{"resourceLogs":[{"scopeLogs":[{"logRecords":[{"body":{"stringValue":"x"}}]}]}]}',
    ("metrics", JSON): json.dumps(
        {"resourceMetrics": [{"scopeMetrics": [{"metrics": [{"gauge": {"dataPoints": [{"asInt": "1"}]}}]}]}]}
    ).encode(),
}
SIGNALS = ("traces", "logs", "metrics")
RESPONSES: dict[str, type[Message]] = {
    "traces": ExportTraceServiceResponse,
    "logs": ExportLogsServiceResponse,
    "metrics": ExportMetricsServiceResponse,
}

every_signal = pytest.mark.parametrize("signal", SIGNALS)
every_encoding = pytest.mark.parametrize("encoding", [PROTOBUF, JSON])


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReceiver]:
    with receiving(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_old(receiver: RunningReceiver) -> None:
    receiver.new_records()


def status_of(answer: Answer) -> tuple[int, str]:
    """Code and message of a google.rpc.Status in the answer's encoding."""
    if answer.headers["content-type"] == JSON:
        document = json.loads(answer.body)
        assert set(document) == {"code", "message"}
        return document["code"], document["message"]
    assert answer.headers["content-type"] == PROTOBUF
    assert answer.body[0] == 0x08
    assert answer.body[2] == 0x12
    message = answer.body[4:] if answer.body[3] < 128 else answer.body[5:]
    return answer.body[1], message.decode()


def partial_success(signal: str, answer: Answer) -> tuple[int, str] | None:
    """Rejected items and message of a 200, None where the field is unset."""
    assert answer.status == 200
    noun = {"traces": "spans", "logs": "log_records", "metrics": "data_points"}[signal]
    if answer.headers["content-type"] == JSON:
        document = json.loads(answer.body)
        if document == {}:
            return None
        camel = "rejected" + noun.title().replace("_", "")
        partial = document["partialSuccess"]
        assert set(partial) <= {camel, "errorMessage"}
        return int(partial.get(camel, 0)), partial["errorMessage"]
    response: Any = RESPONSES[signal].FromString(answer.body)
    if not response.HasField("partial_success"):
        return None
    partial = response.partial_success
    return getattr(partial, f"rejected_{noun}"), partial.error_message


@every_signal
@every_encoding
def test_a_good_request_is_acknowledged_in_its_own_encoding_and_logged(
    receiver: RunningReceiver, signal: str, encoding: str
) -> None:
    answer = receiver.post(f"/v1/{signal}", SAMPLES[signal, encoding], content_type=encoding)
    assert (answer.status, answer.headers["content-type"]) == (200, encoding)
    assert partial_success(signal, answer) is None
    kinds = [record.kind for record in receiver.new_records()]
    assert kinds == [Kind[signal.upper()]]


@pytest.mark.parametrize("signal", ["traces", "logs"])
def test_protobuf_is_logged_as_it_came_with_the_digest_of_its_content(
    receiver: RunningReceiver, signal: str
) -> None:
    content = SAMPLES[signal, PROTOBUF]
    zipped = gzip.compress(content)
    receiver.post(f"/v1/{signal}", content, content_type=PROTOBUF)
    receiver.post(f"/v1/{signal}", zipped, content_type=PROTOBUF, content_encoding="gzip")
    plain, compressed = receiver.new_records()
    assert (plain.body, plain.gzip) == (content, False)
    assert (compressed.body, compressed.gzip) == (zipped, True)
    assert plain.digest == compressed.digest == hashlib.sha256(content).digest()[:16]


@every_signal
@every_encoding
@pytest.mark.parametrize("name", ["gzip", "GZIP", "x-gzip", "identity", ""])
def test_both_content_encodings_are_taken_however_they_are_spelt(
    receiver: RunningReceiver, signal: str, encoding: str, name: str
) -> None:
    body = SAMPLES[signal, encoding]
    body = gzip.compress(body) if "gzip" in name.lower() else body
    answer = receiver.post(f"/v1/{signal}", body, content_type=encoding, content_encoding=name)
    assert partial_success(signal, answer) is None


@every_signal
@every_encoding
def test_a_gzip_body_of_many_members_is_taken(receiver: RunningReceiver, signal: str, encoding: str) -> None:
    body = SAMPLES[signal, encoding]
    zipped = gzip.compress(body[:10]) + gzip.compress(body[10:])
    answer = receiver.post(f"/v1/{signal}", zipped, content_type=encoding, content_encoding="gzip")
    assert partial_success(signal, answer) is None


@every_signal
@every_encoding
def test_a_chunked_body_is_taken(receiver: RunningReceiver, signal: str, encoding: str) -> None:
    body = SAMPLES[signal, encoding]
    pieces = (body[at : at + 5] for at in range(0, len(body), 5))
    answer = receiver.request(
        "POST", f"/v1/{signal}", pieces, {"content-type": encoding, "transfer-encoding": "chunked"}
    )
    assert partial_success(signal, answer) is None


@every_signal
@pytest.mark.parametrize(
    ("encoding", "body"), [(PROTOBUF, b""), (JSON, b"{}"), (PROTOBUF, b"\x0a\x00"), (JSON, b' {"x":1}\n')]
)
def test_an_empty_request_is_acknowledged_and_not_logged(
    receiver: RunningReceiver, signal: str, encoding: str, body: bytes
) -> None:
    answer = receiver.post(f"/v1/{signal}", body, content_type=encoding)
    assert partial_success(signal, answer) is None
    assert receiver.new_records() == []


@every_signal
@pytest.mark.parametrize(
    "content_type",
    [f"{JSON}; charset=utf-8", f'{JSON};charset="UTF-8"', "Application/JSON", f"{JSON} ; x=y"],
)
def test_parameters_of_the_content_type_do_not_matter(
    receiver: RunningReceiver, signal: str, content_type: str
) -> None:
    answer = receiver.post(f"/v1/{signal}", SAMPLES[signal, JSON], content_type=content_type)
    assert (answer.status, answer.headers["content-type"]) == (200, JSON)


REFUSALS: list[tuple[str, int, int, dict[str, Any]]] = [
    ("not decodable", 400, 3, {"body": b"\xffnot at all"}),
    ("cut off", 400, 3, {"cut": 1}),
    ("gzip that is none", 400, 3, {"headers": {"content-encoding": "gzip"}}),
    ("gzip cut off", 400, 3, {"gzip": True, "cut": 3}),
    ("gzip with garbage after it", 400, 3, {"gzip": True, "after": b"garbage"}),
    ("gzip said and nothing there", 400, 3, {"body": b"", "headers": {"content-encoding": "gzip"}}),
    ("deflate", 415, 3, {"deflate": True, "headers": {"content-encoding": "deflate"}}),
    ("br", 415, 3, {"headers": {"content-encoding": "br"}}),
    ("zstd", 415, 3, {"headers": {"content-encoding": "zstd"}}),
    ("gzip twice", 415, 3, {"headers": {"content-encoding": "gzip, gzip"}}),
    ("GET", 405, 12, {"method": "GET"}),
    ("PUT", 405, 12, {"method": "PUT"}),
    ("DELETE", 405, 12, {"method": "DELETE"}),
    ("OPTIONS", 405, 12, {"method": "OPTIONS"}),
    ("a path below", 404, 5, {"path": "/more"}),
    ("a path beside", 404, 5, {"path": "x"}),
    ("a foreign host", 421, 7, {"headers": {"host": "evil.example"}}),
    ("too large inflated", 413, 8, {"zeros": True}),
]


@every_signal
@every_encoding
@pytest.mark.parametrize("case", REFUSALS, ids=[case[0] for case in REFUSALS])
def test_a_refusal_has_its_status_and_says_why_in_the_requests_encoding(
    receiver: RunningReceiver, signal: str, encoding: str, case: tuple[str, int, int, dict[str, Any]]
) -> None:
    _, status, code, how = case
    body: bytes = how.get("body", SAMPLES[signal, encoding])
    headers = {"content-type": encoding, **how.get("headers", {})}
    if how.get("zeros"):
        body, headers = gzip.compress(bytes(TOO_LARGE_BYTES)), {**headers, "content-encoding": "gzip"}
    if how.get("gzip"):
        body, headers = gzip.compress(body), {**headers, "content-encoding": "gzip"}
    if how.get("deflate"):
        body = zlib.compress(body)
    body = body[: len(body) - how.get("cut", 0)] + how.get("after", b"")

    answer = receiver.request(how.get("method", "POST"), f"/v1/{signal}{how.get('path', '')}", body, headers)

    assert (answer.status, answer.headers["content-type"]) == (status, encoding)
    assert status_of(answer)[0] == code
    assert len(status_of(answer)[1]) > 10
    assert answer.headers.get("allow") == ("POST" if status == 405 else None)
    assert receiver.new_records() == []


@every_signal
@pytest.mark.parametrize(
    "content_type",
    [
        "text/plain",
        "application/x-www-form-urlencoded",
        "multipart/form-data",
        "",
        f"{JSON}; charset=utf-16",
        "x/y",
    ],
)
def test_any_other_content_type_is_refused_in_json(
    receiver: RunningReceiver, signal: str, content_type: str
) -> None:
    answer = receiver.post(f"/v1/{signal}", SAMPLES[signal, JSON], content_type=content_type)
    assert answer.status == 415
    assert status_of(answer)[0] == 3


@every_encoding
def test_a_declared_length_beyond_the_limit_is_refused_without_waiting_for_it(
    receiver: RunningReceiver, encoding: str
) -> None:
    headers = {"content-type": encoding, "content-length": str(10 * 1024**3)}
    answer = receiver.request("POST", "/v1/traces", b"x", headers)
    assert answer.status == 413
    assert status_of(answer)[0] == 8


@every_encoding
def test_an_undeclared_length_beyond_the_limit_is_refused_on_the_way(
    receiver: RunningReceiver, encoding: str
) -> None:
    pieces = (bytes(MIB) for _ in range(66))
    answer = receiver.request(
        "POST", "/v1/traces", pieces, {"content-type": encoding, "transfer-encoding": "chunked"}
    )
    assert answer.status == 413
    assert status_of(answer)[0] == 8


def test_a_request_of_too_many_elements_is_looked_at_once(
    receiver: RunningReceiver, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked: list[int] = []

    def counting(body: bytes) -> None:
        looked.append(len(body))
        check_json(body)

    monkeypatch.setattr(intake, "check_json", counting)
    body = gzip.compress(b'{"resourceSpans":[' + b",".join([b"{}"] * 2_000_010) + b"]}")
    answer = receiver.post("/v1/traces", body, content_type=JSON, content_encoding="gzip")
    assert answer.status == 413
    assert "elements" in status_of(answer)[1]
    assert len(looked) == 1


def test_a_request_of_exactly_the_limit_is_taken(receiver: RunningReceiver) -> None:
    head = SAMPLES["traces", PROTOBUF]
    room = 64 * MIB - len(head) - 6
    filler = b"\xa2\x1f" + bytes(
        [room & 127 | 128, room >> 7 & 127 | 128, room >> 14 & 127 | 128, room >> 21]
    )
    body = head + filler + bytes(room)
    assert len(body) == 64 * MIB
    answer = receiver.post("/v1/traces", body, content_type=PROTOBUF)
    assert partial_success("traces", answer) is None
    answer = receiver.post("/v1/traces", body + b"\x00", content_type=PROTOBUF)
    assert answer.status == 413


@pytest.mark.parametrize(
    "path", ["/", "/v1", "/v1/profiles", "/v1/traces/", "/agent/x", "/%2e%2e/etc/passwd"]
)
def test_any_other_path_is_not_found_with_a_status(receiver: RunningReceiver, path: str) -> None:
    answer = receiver.request("GET", path)
    assert answer.status == 404
    assert status_of(answer)[0] == 5


def test_a_wrong_method_at_the_other_endpoints_says_which_is_right(receiver: RunningReceiver) -> None:
    for path in ("/agent", "/healthz", "/readyz", "/metrics"):
        answer = receiver.request("POST", path, b"x")
        assert (answer.status, answer.headers["allow"]) == (405, "GET")
        assert status_of(answer)[0] == 12


@every_encoding
def test_spans_with_wrong_ids_are_a_partial_success_and_never_logged(
    receiver: RunningReceiver, encoding: str
) -> None:
    if encoding == JSON:
        good = {"traceId": "ab" * 16, "spanId": "cd" * 8, "name": "good"}
        bad: list[dict[str, str]] = [
            {**good, "traceId": "ab" * 15},
            {**good, "traceId": "00" * 16},
            {**good, "traceId": ""},
            {**good, "spanId": "not hex at all.."},
            {**good, "parentSpanId": "xyz"},
        ]
        body = json.dumps({"resourceSpans": [{"scopeSpans": [{"spans": [bad[0], good, *bad[1:]]}]}]}).encode()
    else:
        wrong = [
            otlp_span(trace_id="ab" * 15),
            otlp_span(trace_id="00" * 16),
            otlp_span(trace_id=""),
            otlp_span(span_id="ab"),
            otlp_span(parent_span_id="ab"),
        ]
        body = trace_request(wrong[0], otlp_span(name="good"), *wrong[1:]).SerializeToString()

    answer = receiver.post("/v1/traces", body, content_type=encoding)

    partial = partial_success("traces", answer)
    assert partial is not None
    assert partial[0] == 5
    assert "trace_id" in partial[1]
    (record,) = receiver.new_records()
    assert record.body.count(b"good") == 1
    assert b"\x2a\x04good" in record.body
    assert record.digest == hashlib.sha256(record.body).digest()[:16]


def test_when_every_span_is_wrong_nothing_is_logged(receiver: RunningReceiver) -> None:
    body = trace_request(otlp_span(span_id="00" * 8)).SerializeToString()
    answer = receiver.post("/v1/traces", body, content_type=PROTOBUF)
    partial = partial_success("traces", answer)
    assert partial is not None
    assert partial[0] == 1
    assert receiver.new_records() == []


def test_everything_is_counted(receiver: RunningReceiver) -> None:
    def counts() -> tuple[float, ...]:
        return (
            receiver.count("tracestitch_receiver_accepted_total", signal="traces", transport="http"),
            receiver.count("tracestitch_receiver_requests_total", signal="traces", transport="http"),
            receiver.count("tracestitch_receiver_accepted_total", signal="metrics", transport="http"),
            receiver.count(
                "tracestitch_receiver_refused_total", signal="logs", transport="http", reason="malformed"
            ),
            receiver.count("tracestitch_receiver_errors_total"),
        )

    before = counts()
    two = trace_request(otlp_span(), otlp_span(name="two"), otlp_span(trace_id="00")).SerializeToString()
    receiver.post("/v1/traces", two, content_type=PROTOBUF)
    receiver.post("/v1/metrics", SAMPLES["metrics", PROTOBUF], content_type=PROTOBUF)
    receiver.post("/v1/logs", b"\xff", content_type=PROTOBUF)

    assert [new - old for new, old in zip(counts(), before, strict=True)] == [2, 1, 1, 1, 0]


def test_many_requests_on_one_connection_are_answered_in_turn(receiver: RunningReceiver) -> None:
    import http.client

    connection = http.client.HTTPConnection("127.0.0.1", receiver.receiver.http_port, timeout=30)
    statuses = []
    for body in (SAMPLES["traces", PROTOBUF], b"\xff", SAMPLES["traces", PROTOBUF]) * 5:
        connection.request("POST", "/v1/traces", body, {"content-type": PROTOBUF})
        answer = connection.getresponse()
        answer.read()
        statuses.append(answer.status)
    connection.close()
    assert statuses == [200, 400, 200] * 5


def test_the_agents_key_is_made_once_and_kept_private(tmp_path: Path) -> None:
    with receiving(tmp_path) as running:
        first = json.loads(running.request("GET", "/agent").body)["settings_key"]
    with receiving(tmp_path) as running:
        second = json.loads(running.request("GET", "/agent").body)["settings_key"]
    assert first == second
    assert len(bytes.fromhex(first)) == 32
    assert (tmp_path / "agent.key").stat().st_mode & 0o777 == 0o600


def test_health_and_readiness_are_told(receiver: RunningReceiver) -> None:
    assert receiver.request("GET", "/healthz").status == 200
    assert json.loads(receiver.request("GET", "/readyz").body) == {"ready": True}


def test_it_stays_ready_while_the_store_is_away_and_says_so(tmp_path: Path) -> None:
    with receiving(tmp_path) as running:
        pipeline = StatusFile(tmp_path / "status", "pipeline")
        pipeline.write(Report(alarms={STORE_AWAY: "Elasticsearch cannot be reached"}))
        answer = running.request("GET", "/readyz")
        assert answer.status == 200
        assert json.loads(answer.body) == {
            "ready": True,
            "store": "unavailable, buffering",
            "why": "Elasticsearch cannot be reached",
        }
        pipeline.write(Report())
        assert json.loads(running.request("GET", "/readyz").body) == {"ready": True}
