"""What an alert gives to whoever is woken by it: it fires when it should and not otherwise, and each of its links
leads to a page that is there.
"""

from __future__ import annotations

import os
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml
from starlette.testclient import TestClient

from tests.support import example_shop
from tracestitch_collector.settings import Settings
from tracestitch_dashboard import runbooks
from tracestitch_dashboard.app import create_app

ROOT = Path(__file__).parents[2]
STACK = ROOT / "stack"
RULES = sorted((STACK / "prometheus" / "rules").glob("*.yml"))
CASES = sorted((STACK / "prometheus" / "tests").glob("*.yml"))
ALWAYS_FIRING = {"Watchdog"}
OF_TRACESTITCH = re.compile(r"Collector\w+|TracestitchFinding\w*|Watchdog")


def alerts() -> Iterator[dict[str, Any]]:
    for path in RULES:
        for group in yaml.safe_load(path.read_text(encoding="utf-8"))["groups"]:
            yield from (rule for rule in group["rules"] if "alert" in rule)


def cases() -> Iterator[dict[str, Any]]:
    for path in CASES:
        yield from yaml.safe_load(path.read_text(encoding="utf-8"))["tests"]


NAMES = sorted({rule["alert"] for rule in alerts()})


@pytest.fixture(scope="module")
def client(tmp_path_factory: pytest.TempPathFactory) -> TestClient:
    settings = Settings(data=tmp_path_factory.mktemp("data"))
    app = create_app(example_shop.store(), settings, lambda: example_shop.NOW_NS)
    return TestClient(app, base_url="http://localhost", follow_redirects=False)


def test_each_alert_is_shown_to_fire_and_to_stay_silent() -> None:
    firing: set[str] = set()
    silent: set[str] = set()
    for case in cases():
        for test in case.get("alert_rule_test", ()):
            (firing if test["exp_alerts"] else silent).add(test["alertname"])
        for test in case.get("promql_expr_test", ()):
            for sample in test["exp_samples"]:
                firing |= set(re.findall(r'alertname="(\w+)"', sample["labels"]))
    assert sorted(set(NAMES) - firing) == []
    assert sorted(set(NAMES) - silent - ALWAYS_FIRING) == []


def test_each_window_of_the_error_budget_is_shown_to_fire() -> None:
    windows = {rule["labels"]["window"] for rule in alerts() if rule["alert"] == "SLOErrorBudgetBurn"}
    shown = {
        window
        for case in cases()
        for test in case.get("promql_expr_test", ())
        for sample in test["exp_samples"]
        for window in re.findall(r'window="(\w+)"', sample["labels"])
    }
    assert windows == shown == {"1h", "6h", "1d", "3d"}


def test_the_link_of_each_alert_leads_to_a_section_that_says_what_to_do(client: TestClient) -> None:
    page = client.get("/runbooks")
    assert page.status_code == 200
    for rule in alerts():
        address, anchor = rule["annotations"]["runbook_url"].rsplit("#", 1)
        assert address.endswith("{{ end }}/runbooks"), rule["alert"]
        assert anchor == rule["alert"]
        assert f'<section class="runbook" id="{anchor}">' in page.text
    sections = client.get("/runbooks.json").json()["runbooks"]
    assert sorted(section["alert"] for section in sections) == NAMES
    assert all(len(section["text"]) >= 2 for section in sections)


def test_alerts_of_services_link_to_timelines_and_findings_and_all_to_a_page() -> None:
    for rule in alerts():
        wanted = {"summary", "runbook_url"}
        if rule["alert"] != "Watchdog":
            wanted |= {"dashboard_url"}
        if not OF_TRACESTITCH.fullmatch(rule["alert"]):
            wanted |= {"traces_url", "findings_url"}
        assert wanted <= rule["annotations"].keys(), rule["alert"]


def test_the_links_that_come_out_are_addresses_that_the_dashboard_answers(client: TestClient) -> None:
    links = {
        link.removeprefix("http://shop:4380")
        for case in cases()
        for test in case.get("alert_rule_test", ())
        for alert in test["exp_alerts"]
        for name, link in alert["exp_annotations"].items()
        if name.endswith("_url")
    }
    assert len(links) > 30
    strangers = (
        "billing",
        "a+b",
        "00ff",
    )  # of whom the example shop knows nothing: pages of their own say so
    for link in sorted(links):
        status = client.get(link).status_code
        unknown = link.startswith(("/services", "/findings/")) and any(name in link for name in strangers)
        assert status == (404 if unknown else 200), link


def test_the_copy_in_docs_is_the_text_that_is_shipped() -> None:
    copy, text = ROOT / "docs" / "runbooks.md", runbooks.SOURCE.read_text(encoding="utf-8")
    if os.environ.get("UPDATE_DOCS"):
        copy.write_text(text, encoding="utf-8")
    assert copy.read_text(encoding="utf-8") == text


def test_every_word_of_the_runbooks_is_on_their_page(client: TestClient) -> None:
    source = runbooks.SOURCE.read_text(encoding="utf-8")
    page = re.sub(r"<[^>]+>", " ", client.get("/runbooks").text)
    for word in set(re.findall(r"[A-Za-z_]{4,}", source)):
        assert word in page, word
