"""Failures that a Flask app hides, tells or raises: on this Python, which has no `sys.monitoring`, and on newer ones."""

import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.agent import (
    APPS,
    REPOSITORY,
    App,
    FakeReceiver,
    SentEvent,
    environment,
    fake_receiver,
    free_port,
    line_of,
    running,
)
from tests.support.newer_python import newer_python
from tests.support.upstream import upstream

pytestmark = pytest.mark.processes
APP = APPS / "flask_quotes.py"
EVENT = "tracestitch.exception.swallowed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Quotes:
    app: App
    receiver: FakeReceiver

    def swallowed_at(self, path: str, name: str = EVENT) -> list[SentEvent]:
        before = len(self.receiver.server_spans())
        self.app.get(path)
        self.receiver.wait_for(lambda got: len(got.server_spans()) > before)
        span = [span for span in self.receiver.server_spans() if span.attributes["url.path"] == path][-1]
        return [event for event in span.events if event.name == name]


@pytest.fixture(scope="module", params=["3.11", "3.12", "3.13"])
def quotes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quotes]:
    packages = ["flask", "requests", "sqlalchemy"]
    this = f"{sys.version_info[0]}.{sys.version_info[1]}"
    python = Path(sys.executable) if request.param == this else newer_python(request.param, packages)
    port, output = free_port(), tmp_path_factory.mktemp("quotes") / "app.log"
    with fake_receiver() as receiver, upstream() as service:
        environ = environment(
            receiver.url,
            PORT=str(port),
            UPSTREAM_URL=service.url,
            NOBODY_URL=f"http://127.0.0.1:{free_port()}",
            PYTHONPATH=str(REPOSITORY / "instrumentation"),
        )
        command = (str(python), "-m", "tracestitch", "run", "--service", "quotes", str(python), APP.name)
        with running(command, environ=environ, output=output, port=port) as app:
            yield Quotes(app=app, receiver=receiver)
        assert "this is said only once" not in output.read_text()


@pytest.mark.parametrize(
    ("path", "comment", "error"),
    [
        ("/hidden", "# hides it at once", "requests.exceptions.ConnectionError"),
        ("/kept", "# keeps it and says nothing", "requests.exceptions.ConnectionError"),
        ("/second-clause", "# hides it in the second clause", "requests.exceptions.ConnectionError"),
        ("/status-hidden", "# hides the status", "requests.exceptions.HTTPError"),
        ("/database-hidden", "# hides the database", "sqlalchemy.exc.OperationalError"),
        ("/raised-and-hidden", "# hides it further out", "flask_quotes.NoQuote"),
    ],
)
def test_a_hidden_failure_is_told_with_the_line_of_its_except(
    quotes: Quotes, path: str, comment: str, error: str
) -> None:
    (event,) = quotes.swallowed_at(path)
    # Without monitoring the error that began it is told, and of an answer the class that the `except` names.
    kinds = {error, "HTTPError", "requests.exceptions.ConnectionError"}
    assert event.attributes["exception.type"].replace("__main__", "flask_quotes") in kinds
    assert event.attributes["code.file.path"] == str(APP)
    assert event.attributes["code.line.number"] == line_of(APP, comment)
    assert "hunter2" not in repr(event)


@pytest.mark.parametrize(
    "path",
    ["/logged", "/told", "/told-later", "/passed-on", "/raised", "/raised-anew", "/unhandled", "/ordinary"],
)
def test_a_failure_that_was_told_raised_or_never_left_the_process_is_not_swallowed(
    quotes: Quotes, path: str
) -> None:
    assert quotes.swallowed_at(path) == []


@pytest.mark.parametrize("path", ["/captured", "/printed", "/logged"])
def test_a_failure_that_was_given_to_a_tracker_or_printed_was_told(quotes: Quotes, path: str) -> None:
    assert quotes.swallowed_at(path) == []
    (event,) = quotes.swallowed_at(path, "tracestitch.exception.told")
    assert event.attributes["exception.type"] == "requests.exceptions.ConnectionError"


def test_a_line_may_allow_itself_to_swallow(quotes: Quotes) -> None:
    (event,) = quotes.swallowed_at("/allowed")
    assert event.attributes["tracestitch.ignore"] == ["swallowed-error quotes are decoration"]
