"""A Flask app started as its author would start it, with the agent in front."""

import json
import signal
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import (
    APPS,
    TRACESTITCH,
    App,
    FakeReceiver,
    SentSpan,
    environment,
    fake_receiver,
    free_port,
    line_of,
    running,
)

pytestmark = pytest.mark.processes
STOCK = APPS / "flask_stock.py"


@pytest.fixture(scope="module")
def receiver() -> Iterator[FakeReceiver]:
    with fake_receiver() as running_receiver:
        yield running_receiver


@pytest.fixture(scope="module")
def app(receiver: FakeReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    port = free_port()
    output = tmp_path_factory.mktemp("flask") / "output"
    command = [
        *TRACESTITCH,
        "run",
        "--service",
        "stock",
        "--environment",
        "staging",
        "python",
        "flask_stock.py",
    ]
    with running(
        [*command, str(port)], environ=environment(receiver.url), output=output, port=port
    ) as started:
        yield started
        assert "tracestitch:" not in started.said()  # nothing of ours failed


def only_span(receiver: FakeReceiver, path: str) -> SentSpan:
    def those() -> list[SentSpan]:
        return [span for span in receiver.server_spans() if span.attributes["url.path"] == path]

    receiver.wait_for(lambda _: bool(those()))
    [span] = those()
    return span


def test_a_request_is_one_server_span_with_route_and_view(app: App, receiver: FakeReceiver) -> None:
    status, _ = app.get(
        "/stock/abc?q=secret&page=2", headers={"User-Agent": "test", "Host": "shop.example:99"}
    )

    span = only_span(receiver, "/stock/abc")
    assert status == 200
    assert span.name == "GET /stock/<sku>"
    assert dict(span.attributes) == {
        "http.request.method": "GET",
        "http.route": "/stock/<sku>",
        "http.response.status_code": 200,
        "url.path": "/stock/abc",
        "url.query": "q=REDACTED&page=REDACTED",
        "url.scheme": "http",
        "server.address": "shop.example",
        "server.port": 99,
        "client.address": "127.0.0.1",
        "user_agent.original": "test",
        "network.protocol.version": "1.1",
        "code.file.path": str(STOCK),
        "code.line.number": line_of(STOCK, "def stock("),
        "code.function.name": "__main__.stock",
    }
    assert not span.is_error
    assert span.parent_id == ""


def test_the_resource_says_who_is_sending(app: App, receiver: FakeReceiver) -> None:
    app.get("/stock/resource")

    resource = only_span(receiver, "/stock/resource").resource
    assert resource["service.name"] == "stock"
    assert resource["deployment.environment.name"] == "staging"
    assert resource["process.pid"] == app.process.pid
    assert resource["telemetry.distro.name"] == "tracestitch"
    assert resource["tracestitch.app.root"] == str(APPS)
    assert len(resource["service.instance.id"]) == 36


def test_the_parent_comes_from_traceparent_and_goes_on_to_the_app(app: App, receiver: FakeReceiver) -> None:
    header = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"

    app.get("/stock/parent", headers={"traceparent": header})

    span = only_span(receiver, "/stock/parent")
    assert (span.trace_id, span.parent_id) == ("0af7651916cd43dd8448eb211c80319c", "b7ad6b7169203331")


def test_a_log_line_has_ids_location_template_and_no_secret(app: App, receiver: FakeReceiver) -> None:
    app.get("/stock/logged")

    span = only_span(receiver, "/stock/logged")
    receiver.wait_for(lambda got: len(got.logs_of(span)) == 1)
    [log] = receiver.logs_of(span)
    assert (log.trace_id, log.scope, log.severity, log.severity_number) == (span.trace_id, "stock", "INFO", 9)
    assert log.body == "looking up logged with password=REDACTED"
    assert log.attributes["tracestitch.log.template"] == "looking up %s with password=%s"
    assert log.attributes["tracestitch.log.arguments"] == ["logged", "REDACTED"]
    assert log.attributes["code.file.path"] == str(STOCK)
    assert log.attributes["code.line.number"] == line_of(STOCK, 'log.info("looking up')
    assert log.attributes["code.function.name"] == "__main__.stock"


def test_an_unhandled_exception_is_on_the_span_with_frames(app: App, receiver: FakeReceiver) -> None:
    assert app.get("/broken")[0] == 500

    span = only_span(receiver, "/broken")
    assert span.is_error
    assert span.status_message == "RuntimeError: the shelf fell, token=REDACTED"
    assert span.attributes["error.type"] == "RuntimeError"
    [event] = span.events
    assert event.name == "exception"
    assert event.attributes["exception.message"] == "the shelf fell, token=REDACTED"
    assert event.attributes["tracestitch.exception.handled"] is False
    assert "abcdef123456" not in event.attributes["exception.stacktrace"]
    innermost = json.loads(event.attributes["tracestitch.exception.frames"])[-1]
    assert innermost == {
        "file": str(STOCK),
        "line": line_of(STOCK, 'raise RuntimeError("the shelf'),
        "function": "__main__.broken",
        "in_app": True,
    }


def test_an_exception_of_an_errorhandler_is_handled_and_its_answer_has_a_shape(
    app: App, receiver: FakeReceiver
) -> None:
    assert app.get("/gone/abc")[0] == 409

    span = only_span(receiver, "/gone/abc")
    assert not span.is_error
    [event] = span.events
    assert event.attributes["exception.type"] == "__main__.OutOfStock"
    assert event.attributes["tracestitch.exception.handled"] is True
    assert span.attributes["tracestitch.response.content_type"] == "application/json"
    assert span.attributes["tracestitch.response.body_shape"] == "code:int,detail:str"


@pytest.mark.parametrize(("path", "route"), [("/missing", "/missing"), ("/nowhere", None)])
def test_404_is_no_error(app: App, receiver: FakeReceiver, path: str, route: str | None) -> None:
    assert app.get(path)[0] == 404

    span = only_span(receiver, path)
    assert not span.is_error
    assert span.events == []
    assert span.attributes.get("http.route") == route
    assert span.name == ("GET" if route is None else f"GET {route}")


def test_a_stream_belongs_to_its_request_to_the_last_byte(app: App, receiver: FakeReceiver) -> None:
    assert app.get("/stream") == (200, b"0\n1\n2\n")

    span = only_span(receiver, "/stream")
    receiver.wait_for(lambda got: len(got.logs_of(span)) == 3)
    assert [log.body for log in receiver.logs_of(span)] == ["row 0", "row 1", "row 2"]


def test_a_stream_that_breaks_is_an_error(app: App, receiver: FakeReceiver) -> None:
    with pytest.raises(Exception, match="IncompleteRead"):
        app.get("/broken-stream")

    span = only_span(receiver, "/broken-stream")
    assert span.is_error
    assert span.attributes["error.type"] == "sqlite3.OperationalError"


def test_a_view_class_is_found_at_its_method(app: App, receiver: FakeReceiver) -> None:
    app.get("/shelf")

    span = only_span(receiver, "/shelf")
    assert span.attributes["code.function.name"] == "__main__.Shelf.get"


def test_a_file_is_served_as_before(app: App, receiver: FakeReceiver) -> None:
    assert app.get("/file") == (200, STOCK.read_bytes())
    assert only_span(receiver, "/file").attributes["http.response.status_code"] == 200


@pytest.mark.parametrize(
    "command",
    [
        ["flask", "--app", "flask_stock", "run", "--port", "{port}"],
        ["flask", "--app", "flask_stock", "run", "--debug", "--port", "{port}"],
        ["gunicorn", "flask_stock:app", "-b", "127.0.0.1:{port}", "-w", "2"],
        ["gunicorn", "flask_stock:app", "-b", "127.0.0.1:{port}", "--preload", "--threads", "2"],
        ["uvicorn", "--interface", "wsgi", "flask_stock:app", "--port", "{port}"],
    ],
    ids=["flask run", "flask run --debug", "gunicorn", "gunicorn --preload gthread", "uvicorn wsgi"],
)
def test_every_server_gives_one_span_a_request(command: list[str], tmp_path: Path) -> None:
    port = free_port()
    arguments = [part.format(port=port) for part in command]
    with (
        fake_receiver() as receiver,
        running(
            [*TRACESTITCH, "run", *arguments],
            environ=environment(receiver.url),
            output=tmp_path / "output",
            port=port,
        ) as app,
    ):
        for number in range(10):
            assert app.get(f"/stock/{number}")[0] == 200
        receiver.wait_for(lambda got: len(got.server_spans()) >= 10)
        app.stop(signal.SIGINT if "flask" in command else signal.SIGTERM)
        paths = sorted(str(span.attributes["url.path"]) for span in receiver.server_spans())
        assert paths == [f"/stock/{number}" for number in range(10)]
        assert {span.resource["service.name"] for span in receiver.server_spans()} == {"flask_stock"}
        assert all(len(receiver.logs_of(span)) == 1 for span in receiver.server_spans())
        assert "tracestitch:" not in app.said()


def test_restful_resources_and_their_errors_are_seen(tmp_path: Path) -> None:
    port = free_port()
    command = [*TRACESTITCH, "run", "flask", "--app", "restful_prices", "run", "--port", str(port)]
    with (
        fake_receiver() as receiver,
        running(command, environ=environment(receiver.url), output=tmp_path / "output", port=port) as app,
    ):
        assert app.get("/price/abc")[0] == 200
        assert app.get("/price/broken")[0] == 500
        receiver.wait_for(lambda got: len(got.server_spans()) == 2)
        good, bad = receiver.server_spans()

    assert good.name == "GET /price/<sku>"
    assert good.attributes["code.function.name"] == "restful_prices.Price.get"
    assert bad.is_error
    assert [event.attributes["exception.type"] for event in bad.events] == ["ValueError"]
    assert bad.attributes["tracestitch.response.body_shape"] == "message:str"
    assert good.resource["service.name"] == "prices"


def test_hooks_and_error_handlers_are_told_with_their_time(app: App, receiver: FakeReceiver) -> None:
    assert app.get("/stages")[0] == 404

    told = [stage.split(" ", 3) for stage in only_span(receiver, "/stages").attributes["tracestitch.stages"]]
    assert {(kind, name) for kind, _, _, name in told} == {
        ("before_request", "__main__.unlock"),
        ("after_request", "__main__.lock"),
        ("teardown_request", "__main__.sweep"),
        ("error_handler", "__main__.not_found"),
    }
    took = {kind: float(ms) for kind, ms, _, _ in told}
    assert took["before_request"] >= 3
    assert took["error_handler"] >= 4
