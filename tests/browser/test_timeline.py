"""The timeline in a real browser: keys, mouse, zoom, folding, details, and the address that says it all."""

from __future__ import annotations

from collections.abc import Iterator

import pytest
from playwright.sync_api import Browser, Page, expect

from tests.support import example_shop
from tests.support.browser import watched
from tests.support.traces import TraceBuilder

pytestmark = pytest.mark.browser

TRACE = f"/traces/{example_shop.TRACE_ID}"
ids = TraceBuilder(example_shop.CHECKOUT)


@pytest.fixture
def page(browser: Browser, shop: str) -> Iterator[Page]:
    with watched(browser, shop) as (opened, watch):
        show(opened, TRACE)
        yield opened
        assert watch.complaints == []


def show(page: Page, address: str) -> None:
    page.goto(address)
    page.wait_for_selector("#timeline[data-ready]")


def selected(page: Page) -> str:
    return page.locator(".row.is-selected .label").inner_text()


def names(page: Page) -> list[str]:
    return page.locator("#rows .row .label").all_inner_texts()


ROWS = """() => [...document.querySelectorAll('#rows .row')].map(row => ({
    said: [row.id, row.className, row.querySelector('.name').className, row.getAttribute('aria-level'),
        row.getAttribute('aria-expanded'), row.innerText,
        ...[...row.querySelectorAll('[href], rect, text, path')].flatMap(e =>
            [e.tagName, e.getAttribute('class'), e.getAttribute('href'), e.getAttribute('dx'), e.textContent])],
    placed: [...row.querySelectorAll('rect, text, svg[x]')].flatMap(e =>
        [parseFloat(e.getAttribute('x')), parseFloat(e.getAttribute('width') || 0)])}))"""


@pytest.mark.parametrize(
    "view",
    [
        "",
        "?logs=0&gaps=0",
        "?fold=0&path=0",
        "?zoom=100-600",
        "?filter=price",
        f"?toggled=r-{ids.id('row-0')},{ids.id('stock')}&span={ids.id('charge')}&tab=attributes",
        "?zoom=400.5-401.25&skew=1",
    ],
)
def test_the_script_draws_what_the_server_drew(browser: Browser, shop: str, view: str) -> None:
    with watched(browser, shop, javascript=False) as (plain, _):
        plain.goto(TRACE + view)
        by_server = plain.evaluate(ROWS)
        axis = plain.locator("#axis text").all_text_contents()
    with watched(browser, shop) as (scripted, watch):
        show(scripted, TRACE + view)
        by_script = scripted.evaluate(ROWS)
        assert scripted.locator("#axis text").all_text_contents() == axis
        assert watch.complaints == []
    assert len(by_server) >= 2
    for from_server, from_script in zip(by_server, by_script, strict=True):
        assert from_script["said"] == from_server["said"]
        assert from_script["placed"] == pytest.approx(from_server["placed"], abs=0.0021)


def test_the_keys_j_and_k_walk_the_rows_and_the_address_follows(page: Page) -> None:
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("ArrowDown")
    page.keyboard.press("k")
    assert selected(page) == "SELECT auth_user"
    assert f"span={ids.id('user')}" in page.url
    expect(page.locator("#panel h2")).to_have_text("SELECT auth_user")
    page.reload()
    assert selected(page) == "SELECT auth_user"


def test_left_and_right_close_and_open(page: Page) -> None:
    page.keyboard.press("j")
    everything = len(names(page))
    page.keyboard.press("ArrowLeft")
    assert names(page) == ["POST /checkout"]
    page.keyboard.press("ArrowRight")
    assert len(names(page)) == everything


def test_left_on_a_leaf_goes_to_its_parent(page: Page) -> None:
    show(page, f"{TRACE}?span={ids.id('items')}")
    page.keyboard.press("ArrowLeft")
    assert selected(page) == "GET /stock"


def test_brackets_go_from_sibling_to_sibling(page: Page) -> None:
    show(page, f"{TRACE}?span={ids.id('call-stock')}")
    page.keyboard.press("]")
    assert selected(page) == "GET /price/<sku> → pricing"
    page.keyboard.press("[")
    assert selected(page) == "GET /stock → inventory"


def test_e_finds_the_next_error_and_f_the_next_finding(page: Page) -> None:
    page.keyboard.press("e")
    assert selected(page) == "POST /checkout"
    page.keyboard.press("e")
    assert selected(page) == "POST /charge → pricing"
    page.keyboard.press("f")
    assert selected(page) == "POST api.payments.example/v1/charge"
    page.keyboard.press("f")
    assert selected(page) == "SELECT warehouse"


def test_a_finding_in_a_closed_part_is_opened(page: Page) -> None:
    show(page, f"{TRACE}?toggled={ids.id('root')}&span={ids.id('root')}")
    assert names(page) == ["POST /checkout"]
    page.keyboard.press("f")
    assert selected(page) == "SELECT warehouse"


def test_repeats_are_one_row_that_opens(page: Page) -> None:
    row = page.locator(f"#row-r-{ids.id('row-0')}")
    assert row.locator(".badge").inner_text() == "41×"
    assert (row.locator(".bar text").text_content() or "").endswith("in 41, one after another")
    row.locator("a.caret").click()
    assert names(page).count("SELECT warehouse") == 42
    page.reload()
    page.wait_for_selector("#timeline[data-ready]")
    assert names(page).count("SELECT warehouse") == 42


def test_g_unfolds_repeats_and_l_hides_logs(page: Page) -> None:
    page.keyboard.press("g")
    assert names(page).count("SELECT warehouse") == 41
    assert "fold=0" in page.url
    assert "cart 8817 has 3 items" in names(page)
    page.keyboard.press("l")
    assert "cart 8817 has 3 items" not in names(page)


def test_c_hides_the_critical_path(page: Page) -> None:
    assert page.locator("#rows rect.path").count() > 5
    page.keyboard.press("c")
    assert page.locator("#rows rect.path").count() == 0


def test_dragging_over_the_minimap_zooms_and_0_shows_all(page: Page) -> None:
    box = page.locator("#minimap").bounding_box()
    assert box is not None
    page.mouse.move(box["x"] + box["width"] * 0.75, box["y"] + 10)
    page.mouse.down()
    page.mouse.move(box["x"] + box["width"] * 0.95, box["y"] + 12, steps=4)
    page.mouse.up()
    assert "zoom=" in page.url
    assert "0" not in page.locator("#axis text").all_text_contents()
    expect(page.get_by_role("link", name="Show all")).to_be_visible()
    address = page.url
    page.reload()
    page.wait_for_selector("#timeline[data-ready]")
    assert page.url == address
    page.keyboard.press("0")
    assert "zoom=" not in page.url
    assert page.locator("#axis text").all_text_contents()[0] == "0"


def test_plus_zooms_on_the_selected_row_and_escape_leaves(page: Page) -> None:
    show(page, f"{TRACE}?span={ids.id('charge')}")
    for _ in range(3):
        page.keyboard.press("+")
    bar = page.locator(f"#row-{ids.id('charge')} rect.whole").bounding_box()
    assert bar is not None
    assert bar["width"] > 300
    page.keyboard.press("-")
    page.keyboard.press("Escape")
    assert "zoom=" not in page.url
    page.keyboard.press("Escape")
    assert "span=" not in page.url
    expect(page.locator("#panel")).to_be_hidden()


def test_the_panel_says_what_where_and_how_to_mend_it(page: Page) -> None:
    page.locator(f"#row-r-{ids.id('row-0')} .label").click()
    panel = page.locator("#panel")
    expect(panel.locator("h2")).to_have_text("SELECT warehouse")
    assert "42 queries where 2 would do" in panel.inner_text()
    assert panel.locator(".place").inner_text().split("\n") == ["inventory/views.py:31", "in list_stock"]
    assert any("joinedload" in line for line in panel.locator(".diff .new").all_inner_texts())
    panel.get_by_role("link", name="SQL").click()
    expect(panel.locator("pre").first).to_have_text("SELECT id, name FROM warehouse WHERE id = ?")
    assert "tab=call" in page.url
    panel.get_by_role("link", name="Raw").click()
    expect(panel.locator("pre").first).to_contain_text('"db.query.summary": "SELECT warehouse"')


def test_the_stack_marks_the_apps_own_frames(page: Page) -> None:
    show(page, f"{TRACE}?span={ids.id('charge')}&tab=stack")
    assert page.locator("#panel .frame-line.in-app").inner_text() == "pricing/client.py:12 in charge"
    assert "adapters.py:642" in page.locator("#panel .frame-line").first.inner_text()


def test_back_undoes_a_selection(page: Page) -> None:
    page.locator(f"#row-{ids.id('stock')} .label").click()
    expect(page.locator("#panel h2")).to_have_text("GET /stock")
    page.go_back()
    expect(page.locator("#panel")).to_be_hidden()
    assert page.locator(".row.is-selected").count() == 0


def test_the_filter_keeps_what_matches_and_what_it_lies_in(page: Page) -> None:
    page.keyboard.press("/")
    page.keyboard.type("warehouse")
    expect(page.locator("#count")).to_contain_text("rows")
    assert names(page)[:4] == [
        "POST /checkout",
        "GET /stock → inventory",
        "GET /stock",
        "SELECT warehouse",
    ]
    page.keyboard.press("Escape")
    page.keyboard.press("j")
    assert selected(page) == "POST /checkout"


def test_the_question_mark_shows_the_keys(page: Page) -> None:
    page.keyboard.press("?")
    expect(page.locator("#help")).to_be_visible()
    page.keyboard.press("Escape")
    expect(page.locator("#help")).to_be_hidden()


def test_the_table_view_is_a_table_with_the_same_rows(page: Page) -> None:
    rows = names(page)
    page.get_by_role("link", name="Table").click()
    page.wait_for_selector(".table-view")
    assert page.locator(".table-view tbody tr td:first-child a").all_inner_texts() == rows


def test_details_and_folding_work_without_a_script(browser: Browser, shop: str) -> None:
    with watched(browser, shop, javascript=False) as (page, watch):
        page.goto(TRACE)
        page.locator(f"#row-{ids.id('stock')} .label").click()
        assert page.locator("#panel h2").inner_text() == "GET /stock"
        page.locator("#panel").get_by_role("link", name="Attributes").click()
        assert "http.route" in page.locator("#panel").inner_text()
        page.locator(f"#row-r-{ids.id('row-0')} a.caret").click()
        assert names(page).count("SELECT warehouse") == 42
        page.get_by_role("switch", name="Logs").click()
        assert "cart 8817 has 3 items" not in names(page)
        assert watch.complaints == []


def test_rows_never_wrap_and_nothing_scrolls_sideways(browser: Browser, shop: str) -> None:
    for width in (1440, 1100, 800, 420):
        with watched(browser, shop, width=width) as (page, _):
            show(page, f"{TRACE}?span={ids.id('payment')}")
            heights = page.evaluate("[...document.querySelectorAll('.row')].map(r => r.offsetHeight)")
            assert set(heights) == {22}
            strip = page.evaluate("[...document.querySelectorAll('.strip a')].map(r => r.offsetHeight)")
            assert set(strip) == {28}
            assert page.evaluate("document.documentElement.scrollWidth <= window.innerWidth")


def test_a_label_of_the_axis_stands_over_its_line(page: Page) -> None:
    text = page.locator("#axis text").nth(2).bounding_box()
    line = page.locator("#gridlines line").nth(2).bounding_box()
    assert text is not None
    assert line is not None
    assert abs(text["x"] + text["width"] / 2 - line["x"]) < 2


def test_the_names_can_be_made_wider_and_stay_so(page: Page) -> None:
    handle = page.locator(".splitter").bounding_box()
    assert handle is not None
    page.mouse.move(handle["x"] + 3, handle["y"] + 200)
    page.mouse.down()
    page.mouse.move(handle["x"] + 123, handle["y"] + 200, steps=3)
    page.mouse.up()
    page.reload()
    page.wait_for_selector("#timeline[data-ready]")
    name = page.locator(".row .name").first.bounding_box()
    assert name is not None
    assert name["width"] == pytest.approx(513, abs=6)
