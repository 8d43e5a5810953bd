"""Failures that a Flask app on a newer Python hides, tells or raises."""

from collections.abc import Iterator
from dataclasses import dataclass

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

    def swallowed_at(self, path: str) -> list[SentEvent]:
        before = len(self.receiver.server_spans())
        self.app.get(path)
        self.receiver.wait_for(lambda got: len(got.server_spans()) > before)
        (span,) = [span for span in self.receiver.server_spans() if span.attributes["url.path"] == path]
        return [event for event in span.events if event.name == EVENT]


@pytest.fixture(scope="module", params=["3.12", "3.13"])
def quotes(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Quotes]:
    python = newer_python(request.param, ["flask", "requests", "sqlalchemy"])
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
    assert event.attributes["exception.type"].replace("__main__", "flask_quotes") == error
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


def test_a_line_may_allow_itself_to_swallow(quotes: Quotes) -> None:
    (event,) = quotes.swallowed_at("/allowed")
    assert event.attributes["tracestitch.ignore"] == ["swallowed-error quotes are decoration"]
