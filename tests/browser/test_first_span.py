"""The empty page notices the first span by itself."""

from __future__ import annotations

import time
from pathlib import Path

import pytest
from playwright.sync_api import Browser, expect

from tests.support.browser import watched
from tests.support.dashboard import running
from tests.support.memory_store import MemoryStore
from tests.support.telemetry import span
from tracestitch_collector.settings import Settings

pytestmark = pytest.mark.browser


def test_the_empty_page_teaches_and_then_shows_the_first_span(browser: Browser, tmp_path: Path) -> None:
    store = MemoryStore()
    with (
        running(store, Settings(data=tmp_path)) as origin,
        watched(browser, origin) as (page, watch),
    ):
        page.goto("/")
        expect(page.get_by_text("tracestitch run flask run --debug")).to_be_visible()
        expect(page.locator("#arrival")).to_contain_text("waiting for the first span")
        now_ns = time.time_ns()
        store.spans.append(span(start_ns=now_ns, received_ns=now_ns))
        expect(page.get_by_role("heading", name="What hurts now")).to_be_visible(timeout=30_000)
        expect(page.locator("#arrival")).to_have_attribute("data-state", "live")
        assert watch.complaints == []
