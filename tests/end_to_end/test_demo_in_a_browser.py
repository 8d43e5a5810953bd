"""What a newcomer does: open the demo, see what hurts, search, open the timeline, follow a finding to its line."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support.browser import chromium, watched
from tests.support.demo import Demo, opened_demo
from tests.support.server import eventually

pytestmark = [pytest.mark.browser, pytest.mark.processes]

ROUNDS = 25
"""Findings outside development need twenty requests of their route."""


@pytest.fixture(scope="module")
def demo(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Demo]:
    with opened_demo(tmp_path_factory.mktemp("demo")) as opened:
        opened.drive(ROUNDS)
        yield opened


def test_from_the_demo_to_the_line_of_code(demo: Demo) -> None:
    origin = demo.collector.dashboard
    with chromium() as browser, watched(browser, origin) as (page, watch):

        def hurting() -> bool:
            page.goto("/")
            return page.get_by_role("link", name=re.compile("queries where 2 would do")).count() > 0

        eventually(hurting, 120)
        for service in ("storefront", "inventory", "pricing", "worker"):
            assert page.get_by_role("link", name=service, exact=True).count() > 0

        page.keyboard.press("/")
        page.keyboard.type("GET /stock")
        page.keyboard.press("Enter")
        page.wait_for_url(re.compile("/traces"))
        page.locator("table a.row-link", has_text="GET /stock").first.click()

        page.wait_for_selector("#timeline[data-ready]")
        expect(page.locator("#rows")).to_contain_text("×")
        page.keyboard.press("f")
        panel = page.locator("#panel")
        expect(panel).to_contain_text("queries where 2 would do")
        expect(panel).to_contain_text("inventory/stock.py:23")

        panel.get_by_role("link", name=re.compile("finding|queries where", re.IGNORECASE)).first.click()
        page.wait_for_url(re.compile("/findings/[0-9a-f]{16}"))
        expect(page.locator("main")).to_contain_text("inventory/stock.py:23")
        expect(page.locator("main")).to_contain_text("selectinload")
        assert watch.complaints == []


def test_the_checkout_is_one_timeline_of_four_services(demo: Demo) -> None:
    origin = demo.collector.dashboard
    with chromium() as browser, watched(browser, origin) as (page, watch):
        page.goto(f"/traces/{demo.checkout}")
        page.wait_for_selector("#timeline[data-ready]")
        rows = page.locator("#rows")
        for service in ("storefront", "inventory", "pricing", "worker"):
            expect(rows).to_contain_text(service)
        assert rows.get_by_text("INFO", exact=True).count() >= 10
        expect(rows).to_contain_text("send_receipt")
        assert watch.complaints == []


def test_the_pages_of_the_demo_name_no_path_of_the_environment_that_it_is_installed_in(
    demo: Demo, tmp_path: Path
) -> None:
    origin = demo.collector.dashboard
    with chromium() as browser, watched(browser, origin) as (page, _):
        page.goto("/findings")
        assert "site-packages" not in page.content()
        assert str(tmp_path.parent) not in page.content()
