"""Celery: real workers on a real broker, started through `tracestitch run`."""

import contextlib
import json
import signal
import socket
import subprocess
import time
from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from tests.support.agent import (
    APPS,
    CONSUMER,
    PATIENCE_S,
    PRODUCER,
    TRACESTITCH,
    FakeReceiver,
    SentSpan,
    environment,
    fake_receiver,
    free_port,
    line_of,
    run_to_end,
)
from tests.support.parts import program

pytestmark = pytest.mark.processes
TASKS, CLERK = APPS / "mail_tasks.py", APPS / "mail_clerk.py"


def hand_out(receiver: FakeReceiver, *arguments: str, **environ: str) -> None:
    command = (*TRACESTITCH, "run", "--service", "clerk", "python", CLERK.name, *arguments)
    done = run_to_end(command, environ=environment(receiver.url, **environ))
    assert done.returncode == 0, done.stderr


@contextlib.contextmanager
def worker(
    receiver: FakeReceiver, folder: Path, options: Sequence[str], **environ: str
) -> Iterator[subprocess.Popen[bytes]]:
    """A Celery worker; it is stopped as an operator stops it, by SIGTERM."""
    celery = ("celery", "-A", "mail_tasks", "worker", "--loglevel", "INFO", *options)
    with (folder / "worker.log").open("wb") as output:
        process = subprocess.Popen(
            (*TRACESTITCH, "run", "--service", "worker", *celery),
            cwd=APPS,
            env=environment(receiver.url, **environ),
            stdout=output,
            stderr=subprocess.STDOUT,
        )
    try:
        yield process
    finally:
        process.terminate()
        with contextlib.suppress(subprocess.TimeoutExpired):
            process.wait(PATIENCE_S)
        process.kill()
        process.wait(PATIENCE_S)


def of_task(receiver: FakeReceiver, name: str) -> list[SentSpan]:
    return [span for span in list(receiver.spans) if span.name == name]


@pytest.fixture(scope="module")
def day(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeReceiver]:
    """One task of each kind, worked off by a solo worker."""
    folder = tmp_path_factory.mktemp("day")
    with fake_receiver() as receiver:
        hand_out(receiver, BROKER_FOLDER=str(folder))
        with worker(receiver, folder, ["--pool", "solo"], BROKER_FOLDER=str(folder)):
            receiver.wait_for(
                lambda got: (
                    len(of_task(got, "process mail_tasks.send")) == 3
                    and len(of_task(got, "process mail_tasks.insist")) == 3
                    and len(of_task(got, "process mail_tasks.lose")) == 1
                )
            )
        yield receiver


def test_a_task_runs_in_the_trace_that_sent_it(day: FakeReceiver) -> None:
    sent = [span for span in of_task(day, "send mail_tasks.send") if span.resource["service.name"] == "clerk"]
    assert [span.kind for span in sent] == [PRODUCER, PRODUCER]
    (morning,) = of_task(day, "morning")
    for producer in sent:
        assert producer.parent_id == morning.span_id
        (consumer,) = day.children(producer)
        assert (consumer.name, consumer.kind) == ("process mail_tasks.send", CONSUMER)
        assert consumer.resource["service.name"] == "worker"
        assert consumer.attributes["messaging.message.id"] == producer.attributes["messaging.message.id"]


def test_sending_is_seen_at_its_line_and_running_at_the_task(day: FakeReceiver) -> None:
    sent = [span.attributes for span in of_task(day, "send mail_tasks.send")]
    lines = {(item["code.file.path"], item["code.line.number"]) for item in sent}
    assert lines == {
        (str(CLERK), line_of(CLERK, "# sent")),
        (str(CLERK), line_of(CLERK, "# by name")),
        (str(TASKS), line_of(TASKS, "# from a task")),
    }
    ran = of_task(day, "process mail_tasks.send")[0].attributes
    assert ran["code.file.path"] == str(TASKS)
    assert ran["code.line.number"] == line_of(TASKS, "# the send task")
    assert ran["code.function.name"] == "mail_tasks.send"


def test_queue_task_state_and_system_are_told(day: FakeReceiver) -> None:
    for span in of_task(day, "send mail_tasks.send") + of_task(day, "process mail_tasks.send"):
        assert span.attributes["messaging.system"] == "celery"
        assert span.attributes["messaging.destination.name"] == "celery"
        assert span.attributes["tracestitch.celery.task"] == "mail_tasks.send"
        sends = span.kind == PRODUCER
        assert span.attributes["messaging.operation.type"] == ("send" if sends else "process")
        assert span.attributes.get("tracestitch.celery.state") == (None if sends else "SUCCESS")


def test_a_task_sent_by_a_task_is_beneath_it(day: FakeReceiver) -> None:
    (forward,) = of_task(day, "process mail_tasks.forward")
    (sent,) = day.children(forward)
    (ran,) = day.children(sent)
    assert (sent.name, ran.name) == ("send mail_tasks.send", "process mail_tasks.send")


def test_retries_stay_in_the_trace_and_are_counted(day: FakeReceiver) -> None:
    attempts = sorted(of_task(day, "process mail_tasks.insist"), key=lambda span: span.start_ns)
    assert [span.attributes["tracestitch.celery.retries"] for span in attempts] == [0, 1, 2]
    assert [span.attributes["tracestitch.celery.state"] for span in attempts] == ["RETRY", "RETRY", "FAILURE"]
    assert [span.is_error for span in attempts] == [False, False, True]
    assert len({span.trace_id for span in attempts}) == 1
    assert len({span.attributes["messaging.message.id"] for span in attempts}) == 1
    (event,) = attempts[0].events
    assert event.attributes["exception.message"] == "closed, password=REDACTED"
    assert event.attributes["tracestitch.exception.handled"] is True


def test_a_failed_task_has_its_exception_with_frames(day: FakeReceiver) -> None:
    (span,) = of_task(day, "process mail_tasks.lose")
    assert span.is_error
    assert span.attributes["error.type"] == "mail_tasks.PostOffice"
    (event,) = span.events
    assert event.name == "exception"
    assert event.attributes["exception.message"] == "the letter is gone"
    frames = json.loads(str(event.attributes["tracestitch.exception.frames"]))
    assert frames[-1] == {
        "file": str(TASKS),
        "line": line_of(TASKS, "# lost"),
        "function": "mail_tasks.lose",
        "in_app": True,
    }


def test_logs_of_the_worker_arrive_with_the_task(day: FakeReceiver) -> None:
    said = {
        (log.scope, log.body) for span in of_task(day, "process mail_tasks.send") for log in day.logs_of(span)
    }
    assert ("mail_tasks", "sending to ada") in said
    assert ("library", "stamp missing") in said
    assert [log for log in day.logs if str(log.body).endswith("ready.")]


def test_a_worker_sends_one_inventory(day: FakeReceiver) -> None:
    (inventory,) = [log for log in day.logs if log.event_name == "tracestitch.inventory"]
    assert inventory.resource["service.name"] == "worker"
    assert inventory.body["framework"]["name"] == "celery"
    assert inventory.body["codebase"] == "mail_tasks"
    assert inventory.body["server"]["model"] == "celery worker"


@pytest.mark.parametrize(
    "options",
    [
        ["--pool", "prefork", "--concurrency", "2"],
        ["--pool", "prefork", "--concurrency", "2", "--max-tasks-per-child", "1"],
        ["--pool", "solo"],
        ["--pool", "threads", "--concurrency", "2"],
    ],
    ids=["prefork", "recycled", "solo", "threads"],
)
def test_nothing_is_lost_when_a_worker_stops(tmp_path: Path, options: Sequence[str]) -> None:
    with fake_receiver() as receiver:
        hand_out(receiver, "12", BROKER_FOLDER=str(tmp_path))
        # Long batches: what arrives was sent because a process ended, not because some time went by.
        with worker(
            receiver, tmp_path, options, BROKER_FOLDER=str(tmp_path), OTEL_BSP_SCHEDULE_DELAY="60000"
        ) as process:
            wait_until_worked_off(tmp_path, 12)
            process.send_signal(signal.SIGTERM)
            process.wait(PATIENCE_S)
    assert len(of_task(receiver, "process mail_tasks.send")) == 12
    letters = {str(log.body) for log in receiver.logs if str(log.body).startswith("sending to letter")}
    assert letters == {f"sending to letter {number}" for number in range(12)}


def wait_until_worked_off(folder: Path, count: int) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while (folder / "worker.log").read_text().count(" succeeded in ") < count:
        assert time.monotonic() < deadline, (folder / "worker.log").read_text()
        time.sleep(0.05)


def test_an_eager_task_runs_inside_its_caller(tmp_path: Path) -> None:
    with fake_receiver() as receiver:
        hand_out(receiver, BROKER_FOLDER=str(tmp_path), EAGER="1")
    (morning,) = of_task(receiver, "morning")
    send, *_ = [span for span in receiver.children(morning) if span.name == "process mail_tasks.send"]
    assert send.attributes["tracestitch.celery.state"] == "SUCCESS"
    assert not [span for span in receiver.spans if span.kind == PRODUCER]


@pytest.mark.server
def test_waiting_for_redis_makes_no_spans(tmp_path: Path) -> None:
    binary = program("redis-server", package="redis-server")
    with fake_receiver() as receiver, redis(binary, tmp_path) as url:
        hand_out(receiver, BROKER_URL=url)
        with worker(receiver, tmp_path, ["--pool", "prefork", "--concurrency", "1"], BROKER_URL=url):
            receiver.wait_for(lambda got: len(of_task(got, "process mail_tasks.send")) == 3)
            receiver.wait_for(lambda got: len(of_task(got, "process mail_tasks.insist")) == 3)
    assert not [span for span in receiver.spans if not span.parent_id and span.name != "morning"]
    assert {span.name.partition(" ")[0] for span in receiver.spans} == {"morning", "send", "process"}


@contextlib.contextmanager
def redis(binary: str, folder: Path) -> Iterator[str]:
    port = free_port()
    process = subprocess.Popen(
        (binary, "--port", str(port), "--bind", "127.0.0.1", "--save", "", "--dir", str(folder)),
        stdout=subprocess.DEVNULL,
    )
    try:
        deadline = time.monotonic() + PATIENCE_S
        while True:
            with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), timeout=1):
                break
            assert time.monotonic() < deadline, "redis-server does not listen"
            time.sleep(0.05)
        yield f"redis://127.0.0.1:{port}/0"
    finally:
        process.terminate()
        process.wait(PATIENCE_S)


def test_a_slow_task_has_a_profile_where_one_is_asked_for(tmp_path: Path) -> None:
    with fake_receiver() as receiver:
        hand_out(receiver, "sort", BROKER_FOLDER=str(tmp_path))
        asked = {"BROKER_FOLDER": str(tmp_path), "TRACESTITCH_PROFILER": "1"}
        with worker(receiver, tmp_path, ["--pool", "solo"], TRACESTITCH_PROFILER_THRESHOLD_MS="100", **asked):
            receiver.wait_for(lambda got: len(of_task(got, "process mail_tasks.sort")) == 1)
        (task,) = of_task(receiver, "process mail_tasks.sort")

    profile = json.loads(str(task.attributes["tracestitch.profile"]))
    outermost = [profile["frames"][stack[0]][2] for _, stack in profile["stacks"]]
    assert outermost[0] == "sort"
    assert profile["stacks"][0][0] >= 3
