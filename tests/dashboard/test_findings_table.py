"""The table of findings, as the overview, /findings and a service's page show it."""

from __future__ import annotations

from dataclasses import replace

from starlette.testclient import TestClient

from tests.support.example_shop import NOW_NS
from tests.support.memory_store import MemoryStore
from tracestitch_collector.checks.finding import Finding, Location
from tracestitch_dashboard import hours, rendering
from tracestitch_dashboard.hours import HOUR_NS


def change(store: MemoryStore, check: str, **fields: object) -> Finding:
    """One of the shop's findings, changed."""
    place = next(place for place, found in enumerate(store.known_findings) if found.check == check)
    changed: Finding = replace(store.known_findings[place], **fields)  # type: ignore[arg-type] # as named
    store.known_findings[place] = changed
    return changed


def test_a_title_begins_with_a_capital_letter(client: TestClient, store: MemoryStore) -> None:
    found = change(store, "missing-timeout", title="pricing calls without a timeout")
    for path in ("/", "/findings", f"/findings/{found.fingerprint}", "/services/pricing"):
        text = client.get(path).text
        assert "Pricing calls without a timeout" in text
        assert "pricing calls without" not in text


def test_a_long_path_is_shown_by_its_end_and_whole_on_hover(client: TestClient, store: MemoryStore) -> None:
    location = Location(file="a/very/long/way/shop/carts.py", line=27, function="Cart.get")
    change(store, "missing-timeout", location=location)
    text = client.get("/findings").text
    assert '<bdi dir="ltr">shop/carts.py:27</bdi>' in text
    assert 'title="a/very/long/way/shop/carts.py:27 in Cart.get"' in text


def test_time_lost_is_only_a_column_where_a_pitfall_costs_time(client: TestClient) -> None:
    assert "Time lost a day" in client.get("/findings?pitfall=P4").text
    assert "Time lost a day" not in client.get("/findings?pitfall=P7").text


def test_the_state_is_shown_and_can_be_filtered(client: TestClient, store: MemoryStore) -> None:
    quiet = change(store, "missing-timeout", state="quiet")
    change(store, "n-plus-one-http", suppressed_by="ten rows at most")
    everything = client.get("/findings?state=all").text
    assert ">quiet</span> POST to api.payments" in everything
    assert ">suppressed</span> 3 calls in a row" in everything
    assert "POST to api.payments" not in client.get("/findings").text
    alone = client.get("/findings.json?state=quiet").json()["findings"]
    assert [one["fingerprint"] for one in alone] == [quiet.fingerprint]
    page = client.get(f"/findings/{quiet.fingerprint}").text
    assert "Quiet: not seen any more" in page


def test_a_finding_says_how_many_requests_have_come_without_it(
    client: TestClient, store: MemoryStore
) -> None:
    found = change(store, "n-plus-one-http", clean=3)
    assert ">3 without</span>" in client.get("/findings").text
    assert "Not seen in the last 3 requests of" in client.get(f"/findings/{found.fingerprint}").text
    change(store, "n-plus-one-http", clean=1, state="quiet")
    page = client.get(f"/findings/{found.fingerprint}").text
    assert "Quiet: not seen in the last 1 request of" in page
    assert client.get(f"/findings/{found.fingerprint}.json").json()["clean_requests"] == 1


def test_the_hours_of_a_finding_are_drawn_with_their_counts(client: TestClient, store: MemoryStore) -> None:
    hour = NOW_NS // HOUR_NS
    found = change(store, "n-plus-one-http", history=((hour - 30, 2), (hour, 8)))
    assert len(hours.columns(found, NOW_NS)) == 2
    assert len(hours.points(found, NOW_NS).split()) == 31
    page = client.get(f"/findings/{found.fingerprint}").text
    assert "UTC: 8 requests</title>" in page
    assert "by the hour, up to now</title>" in client.get("/findings").text
    assert hours.points(change(store, "n-plus-one-http", history=()), NOW_NS) == ""


def test_code_between_backticks_is_code_and_a_statement_has_lines(
    client: TestClient, store: MemoryStore
) -> None:
    statement = 'SELECT "a"."b" FROM "shop_order" INNER JOIN "c" ON (1) WHERE "a"."id" = ? ORDER BY "x"'
    old = next(one for one in store.known_findings if one.check == "n-plus-one-http")
    found = change(
        store,
        "n-plus-one-http",
        fix=replace(old.fix, text="Use `a <b>` here"),
        details=(("repeated statement", statement),),
    )
    page = client.get(f"/findings/{found.fingerprint}").text
    assert "Use <code>a &lt;b&gt;</code> here" in page
    assert "\nFROM &#34;shop_order&#34;\nINNER JOIN" in page
    assert rendering.marked("one ` alone") == "one ` alone"
