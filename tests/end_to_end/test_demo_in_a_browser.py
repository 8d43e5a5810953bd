"""What a newcomer does: open the demo, see what hurts, search, open the timeline, follow a finding to its line."""

from __future__ import annotations

import re
import time
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import expect

from tests.support import both_stores
from tests.support.browser import chromium, watched
from tests.support.dashboard import running
from tests.support.demo import Demo, opened_demo
from tests.support.elasticsearch import elasticsearch_url, fresh_settings
from tests.support.server import eventually
from tracestitch_collector.settings import Settings
from tracestitch_collector.store.elasticsearch.store import ElasticsearchStore
from tracestitch_collector.store.embedded.store import EmbeddedStore

__all__ = ["elasticsearch_url"]

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


@pytest.mark.server
def test_elasticsearch_alone_answers_every_page_with_the_same_traces_and_findings(
    demo: Demo, elasticsearch_url: str, tmp_path: Path
) -> None:
    eventually(lambda: len({each["check"] for each in demo.collector.findings()}) >= 8, 240)
    now_ns, settings = time.time_ns(), fresh_settings(elasticsearch_url, tmp_path / "there")
    both_stores.in_both(demo.data, tmp_path / "here", settings, now_ns)
    here = EmbeddedStore(tmp_path / "here", write=False)
    there = ElasticsearchStore.open(settings, write=False)
    found = both_stores.found_by_the_checks(here, now_ns)
    assert both_stores.found_by_the_checks(there, now_ns) == found
    assert len({check for check, *_ in found}) >= 8
    fingerprint = here.findings()[0].fingerprint
    paths = [
        "/",
        "/traces",
        f"/traces/{demo.checkout}",
        "/traces?service=pricing&error=1",
        "/logs",
        "/status",
    ]
    paths += ["/findings", f"/findings/{fingerprint}", "/services", "/services/storefront"]
    with (
        running(here, Settings(data=tmp_path / "here"), lambda: now_ns) as one,
        running(there, Settings(data=tmp_path / "there"), lambda: now_ns) as other,
    ):
        wanted, got = both_stores.twins(one, paths), both_stores.twins(other, paths)
        assert both_stores.asked_at_once(other, paths, readers=8) == []
    for path, key in (("/logs", "logs"), ("/findings", "findings")):
        assert got[path][key] == wanted[path][key], path
    for path in ("/traces", "/traces?service=pricing&error=1"):
        ids = [[each["trace_id"] for each in twin[path]["traces"]] for twin in (got, wanted)]
        assert ids[0] == ids[1] != [], path
    assert got[f"/traces/{demo.checkout}"] == wanted[f"/traces/{demo.checkout}"]
    assert both_stores.counts(got["/services"]["services"]) == both_stores.counts(
        wanted["/services"]["services"]
    )
    assert (got["/"]["requests"], got["/"]["errors"], got["/"]["open_findings"]) == (
        wanted["/"]["requests"],
        wanted["/"]["errors"],
        wanted["/"]["open_findings"],
    )
    here.close()
    there.close()
