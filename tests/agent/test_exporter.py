"""The exporter's thread against a fake receiver: what is delivered, kept, dropped and said."""

import threading
import time
from collections.abc import Iterator, Mapping
from typing import Any

import pytest
from opentelemetry.proto.collector.logs.v1.logs_service_pb2 import ExportLogsServiceResponse

from tests.support.agent import FakeReceiver, fake_receiver, free_port, hanging_receiver
from tracestitch.encode import LogEntry
from tracestitch.exporter import Exporter
from tracestitch.safety import Failures
from tracestitch.settings import from_environment
from tracestitch.spans import Span
from tracestitch.tracing import build_provider
from tracestitch.transport import LARGEST_REPLY, Transport, Unreachable

Answer = tuple[int, Mapping[str, str], bytes] | None


def exporter(url: str, **environ: str) -> Exporter:
    settings = from_environment({"OTEL_EXPORTER_OTLP_ENDPOINT": url, **environ}, "/srv")
    return Exporter(settings, lambda: {"service.name": "shop"})


def entry(body: str) -> LogEntry:
    return LogEntry(time.time_ns(), 9, "INFO", "shop", body, {})


@pytest.fixture(autouse=True)
def failures(monkeypatch: pytest.MonkeyPatch) -> Failures:
    """A count of their own: that of the process holds what other tests made fail, and the exporter reports it."""
    fresh = Failures()
    monkeypatch.setattr("tracestitch.safety.FAILURES", fresh)
    monkeypatch.setattr("tracestitch.exporter.FAILURES", fresh)
    return fresh


@pytest.fixture
def receiver() -> Iterator[FakeReceiver]:
    with fake_receiver() as running:
        yield running


def bodies(receiver: FakeReceiver) -> list[str]:
    return [log.body for log in receiver.logs if not log.event_name]


def test_what_is_put_in_arrives_without_being_asked_for(receiver: FakeReceiver) -> None:
    out = exporter(receiver.url)

    for number in range(3):
        out.add_log(entry(f"line {number}"), 100)

    receiver.wait_for(lambda got: len(got.logs) == 3)
    assert bodies(receiver) == ["line 0", "line 1", "line 2"]
    assert receiver.logs[0].resource == {"service.name": "shop"}


def test_a_flush_sends_all_of_a_full_queue(receiver: FakeReceiver) -> None:
    out = exporter(receiver.url)
    for number in range(2000):
        out.add_log(entry(f"line {number}"), 100)

    assert out.flush(20)

    assert bodies(receiver) == [f"line {number}" for number in range(2000)]


def test_a_flush_waits_for_what_is_just_being_encoded(receiver: FakeReceiver) -> None:
    out = exporter(receiver.url)
    begun, go_on = threading.Event(), threading.Event()

    class EncodedSlowly(dict[str, Any]):
        def items(self) -> Any:
            begun.set()
            assert go_on.wait(20)
            return super().items()

    out.add_log(entry("slow")._replace(attributes=EncodedSlowly(key="value")), 100)
    assert begun.wait(20)
    threading.Timer(0.1, go_on.set).start()

    assert out.flush(20)

    assert bodies(receiver) == ["slow"]


def test_the_headers_are_those_of_otlp(receiver: FakeReceiver) -> None:
    out = exporter(receiver.url, TRACESTITCH_TOKEN="t0ken", OTEL_EXPORTER_OTLP_COMPRESSION="gzip")
    out.add_log(entry("line"), 100)

    assert out.flush(20)

    headers = receiver.headers[0]
    assert headers["content-type"] == "application/x-protobuf"
    assert headers["content-encoding"] == "gzip"
    assert headers["authorization"] == "Bearer t0ken"
    assert headers["user-agent"].startswith("tracestitch/")


def test_a_batch_that_must_wait_is_sent_again_byte_for_byte(receiver: FakeReceiver) -> None:
    refused: list[str] = []

    def answer(path: str) -> Answer:
        refused.append(path)
        return (503, {"retry-after": "0.05"}, b"") if len(refused) < 3 else None

    seen: list[bytes] = []
    real_answer = answer
    receiver.answer = real_answer
    out = exporter(receiver.url)
    sent = out._transport.request

    def noting(method: str, url: str, body: bytes, headers: Mapping[str, str]) -> Any:
        seen.append(body)
        return sent(method, url, body, headers)

    out._transport.request = noting  # type: ignore[method-assign]  # listens on the wire

    out.add_log(entry("line"), 100)

    receiver.wait_for(lambda got: bodies(got) == ["line"])
    assert len(seen) >= 3
    assert len(set(seen[:3])) == 1


def test_a_collector_that_comes_back_gets_what_was_kept(capfd: pytest.CaptureFixture[str]) -> None:
    port = free_port()
    out = exporter(f"http://127.0.0.1:{port}")
    out.add_log(entry("early"), 100)
    assert not out.flush(5)

    with fake_receiver(port) as receiver:
        receiver.wait_for(lambda got: bodies(got) == ["early"])


def test_a_collector_that_is_not_there_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    out = exporter(f"http://127.0.0.1:{free_port()}")

    for _ in range(3):
        out.add_log(entry("line"), 100)
        out.flush(5)

    said = [record.getMessage() for record in caplog.records if record.name == "tracestitch"]
    assert len(said) == 1
    assert "does not take data" in said[0]
    assert "tracestitch serve" in said[0]


def test_a_login_page_is_not_taken_for_success(
    receiver: FakeReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = lambda path: (200, {"content-type": "text/html"}, b"<h1>Log in</h1>")
    out = exporter(receiver.url)
    out.add_log(entry("lost"), 100)
    out.flush(5)
    assert "no OTLP receiver" in caplog.text

    receiver.answer = lambda path: None
    out.add_log(entry("kept"), 100)

    receiver.wait_for(lambda got: any(log.event_name == "tracestitch.agent.losses" for log in got.logs))
    losses = next(log.body for log in receiver.logs if log.event_name == "tracestitch.agent.losses")
    assert losses == {"refused_logs": 1}
    assert bodies(receiver) == ["kept"]


def test_a_refused_signal_neither_holds_up_the_other_nor_fills_the_log(
    receiver: FakeReceiver, caplog: pytest.LogCaptureFixture
) -> None:
    receiver.answer = lambda path: (404, {}, b"") if path == "/v1/traces" else None
    out = exporter(receiver.url)

    for number in range(5):
        out.add_span(finished_span())
        out.add_log(entry(f"line {number}"), 100)
        assert out.flush(20)

    assert bodies(receiver) == [f"line {number}" for number in range(5)]
    assert receiver.logs[-1].body == {"refused_spans": 5}
    assert len([record for record in caplog.records if record.name == "tracestitch"]) == 1


def finished_span() -> Span:
    tracer = build_provider(exporter("http://127.0.0.1:9", OTEL_TRACES_EXPORTER="none"), {}).get_tracer("app")
    span = tracer.start_span("work")
    span.end()
    assert isinstance(span, Span)
    return span


def test_a_partial_success_is_counted_and_not_sent_again(receiver: FakeReceiver) -> None:
    response = ExportLogsServiceResponse()
    response.partial_success.rejected_log_records = 1
    response.partial_success.error_message = "bad"
    body = response.SerializeToString()
    answers: list[str] = []

    def answer(path: str) -> Answer:
        answers.append(path)
        return (200, {"content-type": "application/x-protobuf"}, body) if len(answers) == 1 else None

    receiver.answer = answer
    out = exporter(receiver.url)
    out.add_log(entry("line"), 100)

    receiver.wait_for(lambda got: len(got.logs) > 0)
    assert [log.body for log in receiver.logs] == [{"rejected_logs": 1}]


def test_a_full_queue_drops_its_oldest_and_the_next_export_says_how_many() -> None:
    port = free_port()
    out = exporter(f"http://127.0.0.1:{port}", OTEL_BSP_MAX_QUEUE_SIZE="100")
    out.add_log(entry("first"), 100)
    out.flush(5)  # the first stays in the hand of the exporter
    for number in range(150):
        out.add_log(entry(f"line {number}"), 100)

    with fake_receiver(port) as receiver:
        receiver.wait_for(lambda got: any(log.event_name for log in got.logs))

    losses = next(log.body for log in receiver.logs if log.event_name == "tracestitch.agent.losses")
    assert losses == {"dropped_logs": 50}
    assert bodies(receiver) == ["first", *[f"line {number}" for number in range(50, 150)]]


def test_a_queue_is_bounded_by_bytes_too() -> None:
    out = exporter(f"http://127.0.0.1:{free_port()}")

    for _ in range(100):
        out.add_log(entry("x"), 1_000_000)

    assert len(out.logs) <= 16
    assert out.logs.dropped >= 84


def test_a_switched_off_signal_is_not_queued(receiver: FakeReceiver) -> None:
    out = exporter(receiver.url, OTEL_LOGS_EXPORTER="none")

    out.add_log(entry("line"), 100)

    assert len(out.logs) == 0


def test_flushing_towards_a_hanging_collector_ends_in_time() -> None:
    with hanging_receiver() as url:
        out = exporter(url)
        out.add_log(entry("line"), 100)

        start = time.monotonic()
        delivered = out.flush(0.5)

    assert not delivered
    assert time.monotonic() - start < 2  # half a second and the machine's noise


def test_flushing_nothing_takes_no_time_and_starts_no_thread() -> None:
    out = exporter("http://127.0.0.1:9")

    assert out.flush(5)
    assert not out._started.locked()


def test_background_jobs_run_once_and_a_failing_one_stops_nothing(receiver: FakeReceiver) -> None:
    out = exporter(receiver.url)
    ran: list[str] = []

    def fails() -> None:
        ran.append("fails")
        raise RuntimeError("a job broke")

    out.background(fails)
    out.background(lambda: ran.append("after"))
    assert out.flush(20)
    out.add_log(entry("line"), 100)
    assert out.flush(20)

    assert ran == ["fails", "after"]
    assert bodies(receiver) == ["line"]


def test_the_settings_key_is_the_collectors_and_none_where_it_has_none(receiver: FakeReceiver) -> None:
    assert exporter(receiver.url).settings_key() == bytes.fromhex("ab" * 32)
    assert exporter(f"http://127.0.0.1:{free_port()}").settings_key() is None


def test_a_huge_reply_is_not_read_to_its_end(receiver: FakeReceiver) -> None:
    receiver.answer = lambda path: (200, {"content-type": "x/y"}, b"a" * (LARGEST_REPLY + 1_000_000))
    transport = Transport(timeout_s=10, certificate=None)

    reply = transport.request("POST", f"{receiver.url}/v1/logs", b"x", {})

    assert len(reply.body) == LARGEST_REPLY


def test_a_connection_that_the_collector_closed_is_opened_again() -> None:
    port = free_port()
    transport = Transport(timeout_s=10, certificate=None)
    url = f"http://127.0.0.1:{port}/v1/logs"
    for _ in range(2):
        with fake_receiver(port):
            assert transport.request("POST", url, b"", {}).status == 200


def test_an_endpoint_that_is_no_url_is_unreachable_and_not_an_error() -> None:
    with pytest.raises(Unreachable, match="not an http"):
        Transport(timeout_s=1, certificate=None).request("POST", "collector:4318", b"", {})
