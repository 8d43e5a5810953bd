"""requests, urllib3 and httpx in a script that was started through `tracestitch run`."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from urllib.parse import urlsplit

import pytest

from tests.support.agent import (
    APPS,
    CLIENT,
    TRACESTITCH,
    FakeReceiver,
    SentSpan,
    environment,
    fake_receiver,
    free_port,
    line_of,
    run_to_end,
)
from tests.support.upstream import Upstream, upstream

pytestmark = pytest.mark.processes
SCRIPT = APPS / "http_calls.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Calls:
    """What one run of the script left behind."""

    receiver: FakeReceiver
    service: Upstream
    script: subprocess.CompletedProcess[str]

    def to(self, path: str) -> SentSpan:
        found = [span for span in self.receiver.spans if _path(span) == path]
        assert len(found) == 1, f"{len(found)} spans for {path}"
        return found[0]


def _path(span: SentSpan) -> str:
    return urlsplit(str(span.attributes["url.full"])).path


@pytest.fixture(scope="module")
def calls() -> Iterator[Calls]:
    with fake_receiver() as receiver, upstream() as service:
        nobody = f"http://127.0.0.1:{free_port()}"
        command = (*TRACESTITCH, "run", "--service", "caller", "python", SCRIPT.name, service.url, nobody)
        script = run_to_end(command, environ=environment(receiver.url))
        assert script.returncode == 0, script.stderr
        yield Calls(receiver=receiver, service=service, script=script)


@pytest.mark.parametrize(
    ("path", "client", "comment"),
    [
        ("/requests/plain", "requests", "# requests without limit"),
        ("/urllib3/plain", "urllib3", "# urllib3 without limit"),
        ("/httpx/plain", "httpx", "# httpx with its default"),
        ("/httpx/async/1", "httpx", "# asynchronously"),
    ],
)
def test_a_call_tells_its_place_in_the_code_and_hands_its_trace_on(
    calls: Calls, path: str, client: str, comment: str
) -> None:
    span = calls.to(path)
    assert (span.name, span.kind, span.is_error) == ("GET", CLIENT, False)
    assert span.attributes["tracestitch.http.client"] == client
    assert span.attributes["http.request.method"] == "GET"
    assert span.attributes["http.response.status_code"] == 200
    assert span.attributes["server.address"] == "127.0.0.1"
    assert span.attributes["server.port"] == int(calls.service.url.rpartition(":")[2])
    assert span.attributes["code.file.path"] == str(SCRIPT)
    assert span.attributes["code.line.number"] == line_of(SCRIPT, comment)
    (headers,) = calls.service.asked(path)
    assert headers["traceparent"].split("-")[1:3] == [span.trace_id, span.span_id]


@pytest.mark.parametrize(
    ("path", "connect_s", "read_s"),
    [
        ("/requests/plain", None, None),
        ("/requests/number", 3.0, 3.0),
        ("/requests/pair", 3.05, 10.0),
        ("/requests/half", 3.05, None),
        ("/requests/adapter", 7.0, 7.0),
        ("/urllib3/plain", None, None),
        ("/urllib3/total", 4.0, 4.0),
        ("/urllib3/parts", 1.0, 2.0),
        ("/urllib3/pool", 6.0, 6.0),
        ("/urllib3/default", 9.0, 9.0),
        ("/httpx/plain", 5.0, 5.0),
        ("/httpx/none", None, None),
        ("/httpx/own", 2.0, 8.0),
        ("/httpx/async/2", 5.0, 5.0),
    ],
)
def test_the_limits_are_those_that_really_hold(
    calls: Calls, path: str, connect_s: float | None, read_s: float | None
) -> None:
    attributes = calls.to(path).attributes
    assert attributes.get("tracestitch.timeout.connect_s") == connect_s
    assert attributes.get("tracestitch.timeout.read_s") == read_s
    assert attributes["tracestitch.timeout.missing"] is (read_s is None)


def test_values_in_the_query_do_not_leave_the_process(calls: Calls) -> None:
    assert str(calls.to("/requests/plain").attributes["url.full"]).endswith(
        "?password=REDACTED&page=REDACTED"
    )


def test_an_answer_of_500_and_above_is_an_error(calls: Calls) -> None:
    span = calls.to("/status/503")
    assert span.is_error
    assert (span.attributes["http.response.status_code"], span.attributes["error.type"]) == (503, "503")


def test_a_call_that_nobody_answers_is_an_error_and_reaches_the_user_as_ever(calls: Calls) -> None:
    span = calls.to("/requests/refused")
    assert span.is_error
    assert span.attributes["error.type"] == "requests.exceptions.ConnectionError"
    assert span.status_message.startswith("ConnectionError: ")
    assert span.attributes["code.line.number"] == line_of(SCRIPT, "# nobody there")
    assert "refused ConnectionError" in calls.script.stdout


def test_a_redirect_is_a_call_within_the_call(calls: Calls) -> None:
    outer, inner = calls.to("/moved"), calls.to("/here")
    assert inner.parent_id == outer.span_id
    assert outer.attributes["http.response.status_code"] == 200
    (headers,) = calls.service.asked("/here")
    assert headers["traceparent"].split("-")[2] == inner.span_id


def test_retries_beneath_a_call_are_counted_on_it(calls: Calls) -> None:
    assert len(calls.service.asked("/flaky")) == 3
    assert calls.to("/flaky").attributes["http.request.resend_count"] == 2


def test_the_headers_of_the_user_arrive_and_stay_untouched(calls: Calls) -> None:
    (with_own,) = calls.service.asked("/urllib3/plain")
    (with_those_of_the_pool,) = calls.service.asked("/urllib3/pool")
    assert with_own["x-shared"] == with_those_of_the_pool["x-pool"] == "1"
    assert "shared headers {'X-Shared': '1'}" in calls.script.stdout


def test_a_streamed_answer_still_streams(calls: Calls) -> None:
    assert "streamed ok" in calls.script.stdout
    assert calls.to("/requests/stream").attributes["http.response.status_code"] == 200


def test_a_call_that_asks_not_to_be_observed_is_not(calls: Calls) -> None:
    headers, *more = calls.service.asked("/suppressed")
    assert len(more) == 2
    assert "traceparent" not in headers
    assert not [span for span in calls.receiver.spans if _path(span) == "/suppressed"]


def test_nothing_failed_inside_the_agent(calls: Calls) -> None:
    assert "tracestitch" not in calls.script.stderr
