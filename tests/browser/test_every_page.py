"""Every page in a real browser: nothing on the console, nothing fetched from elsewhere, readable without a
script, in light and dark."""

from __future__ import annotations

import pytest
from playwright.sync_api import Browser

from tests.support import example_shop
from tests.support.browser import watched

pytestmark = pytest.mark.browser

FINGERPRINT = example_shop.findings()[0].fingerprint
TRACE = f"/traces/{example_shop.TRACE_ID}"
PAGES = (
    "/",
    "/traces",
    "/traces?q=nothing-like-that",
    TRACE,
    f"{TRACE}?view=table",
    "/findings",
    f"/findings/{FINGERPRINT}",
    "/services",
    "/services/pricing",
    "/logs",
    "/status",
)


@pytest.mark.parametrize("dark", [False, True], ids=["light", "dark"])
@pytest.mark.parametrize("path", PAGES)
def test_a_page_loads_without_complaints_and_only_from_here(
    browser: Browser, shop: str, path: str, dark: bool
) -> None:
    with watched(browser, shop, dark=dark) as (page, watch):
        page.goto(path, wait_until="networkidle")
        assert page.locator("main").inner_text().strip()
        background = page.evaluate("getComputedStyle(document.body).backgroundColor")
        assert background == ("rgb(15, 18, 22)" if dark else "rgb(255, 255, 255)")
        assert page.evaluate("document.querySelectorAll('[style]').length") <= 4  # only what the script sets
        assert watch.complaints == []


@pytest.mark.parametrize("path", PAGES)
def test_a_page_is_readable_without_a_script(browser: Browser, shop: str, path: str) -> None:
    with watched(browser, shop, javascript=False) as (page, watch):
        page.goto(path)
        assert page.locator("nav.pages a").count() >= 6
        assert len(page.locator("main").inner_text()) > 80
        assert watch.complaints == []


@pytest.mark.parametrize("path", PAGES)
def test_every_control_has_a_name_and_every_page_a_heading(browser: Browser, shop: str, path: str) -> None:
    with watched(browser, shop) as (page, _):
        page.goto(path, wait_until="networkidle")
        nameless = page.evaluate(
            """() => [...document.querySelectorAll('a[href], button, input:not([type=hidden]), select, svg[role=img]')]
                .filter(e => !(e.innerText || e.textContent || '').trim() && !e.getAttribute('aria-label')
                    && !e.title && !e.querySelector('title') && !e.labels?.length)
                .map(e => e.outerHTML.slice(0, 200))"""
        )
        assert nameless == []
        assert page.get_by_role("heading", level=1).count() == 1
        assert page.evaluate("document.documentElement.lang") == "en"


def test_the_theme_switch_is_kept(browser: Browser, shop: str) -> None:
    with watched(browser, shop) as (page, watch):
        page.goto("/")
        page.get_by_role("button", name="Theme").click()
        page.get_by_role("button", name="Theme").click()
        page.goto("/findings")
        assert page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert page.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(15, 18, 22)"
        assert watch.complaints == []


def test_the_way_from_overview_to_the_line_of_code(browser: Browser, shop: str) -> None:
    """Overview → search → timeline → finding → code line, by the keyboard and links alone."""
    with watched(browser, shop) as (page, watch):
        page.goto("/")
        page.keyboard.press("/")
        page.keyboard.type("POST /checkout")
        page.keyboard.press("Enter")
        page.wait_for_url("**/traces?*")
        page.locator("table a.row-link", has_text="POST /checkout").click()
        page.wait_for_selector("#timeline[data-ready]")
        page.locator(".strip a", has_text="42 queries").click()
        page.wait_for_url("**/findings/*")
        assert "inventory/views.py:31" in page.locator(".finding-head").inner_text()
        assert "joinedload" in page.locator(".diff .new").all_inner_texts()[1]
        page.locator("a.exhibit").click()
        page.wait_for_selector("#timeline[data-ready]")
        assert "inventory/views.py:31" in page.locator("#panel").inner_text()
        assert watch.complaints == []


def test_text_has_enough_contrast_in_both_schemes(browser: Browser, shop: str) -> None:
    for dark in (False, True):
        with watched(browser, shop, dark=dark) as (page, _):
            page.goto(TRACE, wait_until="networkidle")
            ratios = page.evaluate(CONTRASTS)
            assert {name: ratio for name, ratio in ratios.items() if ratio < 4.5} == {}


CONTRASTS = """() => {
  const canvas = document.createElement('canvas').getContext('2d', {willReadFrequently: true});
  const probe = document.createElement('i');
  document.body.append(probe);
  const light = (name) => {
    probe.style.color = `var(${name})`;
    canvas.fillStyle = getComputedStyle(probe).color;
    canvas.fillRect(0, 0, 1, 1);
    const part = [...canvas.getImageData(0, 0, 1, 1).data].slice(0, 3)
      .map(v => v / 255).map(v => v <= 0.04045 ? v / 12.92 : ((v + 0.055) / 1.055) ** 2.4);
    return 0.2126 * part[0] + 0.7152 * part[1] + 0.0722 * part[2];
  };
  const found = {};
  for (const text of ['--text', '--muted', '--error', '--warn', '--ok', '--accent-text'])
    for (const ground of ['--bg', '--surface', '--accent-soft']) {
      const [a, b] = [light(text), light(ground)];
      found[`${text} on ${ground}`] = (Math.max(a, b) + 0.05) / (Math.min(a, b) + 0.05);
    }
  probe.remove();
  return found;
}"""
