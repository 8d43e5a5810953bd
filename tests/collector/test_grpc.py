"""OTLP over gRPC, rule by rule, on a real socket."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import grpc
import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tests.support.otlp import log_request, otlp_log, otlp_span, trace_request
from tests.support.receiver import RunningReceiver, receiving
from tests.support.server import eventually
from tracestitch_collector.log import Kind
from tracestitch_collector.receive.limits import MIB
from tracestitch_collector.receive.shapes import LOGS, METRICS, SIGNALS, TRACES, Signal

TOKEN = "correct-horse-battery"
SPANS = trace_request(otlp_span(attributes={"a": "b"})).SerializeToString()
RETRY_INFO = b"\x0a\x02\x08\x01"  # retry_delay { seconds: 1 }


@pytest.fixture(scope="module")
def receiver(tmp_path_factory: pytest.TempPathFactory) -> Iterator[RunningReceiver]:
    with receiving(tmp_path_factory.mktemp("data")) as running:
        yield running


@pytest.fixture(autouse=True)
def _nothing_old(receiver: RunningReceiver) -> None:
    receiver.new_records()


def export(
    receiver: RunningReceiver,
    body: bytes,
    signal: Signal = TRACES,
    *,
    authority: str = "",
    metadata: tuple[tuple[str, str], ...] = (),
    compression: grpc.Compression = grpc.Compression.NoCompression,
    method: str = "",
) -> bytes:
    options = [("grpc.default_authority", authority)] if authority else []
    with grpc.insecure_channel(receiver.grpc, options=options) as channel:
        call = channel.unary_unary(method or signal.grpc_method, bytes, bytes)
        answer: bytes = call(body, timeout=60, metadata=metadata, compression=compression)
        return answer


def refusal(receiver: RunningReceiver, body: bytes, **how: object) -> grpc.RpcError:
    with pytest.raises(grpc.RpcError) as refused:
        export(receiver, body, **how)  # type: ignore[arg-type]  # passed on
    return refused.value


def trailers_of(error: grpc.RpcError) -> dict[str, bytes]:
    """The binary ones."""
    return {item.key: item.value for item in error.trailing_metadata() or () if isinstance(item.value, bytes)}


@pytest.mark.parametrize("compression", [grpc.Compression.NoCompression, grpc.Compression.Gzip])
def test_spans_are_acknowledged_and_logged(receiver: RunningReceiver, compression: grpc.Compression) -> None:
    assert export(receiver, SPANS, compression=compression) == b""
    (record,) = receiver.new_records()
    assert (record.kind, record.body, record.gzip) == (Kind.TRACES, SPANS, False)


def test_logs_are_logged_and_metrics_are_counted(receiver: RunningReceiver) -> None:
    logs = log_request(otlp_log()).SerializeToString()
    assert export(receiver, logs, LOGS) == b""
    assert export(receiver, b"", METRICS) == b""
    assert [record.kind for record in receiver.new_records()] == [Kind.LOGS]


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_an_empty_request_is_acknowledged(receiver: RunningReceiver, signal: Signal) -> None:
    assert export(receiver, b"", signal) == b""
    assert receiver.new_records() == []


def test_spans_with_wrong_ids_are_a_partial_success(receiver: RunningReceiver) -> None:
    body = trace_request(otlp_span(trace_id="00" * 16), otlp_span()).SerializeToString()
    response = ExportTraceServiceResponse.FromString(export(receiver, body))
    assert response.partial_success.rejected_spans == 1
    assert "trace_id" in response.partial_success.error_message
    (record,) = receiver.new_records()
    assert record.body == trace_request(otlp_span()).SerializeToString()


@pytest.mark.parametrize("signal", SIGNALS, ids=lambda signal: signal.name)
def test_what_cannot_be_decoded_is_an_invalid_argument_and_not_to_be_retried(
    receiver: RunningReceiver, signal: Signal
) -> None:
    error = refusal(receiver, b"\xffnot at all", signal=signal)
    assert error.code() is grpc.StatusCode.INVALID_ARGUMENT
    trailers = trailers_of(error)
    assert trailers["grpc-status-details-bin"].startswith(b"\x08\x03\x12")
    assert "google.rpc.retryinfo-bin" not in trailers


def test_a_message_beyond_the_limit_is_resource_exhausted(receiver: RunningReceiver) -> None:
    for compression in (grpc.Compression.NoCompression, grpc.Compression.Gzip):
        error = refusal(receiver, bytes(64 * MIB + 1), compression=compression)
        assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
        assert "google.rpc.retryinfo-bin" not in trailers_of(error)


def test_a_message_that_grpc_itself_refuses_is_counted(receiver: RunningReceiver) -> None:
    def counted() -> float:
        labels = {"signal": "logs", "transport": "grpc", "reason": "not received"}
        return receiver.count("tracestitch_receiver_refused_total", **labels)

    before = counted()
    refusal(receiver, bytes(64 * MIB + 1), signal=LOGS)
    eventually(lambda: counted() == before + 1)  # the answer is sent before it is counted
    assert receiver.new_records() == []


def test_a_bomb_of_elements_is_resource_exhausted(receiver: RunningReceiver) -> None:
    bomb = b"\x0a\x00" * (16 * MIB)
    error = refusal(receiver, bomb, compression=grpc.Compression.Gzip)
    assert error.code() is grpc.StatusCode.RESOURCE_EXHAUSTED
    assert export(receiver, SPANS) == b""


@pytest.mark.parametrize(
    "authority", ["evil.example", "evil.example:4317", "localhost.evil.example", "10.1.2.3:4317"]
)
def test_a_foreign_authority_is_refused(receiver: RunningReceiver, authority: str) -> None:
    error = refusal(receiver, SPANS, authority=authority)
    assert error.code() is grpc.StatusCode.PERMISSION_DENIED
    assert receiver.new_records() == []


@pytest.mark.parametrize("authority", ["localhost", "localhost:4317", "127.0.0.1:1", "[::1]:4317"])
def test_an_authority_of_ours_is_let_in(receiver: RunningReceiver, authority: str) -> None:
    assert export(receiver, SPANS, authority=authority) == b""


@pytest.mark.parametrize(
    "method",
    [
        "/opentelemetry.proto.collector.profiles.v1development.ProfilesService/Export",
        "/grpc.reflection.v1.ServerReflection/ServerReflectionInfo",
        "/grpc.reflection.v1alpha.ServerReflection/ServerReflectionInfo",
        "/x/y",
    ],
)
def test_there_is_no_other_service_and_no_reflection(receiver: RunningReceiver, method: str) -> None:
    error = refusal(receiver, b"", method=method)
    assert error.code() is grpc.StatusCode.UNIMPLEMENTED


def test_with_a_token_only_those_who_show_it_are_let_in(tmp_path: Path) -> None:
    with receiving(tmp_path, token=TOKEN) as running:
        for metadata in ((), (("authorization", "Bearer wrong"),), (("authorization", TOKEN),)):
            error = refusal(running, SPANS, metadata=metadata)
            assert error.code() is grpc.StatusCode.UNAUTHENTICATED
        assert export(running, SPANS, metadata=(("authorization", f"Bearer {TOKEN}"),)) == b""
        assert len(running.new_records()) == 1


def test_a_full_log_is_unavailable_with_the_wait_in_both_trailers(tmp_path: Path) -> None:
    with receiving(tmp_path, max_log_size_bytes=1000) as running:
        body = trace_request(otlp_span(attributes={"noise": os.urandom(2000).hex()})).SerializeToString()
        error = refusal(running, body)
        assert error.code() is grpc.StatusCode.UNAVAILABLE
        trailers = trailers_of(error)
        assert trailers["google.rpc.retryinfo-bin"] == RETRY_INFO
        details = trailers["grpc-status-details-bin"]
        assert details.startswith(b"\x08\x0e\x12")
        assert details.endswith(b"type.googleapis.com/google.rpc.RetryInfo\x12\x04" + RETRY_INFO)
        assert export(running, SPANS) == b""
        refused = running.count(
            "tracestitch_receiver_refused_total", signal="traces", transport="grpc", reason="log unavailable"
        )
        assert refused == 1
