"""The line that a server writes about a request stands in the trace of this request, and of no other."""

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest
from opentelemetry.trace import NonRecordingSpan, SpanContext, TraceFlags

from tests.matrix.cell import NotInstallable
from tests.matrix.servers import HYPERCORN
from tests.support.agent import fake_receiver, free_port, running
from tests.support.apart import environ_of
from tracestitch import access_lines

SERVERS = {
    "runserver": ("django.server", ["python", "served_django.py", "runserver", "--noreload", "{port}"]),
    "flask run": ("werkzeug", ["flask", "--app", "served_flask", "run", "--port", "{port}"]),
    "gunicorn": (
        "gunicorn.access",
        [
            "gunicorn",
            "--threads",
            "2",
            "--access-logfile",
            "-",
            "-b",
            "127.0.0.1:{port}",
            "served_django:wsgi",
        ],
    ),
    "uvicorn": ("uvicorn.access", ["uvicorn", "--port", "{port}", "served_django:asgi"]),
    "hypercorn": (
        "hypercorn.access",
        ["hypercorn", "--access-logfile", "-", "-b", "127.0.0.1:{port}", "served_django:asgi"],
    ),
}
SPAN = NonRecordingSpan(SpanContext(7, 9, is_remote=False, trace_flags=TraceFlags(1)))


@pytest.mark.processes
@pytest.mark.parametrize("name", SERVERS)
def test_the_access_line_of_a_server_has_the_trace_of_its_request(name: str, tmp_path: Path) -> None:
    logger, command = SERVERS[name]
    port = free_port()
    python = interpreter_for(name)
    whole = [str(python), "-m", "tracestitch", "run", *(part.format(port=port) for part in command)]
    with (
        fake_receiver() as receiver,
        running(whole, environ=environ_of(python, receiver.url), output=tmp_path / "log", port=port) as app,
    ):
        for path in ("/pay/ann?how=card", "/pay/b%C3%B6b", "/nowhere"):
            app.get(path)
        receiver.wait_for(
            lambda got: len([log for log in got.logs if log.scope == logger and "/" in log.body]) >= 3
        )
        receiver.wait_for(lambda got: len(got.server_spans()) >= 3)

    lines = [log for log in receiver.logs if log.scope == logger and "GET /" in log.body]
    for word in ("ann", "b", "nowhere"):
        span = next(span for span in receiver.server_spans() if f"/{word}" in span.attributes["url.path"])
        line = next(line for line in lines if f"/{word}" in line.body)
        assert (line.trace_id, line.span_id) == (span.trace_id, span.span_id)


def interpreter_for(server: str) -> Path:
    if server != "hypercorn":
        return Path(sys.executable)
    try:
        return HYPERCORN.build()
    except NotInstallable as why:
        pytest.skip(str(why))


@pytest.fixture
def paid() -> Iterator[None]:
    access_lines.remember(SPAN, "GET", "/pay/ann")
    yield
    access_lines.forget()


@pytest.mark.usefixtures("paid")
def test_a_line_is_of_the_request_whose_method_and_path_it_names() -> None:
    served = access_lines.request_of('\x1b[32m"GET /pay/a%6en?how=card HTTP/1.1" 200 4\x1b[0m')
    assert served is not None
    assert (served.trace_id, served.span_id, served.flags) == (7, 9, 1)


@pytest.mark.usefixtures("paid")
@pytest.mark.parametrize(
    "line",
    [
        '"POST /pay/ann HTTP/1.1" 200 4',
        '"GET /pay/bob HTTP/1.1" 200 4',
        '"GET /pay/ann/ HTTP/1.1" 200 4',
        '"GET /pay/bob HTTP/1.1" 200 4 "GET /pay/ann HTTP/1.1"',
        "Watching for file changes with StatReloader",
        "",
    ],
)
def test_a_line_of_another_request_or_of_none_joins_no_trace(line: str) -> None:
    assert access_lines.request_of(line) is None


@pytest.mark.usefixtures("paid")
def test_a_request_has_one_line() -> None:
    line = '"GET /pay/ann HTTP/1.1" 200 4'
    assert access_lines.request_of(line) is not None
    assert access_lines.request_of(line) is None
