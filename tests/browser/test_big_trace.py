"""Ten thousand spans stay usable: few elements, every row within reach."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser

from tests.support.browser import watched
from tests.support.dashboard import running
from tests.support.memory_store import MemoryStore
from tests.support.traces import EPOCH_NS, TraceBuilder
from tracestitch_collector.settings import Settings

pytestmark = pytest.mark.browser

PARTS, STEPS = 100, 99


@pytest.fixture(scope="module")
def origin(tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    t = TraceBuilder("big")
    t.server("root", "/big", ms=PARTS * 100)
    for part in range(PARTS):
        t.span(f"{part}", parent="root", name=f"part {part}", at=part * 100, ms=99)
        for step in range(STEPS):
            t.span(
                f"{part}.{step}", parent=f"{part}", name=f"step {part}.{step}", at=part * 100 + step, ms=0.9
            )
    t.span("last", parent="99.98", name="the last error", at=PARTS * 100 - 1, ms=0.5, status="error")
    store = MemoryStore()
    store.add(t.build())
    folder: Path = tmp_path_factory.mktemp("big")
    with running(store, Settings(data=folder), lambda: EPOCH_NS) as address:
        yield address


def test_only_what_is_in_sight_is_drawn_and_the_last_row_is_one_key_away(
    browser: Browser, origin: str
) -> None:
    with watched(browser, origin) as (page, watch):
        page.goto(f"/traces/{TraceBuilder('big').trace_id}")
        page.wait_for_selector("#timeline[data-ready]")
        assert page.locator(".row").count() < 150
        page.keyboard.press("e")
        assert page.locator(".row.is-selected .label").inner_text() == "the last error"
        box = page.locator(".row.is-selected").bounding_box()
        assert box is not None
        assert 0 < box["y"] < 860
        assert page.evaluate("document.documentElement.scrollHeight") > 9_000 * 22
        assert watch.complaints == []


def test_a_key_is_answered_within_a_few_frames(browser: Browser, origin: str) -> None:
    with watched(browser, origin) as (page, _):
        page.goto(f"/traces/{TraceBuilder('big').trace_id}")
        page.wait_for_selector("#timeline[data-ready]")
        page.keyboard.press("j")
        took = page.evaluate(
            """() => {
                const press = key => document.dispatchEvent(new KeyboardEvent('keydown', {key, bubbles: true}));
                const begin = performance.now();
                for (let i = 0; i < 20; i++) press('j');
                return (performance.now() - begin) / 20;
            }"""
        )
        assert took < 250  # a few milliseconds on an idle machine; this one may be busy
        assert page.locator(".row.is-selected").count() == 1
