"""What is sent only where it is asked for: locals at an exception and profiles of slow requests."""

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

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
from tracestitch import local_values

SOURCE = APPS / "flask_opt_ins.py"


def _started(receiver: FakeReceiver, output: Path, **wanted: str) -> Any:
    port = free_port()
    command = [*TRACESTITCH, "run", "--service", "opted", "python", SOURCE.name, str(port)]
    return running(command, environ=environment(receiver.url, **wanted), output=output, port=port)


@pytest.fixture(scope="module")
def receiver() -> Iterator[FakeReceiver]:
    with fake_receiver() as got:
        yield got


@pytest.fixture(scope="module")
def app(receiver: FakeReceiver, tmp_path_factory: pytest.TempPathFactory) -> Iterator[App]:
    output = tmp_path_factory.mktemp("opted") / "output"
    with _started(receiver, output, TRACESTITCH_LOCALS="1", TRACESTITCH_PROFILER="1") as started:
        yield started
        assert "tracestitch:" not in started.said()


def _span(receiver: FakeReceiver, path: str) -> SentSpan:
    def those() -> list[SentSpan]:
        return [span for span in receiver.server_spans() if span.attributes["url.path"] == path]

    receiver.wait_for(lambda _: bool(those()))
    return those()[-1]


@pytest.mark.processes
def test_locals_of_the_users_frames_come_with_an_exception(app: App, receiver: FakeReceiver) -> None:
    app.get("/total/0")

    [event] = _span(receiver, "/total/0").events
    [frame] = json.loads(str(event.attributes["tracestitch.exception.locals"]))
    assert frame["line"] == line_of(SOURCE, "share = sum")
    values = frame["values"]
    assert values["count"] == "0"
    assert values["password"] == "REDACTED"
    assert values["prices"] == "{'apple': 3, 'api_key': REDACTED, 'pear': 4}"
    assert values["basket"] == "<__main__.Basket>"
    assert "hunter2" not in str(event.attributes)


@pytest.mark.processes
def test_a_slow_request_brings_its_stacks_and_a_fast_one_none(app: App, receiver: FakeReceiver) -> None:
    app.get("/slow")
    app.get("/fast")

    profile = json.loads(str(_span(receiver, "/slow").attributes["tracestitch.profile"]))
    seen = sum(count for count, _ in profile["stacks"])
    busy = sum(
        count
        for count, stack in profile["stacks"]
        if any(profile["frames"][number][2] == "_busy" for number in stack)
    )
    assert profile["interval_ms"] == 20
    assert 3 <= seen <= profile["samples"]
    assert busy >= 0.8 * seen
    assert "tracestitch.profile" not in _span(receiver, "/fast").attributes


@pytest.mark.processes
def test_the_line_that_refused_is_told(app: App, receiver: FakeReceiver) -> None:
    app.get("/items/9")

    raised_at = _span(receiver, "/items/9").attributes["tracestitch.response.raised_at"]
    assert raised_at == f"{SOURCE}:{line_of(SOURCE, 'abort(404)')} __main__._find"


@pytest.mark.processes
def test_without_being_asked_neither_locals_nor_stacks_are_sent(tmp_path: Path) -> None:
    with fake_receiver() as receiver, _started(receiver, tmp_path / "output") as app:
        app.get("/total/0")
        app.get("/slow")
        [event] = _span(receiver, "/total/0").events
        assert "tracestitch.exception.locals" not in event.attributes
        assert "tracestitch.profile" not in _span(receiver, "/slow").attributes


class Wild(type):
    def __getattribute__(cls, name: str) -> Any:
        raise AssertionError(f"asked the app's class for {name}")


class Beast(metaclass=Wild):
    def __repr__(self) -> str:
        raise AssertionError("asked the app's object for its text")


class Word(str):
    __slots__ = ()

    def __repr__(self) -> str:
        raise AssertionError("asked the app's object for its text")


@pytest.mark.parametrize(
    ("value", "text"),
    [
        ("ann", "'ann'"),
        (12, "12"),
        (1 << 5_000, "<int>"),
        (None, "None"),
        (b"\x00a", "b'\\x00a'"),
        ([1, [2, [3, [4]]]], "[1, [2, [3, <list>]]]"),
        (list(range(100)), "[0, 1, 2, 3, 4, 5, …]"),
        ({"token": "abc", "sku": "A-1"}, "{'token': REDACTED, 'sku': 'A-1'}"),
        ("x" * 500, "'" + "x" * 120 + "'…"),
        (Word("a"), f"<{__name__}.Word>"),
    ],
)
def test_a_value_is_written_within_bounds_and_without_the_apps_code(value: object, text: str) -> None:
    assert local_values.written(value) == text


def test_an_object_of_the_wildest_class_is_told_by_its_name() -> None:
    assert local_values.written(type.__call__(Beast)) == f"<{__name__}.Beast>"


def test_what_django_calls_sensitive_is_not_sent() -> None:
    from django.views.decorators.debug import sensitive_variables

    @sensitive_variables("harmless_name")  # type: ignore[untyped-decorator]  # Django has no types
    def pay(harmless_name: str, amount: int) -> int:
        return amount // 0

    @sensitive_variables()  # type: ignore[untyped-decorator]  # Django has no types
    def refund(amount: int) -> int:
        return amount // 0

    assert _values_of(lambda: pay("4711-secret", 3)) == {"harmless_name": "REDACTED", "amount": "3"}
    assert _values_of(lambda: refund(3)) == {"amount": "REDACTED"}


def _values_of(failing: Any) -> dict[str, str]:
    try:
        failing()
    except ZeroDivisionError as error:
        frames: list[dict[str, Any]] = json.loads(local_values.of_exception(error))
        return dict(frames[-1]["values"])
    raise AssertionError("nothing failed")
