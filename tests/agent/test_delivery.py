"""What a reply of the collector, or of something that is none, means."""

import email.utils

import pytest
from opentelemetry.proto.collector.trace.v1.trace_service_pb2 import ExportTraceServiceResponse

from tracestitch.delivery import Verdict, judge, partial_success, wrong_port
from tracestitch.transport import Reply

NOW_S = 1_700_000_000.0
PROTOBUF = {"content-type": "application/x-protobuf"}


def verdict(status: int, headers: dict[str, str] | None = None, body: bytes = b"") -> Verdict:
    return judge(Reply(status=status, headers=headers or {}, body=body), NOW_S)


def test_an_otlp_200_is_delivered() -> None:
    assert verdict(200, PROTOBUF) == Verdict(delivered=True)
    assert verdict(200) == Verdict(delivered=True)


def test_a_partial_success_is_delivered_and_says_how_much_was_rejected() -> None:
    response = ExportTraceServiceResponse()
    response.partial_success.rejected_spans = 300
    response.partial_success.error_message = "bad ids"

    found = verdict(200, PROTOBUF, response.SerializeToString())

    assert (found.delivered, found.rejected) == (True, 300)
    assert "bad ids" in found.reason


@pytest.mark.parametrize(
    "found",
    [
        verdict(200, {"content-type": "text/html"}, b"<h1>Log in"),
        verdict(204),
        verdict(302),
        verdict(200, {}, b"ok"),
    ],
)
def test_what_is_no_otlp_receiver_is_not_believed(found: Verdict) -> None:
    assert not found.delivered
    assert not found.retry
    assert found.reason


@pytest.mark.parametrize("status", [429, 502, 503, 504])
def test_only_what_the_specification_allows_is_tried_again(status: int) -> None:
    assert verdict(status).retry


@pytest.mark.parametrize("status", [400, 401, 404, 413, 500])
def test_other_refusals_are_final(status: int) -> None:
    found = verdict(status)
    assert not found.retry
    assert not found.delivered
    assert str(status) in found.reason


@pytest.mark.parametrize(
    ("header", "expected"),
    [
        ("1", 1.0),
        ("3600", 5.0),
        ("-5", 0.0),
        ("soon", None),
        ("nan", None),
        ("", None),
        (email.utils.formatdate(NOW_S + 3, usegmt=True), 3.0),
        (email.utils.formatdate(NOW_S - 60, usegmt=True), 0.0),
    ],
)
def test_retry_after_is_honoured_up_to_five_seconds(header: str, expected: float | None) -> None:
    assert verdict(503, {"retry-after": header}).retry_after_s == expected


@pytest.mark.parametrize("body", [b"\xff", b"\x0a\xff", b"\x0b", b"\x08" + b"\xff" * 20, b"\x0a\x01\x08"])
def test_a_broken_reply_body_is_no_partial_success(body: bytes) -> None:
    assert partial_success(body) == (0, "")


def test_a_port_of_another_protocol_is_told() -> None:
    assert wrong_port("http://127.0.0.1:4317/v1/traces").startswith("Port 4317 is OTLP's gRPC port; ")
    assert "dashboard" in wrong_port("http://collector:4380/v1/logs")
    assert wrong_port("http://127.0.0.1:4318/v1/traces") == wrong_port("http://x:y/") == ""
