"""The doctor on the way to the collector: each way of being unwell is made with a real socket and named."""

import contextlib
import socket
import ssl
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import grpc
import pytest

from tests.support.agent import FakeReceiver, fake_receiver, free_port
from tests.support.collector_states import STATES, serving
from tests.support.doctor import diagnose

pytestmark = pytest.mark.processes


@contextlib.contextmanager
def answering(
    status: int, headers: Mapping[str, str] | None = None, body: bytes = b""
) -> Iterator[FakeReceiver]:
    with fake_receiver() as receiver:
        receiver.answer = lambda _path: (status, headers or {}, body)
        yield receiver


def test_an_echo_that_a_foreign_collector_takes_is_said_to_be_so() -> None:
    with fake_receiver() as receiver:
        receiver.about = None
        found = diagnose(receiver.url)

        assert [span.name for span in receiver.spans] == ["echo of tracestitch doctor"]
        assert [log.body for log in receiver.logs] == ["echo of tracestitch doctor"]
        assert receiver.logs[0].trace_id == receiver.spans[0].trace_id
        assert receiver.spans[0].resource["service.name"] == "tracestitch-doctor"
    assert found.names == ["foreign-collector"]
    assert found.code == 0
    assert len(found.steps) == 2


def test_nobody_listens() -> None:
    found = diagnose(f"http://127.0.0.1:{free_port()}")

    assert found.names == ["collector-refused"]
    assert "tracestitch serve" in found.remedies["collector-refused"]


def test_a_name_without_an_address() -> None:
    assert diagnose("http://no-such-host.invalid:4318").names == ["name-unresolved"]


def test_a_proxy_that_is_set_is_not_followed() -> None:
    found = diagnose("http://no-such-host.invalid:4318", HTTP_PROXY="http://127.0.0.1:3128")

    assert found.names == ["proxy-ignored"]
    assert "HTTP_PROXY is set" in found.texts["proxy-ignored"]


def test_a_proxy_does_not_matter_where_no_proxy_excludes_the_collector() -> None:
    found = diagnose(
        "http://no-such-host.invalid:4318",
        HTTP_PROXY="http://127.0.0.1:3128",
        NO_PROXY="example.org,.invalid",
    )

    assert found.names == ["name-unresolved"]


@pytest.mark.parametrize("endpoint", ["collector:4318", "grpc://u:secret@collector:4317", "http://"])
def test_an_endpoint_that_is_no_address(endpoint: str) -> None:
    found = diagnose(endpoint)

    assert found.names == ["endpoint-invalid"]
    assert "secret" not in str(found)


@pytest.mark.parametrize(
    ("state", "condition"),
    [
        ("hanging", "no-answer"),
        ("garbage", "wrong-port"),
        ("200 with HTML", "wrong-port"),
        ("302", "redirected"),
        ("401", "token-missing"),
        ("429 for 30 s", "collector-busy"),
        ("503 for ever", "collector-busy"),
    ],
)
def test_a_collector_that_is_unwell(state: str, condition: str) -> None:
    port = free_port()
    [made] = [one for one in STATES if one.name == state]
    with serving(made.serve, port):
        found = diagnose(f"http://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_TIMEOUT="1")

    assert found.names == [condition]


def test_grpc_is_spoken_at_the_port() -> None:
    server = grpc.server(ThreadPoolExecutor(1))
    port = server.add_insecure_port("127.0.0.1:0")
    server.start()
    try:
        found = diagnose(f"http://127.0.0.1:{port}")
    finally:
        server.stop(None).wait()

    assert found.names == ["grpc-port"]
    assert "http://127.0.0.1:4318" in found.remedies["grpc-port"]


def test_a_proxys_page_in_the_collectors_place() -> None:
    page = b"<html><title>Proxy Authentication Required</title></html>"
    for status, headers in (
        (407, {"content-type": "text/html"}),
        (502, {"content-type": "text/html", "server": "nginx"}),
        (403, {"content-type": "text/html", "via": "1.1 squid"}),
    ):
        with answering(status, headers, page) as receiver:
            found = diagnose(receiver.url)

        assert found.names == ["proxy-answered"]
        assert "Proxy Authentication Required" in found.texts["proxy-answered"]


def test_something_else_answers_at_the_port() -> None:
    with answering(404, {"content-type": "application/json"}, b'{"detail":"Not Found"}') as receiver:
        assert diagnose(receiver.url).names == ["wrong-port"]


def test_the_path_is_in_the_endpoint_already() -> None:
    with fake_receiver() as receiver:
        receiver.answer = lambda path: (404, {}, b"") if path.count("/v1/") > 1 else None
        found = diagnose(f"{receiver.url}/v1/traces")

        assert found.names == ["endpoint-has-path"]
        assert found.remedies["endpoint-has-path"] == f"Set the endpoint to {receiver.url} alone."


def test_a_token_that_is_missing_and_one_that_is_wrong() -> None:
    with answering(401, {"www-authenticate": "Bearer"}) as receiver:
        assert diagnose(receiver.url).names == ["token-missing"]
        ours = diagnose(receiver.url, TRACESTITCH_TOKEN="hunter2")
        theirs = diagnose(receiver.url, OTEL_EXPORTER_OTLP_HEADERS="Authorization=Bearer%20hunter2")

    assert "Correct TRACESTITCH_TOKEN" in ours.remedies["token-wrong"]
    assert "Correct OTEL_EXPORTER_OTLP_HEADERS" in theirs.remedies["token-wrong"]
    assert "hunter2" not in f"{ours} {theirs}"


def test_a_host_name_that_the_collector_does_not_answer_to() -> None:
    with answering(421, {"content-type": "application/x-protobuf"}) as receiver:
        found = diagnose(receiver.url.replace("127.0.0.1", "localhost"))

    assert found.remedies["host-refused"] == "Start the collector with --allowed-host localhost."


def test_a_collector_that_is_full_says_what_is_full() -> None:
    body = b"\x08\x0e\x12\x40the log in /data/log cannot be written: No space left on device; free"
    with answering(503, {"content-type": "application/x-protobuf"}, body) as receiver:
        found = diagnose(receiver.url)

    assert found.names == ["collector-full"]
    assert "No space left on device" in found.texts["collector-full"]


def test_a_part_that_is_rejected_is_told() -> None:
    rejected = b"\x0a\x0b\x08\x01\x12\x07too old"
    with answering(200, {"content-type": "application/x-protobuf"}, rejected) as receiver:
        found = diagnose(receiver.url)

    assert "too old" in found.texts["echo-refused"]


@pytest.fixture(scope="module")
def certificate(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of nobody's authority, for 127.0.0.1; key and certificate in one file."""
    folder = tmp_path_factory.mktemp("certificate")
    command = [
        "openssl",
        "req",
        "-x509",
        "-newkey",
        "rsa:2048",
        "-nodes",
        "-days",
        "2",
        "-subj",
        "/CN=127.0.0.1",
    ]
    command += ["-addext", "subjectAltName=IP:127.0.0.1", "-keyout", "key.pem", "-out", "cert.pem"]
    try:
        subprocess.run(command, cwd=folder, check=True, capture_output=True)
    except FileNotFoundError:
        pytest.skip("openssl is not installed")
    whole = folder / "both.pem"
    whole.write_text((folder / "key.pem").read_text() + (folder / "cert.pem").read_text())
    return whole


@contextlib.contextmanager
def tls_port(certificate: Path) -> Iterator[int]:
    context = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
    context.load_cert_chain(certificate)
    listening = socket.create_server(("127.0.0.1", 0))

    def accept() -> None:
        while True:
            try:
                connection, _ = listening.accept()
            except OSError:
                return
            with contextlib.suppress(OSError), context.wrap_socket(connection, server_side=True) as made:
                data = b""
                while b"tracestitch-doctor" not in data and b"GET " not in data:
                    part = made.recv(65_536)
                    if not part:
                        break
                    data += part
                head = "HTTP/1.1 200 OK\r\ncontent-type: application/x-protobuf\r\ncontent-length: 0\r\n\r\n"
                made.sendall(head.encode())

    threading.Thread(target=accept, daemon=True).start()
    try:
        yield int(listening.getsockname()[1])
    finally:
        listening.shutdown(socket.SHUT_RDWR)
        listening.close()


def test_plain_words_to_a_port_that_speaks_tls(certificate: Path) -> None:
    with tls_port(certificate) as port:
        assert diagnose(f"http://127.0.0.1:{port}").names == ["tls-expected"]


def test_a_certificate_that_nobody_vouches_for_and_one_that_is_named(certificate: Path) -> None:
    with tls_port(certificate) as port:
        untrusted = diagnose(f"https://127.0.0.1:{port}")
        named = diagnose(
            f"https://127.0.0.1:{port}", OTEL_EXPORTER_OTLP_CERTIFICATE=str(certificate.with_name("cert.pem"))
        )

    assert untrusted.names == ["certificate-untrusted"]
    assert named.names == ["foreign-collector"]


def test_tls_to_a_port_that_does_not_speak_it() -> None:
    with fake_receiver() as receiver:
        found = diagnose(receiver.url.replace("http:", "https:"))

    assert found.names == ["tls-not-spoken"]


@pytest.mark.parametrize(("hours", "way"), [(1, "ahead of"), (-2, "behind")])
def test_clocks_that_differ(hours: int, way: str) -> None:
    with fake_receiver() as receiver:
        receiver.about = {"time_ns": time.time_ns() + hours * 3_600_000_000_000}
        found = diagnose(receiver.url)

    assert f" s {way} this machine's" in found.texts["clock-skew"]


def test_a_disk_that_is_nearly_full() -> None:
    with fake_receiver() as receiver:
        receiver.about = {"disk_free_bytes": 20_000_000, "disk_total_bytes": 10_000_000_000}
        found = diagnose(receiver.url)

    assert "20 MB left of 10,000 MB" in found.texts["disk-nearly-full"]


def test_a_collector_that_does_not_say_where_its_dashboard_is_can_be_told() -> None:
    with fake_receiver() as receiver:
        found = diagnose(receiver.url, "--server", f"http://127.0.0.1:{free_port()}")

    assert "cannot be reached" in found.texts["dashboard-unreachable"]
