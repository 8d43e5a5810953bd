"""`tracestitch export` against a real dashboard: one file that needs nothing else."""

from __future__ import annotations

import re
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path

import pytest

from tests.support import example_shop, hostile
from tests.support.dashboard import running
from tests.support.memory_store import MemoryStore
from tests.support.traces import TraceBuilder
from tracestitch_collector.settings import Settings
from tracestitch_dashboard.export import export


class Elements(HTMLParser):
    """The names of a file's elements and of their attributes."""

    def __init__(self) -> None:
        super().__init__()
        self.tags: set[str] = set()
        self.attributes: set[str] = set()

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.add(tag)
        self.attributes |= {name for name, _ in attrs}


@pytest.fixture
def server(tmp_path: Path, store: MemoryStore) -> Iterator[str]:
    with running(store, Settings(data=tmp_path), lambda: example_shop.NOW_NS) as address:
        yield address


def exported(server: str, folder: Path, trace_id: str = example_shop.TRACE_ID) -> str:
    file = folder / "trace.html"
    assert export([trace_id, "--html", str(file), "--server", server]) == 0
    return file.read_text()


def test_the_file_shows_spans_logs_findings_and_details(server: str, tmp_path: Path) -> None:
    text = exported(server, tmp_path)
    for shown in (
        "POST /checkout",
        "41×",
        "cart 8817 has 3 items",
        "42 queries where 2 would do",
        "inventory/views.py:31",
        "joinedload(StockItem.warehouse)",
        "ConnectionResetError",
        "SELECT id, name FROM warehouse WHERE id = ?",
        "critical path",
    ):
        assert shown in text, shown


def test_the_file_asks_for_nothing_and_runs_nothing(server: str, tmp_path: Path) -> None:
    text = exported(server, tmp_path)
    assert re.search(
        r'http-equiv="Content-Security-Policy" content="default-src &#39;none&#39;; style-src', text
    )
    assert "<script" not in text
    assert not re.search(r"""\s(?:src|action|style|on\w+)=|href="(?!#i-)|url\((?!#)|@import""", text)


def test_every_row_opens_and_closes(server: str, tmp_path: Path) -> None:
    text = exported(server, tmp_path)
    assert text.count("<details") == text.count("</details>") > 40


def test_secrets_stay_here_and_are_counted(
    server: str, store: MemoryStore, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    builder = TraceBuilder("secret")
    builder.server("root", "/login", service="storefront", attributes={"http.request.header.cookie": "sid=abc123"})  # fmt: skip
    builder.log("mail to bob@example.com, password=hunter2", span="root", service="storefront")
    store.add(builder.build())
    text = exported(server, tmp_path, builder.trace_id)
    assert not [word for word in ("abc123", "hunter2", "bob@example") if word in text]
    assert "2 values hidden" in capsys.readouterr().out


@pytest.mark.parametrize("payload", hostile.PAYLOADS)
def test_hostile_telemetry_stays_text(payload: str, tmp_path: Path) -> None:
    store = MemoryStore(known_findings=[hostile.finding(payload)])
    store.add(hostile.trace(payload))
    with running(store, Settings(data=tmp_path)) as address:
        text = exported(address, tmp_path, "ab" * 16)
    elements = Elements()
    elements.feed(text)
    assert not elements.tags & {"script", "img", "iframe", "a", "form", "link", "object", "base"}
    assert not [name for name in elements.attributes if name.startswith(("on", "hx-", "src"))]


def test_a_trace_that_is_not_there_is_2_with_a_text(server: str, capsys: pytest.CaptureFixture[str]) -> None:
    assert export(["0" * 32, "--html", "-", "--server", server]) == 2
    assert "tracestitch traces" in capsys.readouterr().err


def test_a_file_that_cannot_be_written_is_2_with_a_text(
    server: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert export([example_shop.TRACE_ID, "--html", str(tmp_path / "no" / "f.html"), "--server", server]) == 2
    assert "cannot be written" in capsys.readouterr().err
