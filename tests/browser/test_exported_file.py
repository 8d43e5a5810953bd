"""The file that `tracestitch export` writes, opened in a browser from the disk."""

from __future__ import annotations

from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support import example_shop, hostile
from tests.support.browser import watched
from tests.support.dashboard import running
from tests.support.memory_store import MemoryStore
from tracestitch_collector.settings import Settings
from tracestitch_dashboard.export import export

pytestmark = pytest.mark.browser

PAYLOAD = "".join(hostile.PAYLOADS[:10])


def test_rows_open_without_a_script_and_are_styled(browser: Browser, shop: str, tmp_path: Path) -> None:
    file = tmp_path / "trace.html"
    assert export([example_shop.TRACE_ID, "--html", str(file), "--server", shop]) == 0
    with watched(browser, "file://", javascript=False) as (page, watch):
        page.goto(file.as_uri())
        assert page.locator(".row").first.bounding_box()["height"] == 22  # type: ignore[index] # it is seen
        repeat = page.locator("details.entry", has_text="41×").last
        members = repeat.locator("details.entry")
        assert not members.first.is_visible()
        repeat.locator("summary").first.click()
        assert members.first.is_visible()
        assert members.count() == 41
        assert repeat.get_by_text("one after another").first.is_visible()
        assert watch.complaints == []


def test_nothing_in_it_runs(browser: Browser, tmp_path: Path) -> None:
    store = MemoryStore(known_findings=[hostile.finding(PAYLOAD)])
    store.add(hostile.trace(PAYLOAD))
    file = tmp_path / "trace.html"
    with running(store, Settings(data=tmp_path)) as address:
        assert export(["ab" * 16, "--html", str(file), "--server", address]) == 0
    with watched(browser, "file://") as (page, watch):
        page.goto(file.as_uri())
        for summary in page.locator("summary").all():
            if summary.is_visible():
                summary.click()
        assert page.evaluate("window.pwned") is None
        assert watch.complaints == []
