"""`tracestitch tail` against a real dashboard: what is new is shown once, and Ctrl-C is a good end."""

from __future__ import annotations

import json
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

from tests.support import example_shop
from tests.support.dashboard import running
from tests.support.memory_store import MemoryStore
from tests.support.traces import TraceBuilder
from tracestitch_collector.settings import Settings
from tracestitch_dashboard import tail
from tracestitch_dashboard.answers import Server
from tracestitch_dashboard.tail import Following, follow, line
from tracestitch_dashboard.terminal import Paint


@pytest.fixture
def server(tmp_path: Path, store: MemoryStore) -> Iterator[Server]:
    """Both sides hold the example shop's clock."""
    with running(store, Settings(data=tmp_path), lambda: example_shop.NOW_NS) as address:
        yield Server(url=address, clock=lambda: example_shop.NOW_NS / 1e9)


def request(word: str, *, status_code: int = 200, log: str = "") -> TraceBuilder:
    builder = TraceBuilder(word, offset_ms=50_000)
    builder.server("root", f"/{word}", service="storefront", status_code=status_code, ms=12)
    if log:
        builder.log(log, span="root", service="storefront", at=3, severity=17 if status_code >= 500 else 9)
    return builder


def shown(
    server: Server, wanted: Following, *steps: Callable[[], object]
) -> tuple[list[dict[str, object]], list[str]]:
    """What appears while the steps happen, one before each poll; four quiet polls after them."""
    told: list[str] = []
    waiting = list(steps)
    quiet = 4
    found: list[dict[str, object]] = []

    def sleep(_: float) -> None:
        nonlocal quiet
        if waiting:
            waiting.pop(0)()
        elif quiet:
            quiet -= 1
        else:
            raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        found.extend(follow(server, wanted, sleep, told.append))
    return found, told


def test_only_what_arrives_after_the_start_is_shown_and_once(server: Server, store: MemoryStore) -> None:
    found, _ = shown(server, Following(), lambda: store.add(request("new").build()))
    assert [(item["kind"], item["root_name"]) for item in found] == [("trace", "GET /new")]


def test_a_trace_is_shown_when_it_has_stopped_growing(server: Server, store: MemoryStore) -> None:
    builder = request("slow")
    later = request("slow")
    later.query("row", "SELECT 1", parent="root", service="storefront", at=2)
    found, _ = shown(
        server,
        Following(),
        lambda: store.add(builder.build()),
        lambda: store.spans.extend(span for span in later.build().spans if span.parent_span_id),
    )
    assert [item["span_count"] for item in found] == [2]


def test_a_trace_without_a_root_is_shown_after_a_while_and_says_so(
    server: Server, store: MemoryStore
) -> None:
    builder = TraceBuilder("half", offset_ms=50_000)
    builder.span("child", parent="nowhere", service="storefront", name="work")
    found, _ = shown(server, Following(), lambda: store.add(builder.build()))
    assert "no root yet" in line(found[0], Paint(enabled=False))


def test_log_records_come_too_where_they_are_wanted(server: Server, store: MemoryStore) -> None:
    def arrive() -> None:
        store.add(request("new", log="cart 1\x1b[31m is empty").build())

    found, _ = shown(server, Following(logs=True), arrive)
    assert [item["kind"] for item in found] == ["log", "trace"]
    text = line(found[0], Paint(enabled=False))
    assert "storefront: cart 1\\x1b[31m is empty" in text


def test_errors_alone(server: Server, store: MemoryStore) -> None:
    def arrive() -> None:
        store.add(request("fine", log="all is well").build())
        store.add(request("broken", status_code=500, log="it broke").build())

    found, _ = shown(server, Following(logs=True, errors_only=True), arrive)
    assert {item.get("body") or item.get("root_name") for item in found} == {"it broke", "GET /broken"}


def test_one_service_alone(server: Server, store: MemoryStore) -> None:
    found, _ = shown(server, Following(service="pricing"), lambda: store.add(request("new").build()))
    assert found == []


def test_a_server_that_goes_away_is_said_once_and_asked_again(server: Server, store: MemoryStore) -> None:
    def away() -> None:
        store.away = "the store is closed"

    def back() -> None:
        store.away = ""
        store.add(request("new").build())

    found, told = shown(server, Following(), away, lambda: None, back)
    assert [item["root_name"] for item in found] == ["GET /new"]
    assert len(told) == 3
    assert "Trying again" in told[1]
    assert told[2] == "It answers again."


def test_nobody_to_ask_at_the_start_is_2_with_a_text(capsys: pytest.CaptureFixture[str]) -> None:
    assert tail.tail(["--server", "http://127.0.0.1:9"]) == 2
    assert "tracestitch serve" in capsys.readouterr().err


@pytest.mark.processes
def test_ctrl_c_ends_with_0_and_json_is_one_object_a_line(tmp_path: Path) -> None:
    store = MemoryStore()
    program = "import sys; from tracestitch_dashboard.tail import tail; sys.exit(tail(sys.argv[1:]))"
    with running(store, Settings(data=tmp_path)) as address:
        process = subprocess.Popen(
            [sys.executable, "-c", program, "--server", address, "--json", "--logs"],
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )
        with process:
            assert process.stderr is not None
            assert process.stdout is not None
            assert "Ctrl-C" in process.stderr.readline()
            builder = TraceBuilder("new")
            builder.base_ns = time.time_ns() - 10**9
            builder.server("root", "/new", service="storefront", ms=12)
            builder.log("hello", span="root", service="storefront", at=3)
            store.add(builder.build())
            lines = [json.loads(process.stdout.readline()) for _ in range(2)]
            process.send_signal(signal.SIGINT)
            assert process.wait(30) == 0
    assert sorted(item["kind"] for item in lines) == ["log", "trace"]
