"""Hostile names, keys, values, log bodies and stack traces in a real browser: shown as text, run by nobody."""

from __future__ import annotations

from pathlib import Path
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser

from tests.support import hostile
from tests.support.browser import watched
from tests.support.dashboard import running
from tests.support.memory_store import MemoryStore
from tests.support.traces import EPOCH_NS
from tracestitch_collector.settings import Settings

pytestmark = pytest.mark.browser

PAYLOAD = "".join(hostile.PAYLOADS[:10])
"""All markup at once: an injection anywhere would show."""


def test_no_payload_runs_on_any_page_tab_or_toggle(browser: Browser, tmp_path: Path) -> None:
    store = MemoryStore(
        known_findings=[hostile.finding(PAYLOAD)], known_inventories=[hostile.inventory(PAYLOAD)]
    )
    store.add(hostile.trace(PAYLOAD))
    trace = f"/traces/{'ab' * 16}"
    pages = [
        "/",
        "/traces",
        f"/traces?{urlencode({'q': PAYLOAD})}",
        f"{trace}?view=table",
        f"{trace}?{urlencode({'filter': PAYLOAD, 'span': PAYLOAD})}",
        "/findings",
        "/findings/00000000000000f1",
        "/services",
        f"/services/-?{urlencode({'name': PAYLOAD})}",
        "/logs",
        f"/{PAYLOAD[:60]}",
    ]
    with (
        running(store, Settings(data=tmp_path), lambda: EPOCH_NS + 10**10) as origin,
        watched(browser, origin) as (page, watch),
    ):
        for path in pages:
            page.goto(path)
            page.hover("main")
        expected = [
            "console error: Failed to load resource: the server responded with a status of 404 (Not Found)"
        ]
        assert watch.complaints == expected  # the last one is a page that is not there
        watch.complaints.clear()
        page.goto(trace)
        page.wait_for_selector("#timeline[data-ready]")
        assert PAYLOAD[:100] in page.locator(".label").first.inner_text()
        rows = page.evaluate("[...document.querySelectorAll('.row')].map(row => row.id.slice(4))")
        for row in rows:
            page.locator(f"[id='row-{row}'] .label").click()
            for tab in page.evaluate(
                "[...document.querySelectorAll('#panel [data-tab]')].map(a => a.dataset.tab)"
            ):
                page.locator(f"#panel [data-tab='{tab}']").click()
                page.wait_for_selector(f"#panel [data-tab='{tab}'][aria-current]")
        page.keyboard.press("g")
        page.keyboard.press("?")
        assert page.evaluate("window.pwned") is None
        assert watch.complaints == []
