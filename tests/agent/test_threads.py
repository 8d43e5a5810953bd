"""Work that a request gives to threads is part of its trace, and the threads are as without an agent."""

import threading
from collections.abc import Callable, Iterator
from contextvars import Context, ContextVar
from dataclasses import dataclass

import pytest
from opentelemetry import trace
from opentelemetry.trace import NonRecordingSpan, SpanContext

from tests.support.agent import (
    APPS,
    REPOSITORY,
    TRACESTITCH,
    App,
    FakeReceiver,
    SentLog,
    SentSpan,
    environment,
    fake_receiver,
    free_port,
    line_of,
    run_to_end,
    running,
)
from tests.support.newer_python import newer_python
from tests.support.upstream import Upstream, upstream
from tracestitch.patching import replace
from tracestitch.threads import in_contexts

pytestmark = pytest.mark.processes
APP = APPS / "flask_threads.py"
INSTRUMENTATION = str(REPOSITORY / "instrumentation")


@dataclass(frozen=True, slots=True, kw_only=True)
class Threads:
    app: App
    receiver: FakeReceiver
    upstream: Upstream

    def request(self, path: str) -> SentSpan:
        assert self.app.get(path)[0] == 200
        return self.server_span(path)

    def server_span(self, path: str) -> SentSpan:
        def those() -> list[SentSpan]:
            return [span for span in self.receiver.server_spans() if span.attributes["url.path"] == path]

        self.receiver.wait_for(lambda _: bool(those()))
        [span] = those()
        return span

    def children(self, parent: SentSpan, count: int) -> list[SentSpan]:
        self.receiver.wait_for(lambda got: len(got.children(parent)) >= count)
        found = self.receiver.children(parent)
        assert len(found) == count
        return found

    def only_log(self, body: str) -> SentLog:
        def those() -> list[SentLog]:
            return [log for log in list(self.receiver.logs) if log.body == body]

        self.receiver.wait_for(lambda _: bool(those()))
        [log] = those()
        return log


def launcher(minor: str) -> list[str]:
    """`tracestitch run python` of this Python, or of a newer one that has the agent by its path."""
    if minor == "this":
        return [*TRACESTITCH, "run", "python"]
    python = str(newer_python(minor, ["flask", "requests", "sqlalchemy"]))
    return [python, "-m", "tracestitch", "run", python]


@pytest.fixture(scope="module", params=["this", "3.13"])
def threads(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Threads]:
    command, port = launcher(request.param), free_port()
    with fake_receiver() as receiver, upstream() as service:
        environ = environment(receiver.url, SHOP_UPSTREAM=service.url, PYTHONPATH=INSTRUMENTATION)
        output = tmp_path_factory.mktemp("threads") / "output"
        with running([*command, APP.name, str(port)], environ=environ, output=output, port=port) as app:
            yield Threads(app=app, receiver=receiver, upstream=service)
            assert "tracestitch:" not in app.said()  # nothing of ours failed


def test_calls_and_logs_in_a_pool_are_in_the_trace_of_the_request(threads: Threads) -> None:
    server = threads.request("/pool")

    calls = threads.children(server, 2)
    assert sorted(span.attributes["url.full"].rpartition("/")[2] for span in calls) == ["a", "b"]
    assert {span.attributes["code.line.number"] for span in calls} == {line_of(APP, "# the price")}
    for sku, call in (("a", "/price/a"), ("b", "/price/b")):
        log = threads.only_log(f"asking for {sku}")
        assert (log.trace_id, log.span_id) == (server.trace_id, server.span_id)
        [headers] = threads.upstream.asked(call)
        assert headers["traceparent"].split("-")[1] == server.trace_id


def test_a_librarys_function_in_a_pool_has_the_line_that_gave_it_away(threads: Threads) -> None:
    [call] = threads.children(threads.request("/library"), 1)

    assert call.attributes["code.file.path"] == str(APP)
    assert call.attributes["code.line.number"] == line_of(APP, "# given away")


def test_a_pool_that_outlives_requests_gives_each_its_own(threads: Threads) -> None:
    for sku in ("first", "second"):
        server = threads.request(f"/shared/{sku}")
        [call] = threads.children(server, 1)
        assert call.attributes["url.full"].endswith(f"/price/{sku}")


@pytest.mark.parametrize(("path", "kind"), [("/thread", "things"), ("/subclass", "in a subclass")])
def test_statements_and_logs_of_a_thread_are_in_the_trace_of_the_request(
    threads: Threads, path: str, kind: str
) -> None:
    server = threads.request(path)

    [statement] = threads.children(server, 1)
    assert statement.attributes["db.query.text"] == "SELECT ?"
    assert statement.attributes["code.line.number"] == line_of(APP, "# the count")
    log = threads.only_log(f"counted {kind}")
    assert (log.trace_id, log.span_id) == (server.trace_id, server.span_id)
    assert path == "/subclass" or log.attributes["thread.name"] == "counter"


def test_a_thread_that_outlives_its_request_stays_in_its_trace(threads: Threads) -> None:
    server = threads.request("/later")
    assert threads.receiver.children(server) == []

    other = threads.request("/now")

    [statement] = threads.children(server, 1)
    assert statement.start_ns > server.end_ns
    assert threads.only_log("counted later").trace_id == server.trace_id != other.trace_id


@pytest.mark.parametrize("minor", ["this", "3.12", "3.13", "3.14"])
def test_names_tracebacks_and_context_variables_of_threads_are_the_apps_own(minor: str) -> None:
    command = launcher(minor)
    environ = environment(f"http://127.0.0.1:{free_port()}", PYTHONPATH=INSTRUMENTATION)

    bare = run_to_end([command[-1], "thread_manners.py", "all"], environ=environ)
    observed = run_to_end([*command, "thread_manners.py", "all"], environ=environ)

    said = [line for line in observed.stderr.splitlines(keepends=True) if "does not take data" not in line]
    assert bare.stderr.count("ValueError: on purpose") == 2
    assert observed.stdout == bare.stdout
    assert "".join(said) == bare.stderr


@pytest.mark.parametrize("minor", ["this", "3.12", "3.13", "3.14"])
def test_only_what_the_app_hands_over_is_in_the_trace_and_only_while_it_works(minor: str) -> None:
    done = run_to_end(
        [*launcher(minor), "thread_manners.py", "traces"],
        environ=environment(f"http://127.0.0.1:{free_port()}", PYTHONPATH=INSTRUMENTATION),
    )

    assert done.stdout.splitlines() == [
        "in the pool True",
        "in a worker that the library started False",
        "in a thread True",
        "in the pool afterwards False",
        "in a thread afterwards False",
    ]


def test_threads_are_left_alone_where_that_is_disabled() -> None:
    environ = environment(
        f"http://127.0.0.1:{free_port()}", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="threading"
    )

    done = run_to_end([*launcher("this"), "thread_manners.py", "traces"], environ=environ)

    assert "True" not in done.stdout
    assert "in a thread False" in done.stdout


class ThreadOfPython314(threading.Thread):
    """`start` decides on the context variables that the work finds, as that version's does."""

    def __init__(self, target: Callable[[], None], context: Context | None = None) -> None:
        super().__init__(target=target)
        self._context = context

    def start(self) -> None:
        if self._context is None:
            self._context = Context()
        super().start()

    def run(self) -> None:
        assert self._context is not None
        self._context.run(super().run)


@pytest.mark.parametrize(("chosen", "carried"), [(None, True), (Context(), False)])
def test_a_context_that_the_app_chose_for_a_thread_is_left_as_it_is(
    chosen: Context | None, carried: bool
) -> None:
    replace(ThreadOfPython314, "start", in_contexts)
    language = ContextVar("language", default="none")
    language.set("the caller's")
    found: list[tuple[bool, str]] = []
    span = NonRecordingSpan(SpanContext(trace_id=1, span_id=2, is_remote=False))

    with trace.use_span(span):
        worker = ThreadOfPython314(
            lambda: found.append((trace.get_current_span() is span, language.get())), chosen
        )
        worker.start()
        worker.join()

    assert found == [(carried, "none")]
