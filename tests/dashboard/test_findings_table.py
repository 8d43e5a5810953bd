"""The table of findings, as the overview, /findings and a service's page show it."""

from __future__ import annotations

from dataclasses import replace

from starlette.testclient import TestClient

from tests.support.memory_store import MemoryStore
from tracestitch_collector.checks.finding import Finding, Location


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
