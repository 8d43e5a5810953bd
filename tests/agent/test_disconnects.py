"""Clients that go away before they have their answer, requests at the same time, and calls that are tried again."""

import socket
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.agent import App, FakeReceiver, SentSpan, environment, fake_receiver, free_port, running
from tests.support.upstream import upstream

pytestmark = pytest.mark.processes
LEFT = "tracestitch.client.disconnected"


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    app: App
    receiver: FakeReceiver

    def leave(self, path: str) -> SentSpan:
        """Asks, reads a little of the answer if there is any, and goes away."""
        with socket.create_connection(("127.0.0.1", self.app.port), timeout=20) as connection:
            connection.sendall(f"GET {path} HTTP/1.1\r\nHost: x\r\n\r\n".encode())
            if "thinking" in path:
                connection.settimeout(1)
                with pytest.raises(TimeoutError):
                    connection.recv(10)
            else:
                assert connection.recv(10)
        return self.span_of(path)

    def span_of(self, path: str) -> SentSpan:
        def known() -> list[SentSpan]:
            return [span for span in self.receiver.server_spans() if span.attributes["url.path"] == path]

        self.receiver.wait_for(lambda _: bool(known()))
        return known()[-1]


def serve(tmp_path: Path, command: Sequence[str], port: int) -> Iterator[Service]:
    with fake_receiver() as receiver, upstream() as service:
        environ = environment(receiver.url, PORT=str(port), UPSTREAM_URL=service.url)
        whole = (sys.executable, "-m", "tracestitch", "run", "--service", "leaving", sys.executable, *command)
        with running(whole, environ=environ, output=tmp_path / "log", port=port) as app:
            yield Service(app=app, receiver=receiver)
        assert "said only once" not in app.said()


@pytest.fixture(scope="module")
def flask(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    yield from serve(tmp_path_factory.mktemp("flask"), ["leaving_flask.py"], free_port())


def wsgi(port: int) -> list[str]:
    return ["-m", "gunicorn", "--threads", "2", "-b", f"127.0.0.1:{port}", "leaving_django:wsgi"]


def asgi(port: int) -> list[str]:
    return ["-m", "uvicorn", "--port", str(port), "leaving_django:asgi"]


def test_a_client_of_flask_that_leaves_a_stream_is_told_and_no_error(flask: Service) -> None:
    span = flask.leave("/endless")

    assert span.attributes[LEFT] is True
    assert not span.is_error
    assert span.events == []


def test_a_stream_that_is_read_to_its_end_was_not_left(flask: Service) -> None:
    assert flask.app.get("/ends") == (200, b"rowrowrow")

    assert LEFT not in flask.span_of("/ends").attributes


@pytest.mark.parametrize(
    ("command", "path"), [(wsgi, "/endless"), (asgi, "/endless-async"), (asgi, "/thinking")]
)
def test_a_client_of_django_that_leaves_is_told_and_no_error(
    tmp_path: Path, command: object, path: str
) -> None:
    port = free_port()
    for service in serve(tmp_path, wsgi(port) if command is wsgi else asgi(port), port):
        assert service.app.get("/ends") == (200, b"rowrowrow")
        assert LEFT not in service.span_of("/ends").attributes

        span = service.leave(path)

        assert span.attributes[LEFT] is True
        assert not span.is_error


def test_a_request_tells_how_many_were_under_way_when_it_began(flask: Service) -> None:
    first = threading.Thread(target=flask.app.get, args=("/slow",))
    first.start()
    counts = {1}
    while first.is_alive():
        flask.app.get("/ends")
        spans = flask.receiver.wait_for(lambda got: bool(got.server_spans())).server_spans()
        counts |= {int(str(span.attributes.get("tracestitch.requests.in_flight", 1))) for span in spans}

    assert counts == {1, 2}


def test_a_loop_that_tries_again_counts_its_attempts(flask: Service) -> None:
    flask.app.get("/loop")
    calls = flask.receiver.children(flask.span_of("/loop"))

    assert [call.attributes.get("tracestitch.retry.attempt") for call in calls] == [None, 2, 3, None]


def test_what_an_adapter_of_requests_sends_again_is_one_call_with_a_count(flask: Service) -> None:
    assert flask.app.get("/adapter") == (200, b'{"status":200}\n')
    (call,) = flask.receiver.children(flask.span_of("/adapter"))

    assert call.attributes["http.request.resend_count"] == 2
