"""Text of any length in lists and rows is cut to a line; the whole of it stands in the panel."""

from __future__ import annotations

from html.parser import HTMLParser
from pathlib import Path

import pytest
from starlette.testclient import TestClient

from tests.support import hostile
from tests.support.memory_store import MemoryStore
from tests.support.traces import EPOCH_NS
from tracestitch_collector.settings import Settings
from tracestitch_dashboard.app import create_app

TRACE = f"/traces/{'ab' * 16}"
LONG = "long name " * 600
NAMES, MESSAGES = 450, 2_100
"""Characters that stand together: a name with what stands beside it, and the text of a log record."""


class Texts(HTMLParser):
    def __init__(self) -> None:
        super().__init__()
        self.found: list[str] = []

    def handle_data(self, data: str) -> None:
        self.found.append(data)


@pytest.fixture
def client(tmp_path: Path) -> TestClient:
    store = MemoryStore(known_findings=[hostile.finding(LONG)], known_inventories=[hostile.inventory(LONG)])
    store.add(hostile.trace(LONG))
    app = create_app(store, Settings(data=tmp_path), lambda: EPOCH_NS + 10**10)
    return TestClient(app, base_url="http://localhost")


@pytest.mark.parametrize("path", ["/", "/traces", TRACE, f"{TRACE}?view=table", "/findings", "/services"])
def test_a_name_is_cut_wherever_it_stands_in_a_row(client: TestClient, path: str) -> None:
    texts = Texts()
    texts.feed(client.get(path).text)
    assert max(len(text) for text in texts.found) <= NAMES


def test_a_log_record_is_cut_in_the_list(client: TestClient) -> None:
    texts = Texts()
    texts.feed(client.get("/logs").text)
    assert max(len(text) for text in texts.found) <= MESSAGES


def test_the_whole_stands_in_the_panel(client: TestClient) -> None:
    answer = client.get(f"{TRACE}/panel", params={"span": "0000000000000001", "tab": "attributes"})
    assert LONG.strip() in answer.text
