"""Alerts on the pages: what Alertmanager told of, on the service and on the timelines of its window."""

from __future__ import annotations

import json
from typing import Any

from starlette.testclient import TestClient

from tests.support import example_shop
from tests.support.memory_store import MemoryStore
from tracestitch_collector.alerts import Alert, folded, from_webhook, to_otlp
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.model import LogRecord
from tracestitch_collector.store.store import LogPage, LogQuery, Window
from tracestitch_dashboard.alert_marks import LEAD_NS, KnownAlerts, around, of_service
from tracestitch_dashboard.figures import iso

NOW_NS = example_shop.NOW_NS
SECOND_NS = 10**9
PRICING, TRACE = "/services/pricing", f"/traces/{example_shop.TRACE_ID}"


def records(*items: dict[str, Any], told_ns: int = NOW_NS) -> list[LogRecord]:
    """What a store gives back of alerts that were posted."""
    told = from_webhook(json.dumps({"alerts": items}).encode(), told_ns)
    found = json.loads(to_otlp(told))["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    return [
        LogRecord(time_ns=told_ns, event_name=each["eventName"], body=each["body"]["stringValue"])
        for each in found
    ]


def item(starts_ns: int, ends_ns: int = 0, service: str = "pricing", **annotations: str) -> dict[str, Any]:
    return {
        "status": "resolved" if ends_ns else "firing",
        "labels": {"alertname": "ServiceHighErrorRate", "severity": "critical", "service_name": service},
        "annotations": {"summary": "13% of the requests fail", **annotations},
        "startsAt": iso(starts_ns),
        "endsAt": iso(ends_ns) if ends_ns else "0001-01-01T00:00:00Z",
        "fingerprint": "c0ffee",
    }


def alert(starts_ns: int, ends_ns: int = 0, service: str = "pricing") -> Alert:
    return folded(records(item(starts_ns, ends_ns, service)), NOW_NS)[0]


def test_a_service_shows_what_fires_and_what_fired_in_the_time_looked_at(
    client: TestClient, store: MemoryStore
) -> None:
    link = "http://shop:4380/services/pricing"
    store.logs += records(item(NOW_NS - 20 * SECOND_NS, dashboard_url=link))
    (shown,) = client.get(f"{PRICING}.json").json()["alerts"]
    assert (shown["name"], shown["firing"], shown["ends_ns"]) == ("ServiceHighErrorRate", True, None)
    page = client.get(PRICING).text
    assert "13% of the requests fail" in page
    assert f'href="{link}"' in page
    assert client.get("/services/storefront.json").json()["alerts"] == []


def test_a_resolved_alert_no_longer_fires_on_the_page(client: TestClient, store: MemoryStore) -> None:
    store.logs += records(item(NOW_NS - 20 * SECOND_NS), told_ns=NOW_NS - 20 * SECOND_NS)
    store.logs += records(item(NOW_NS - 20 * SECOND_NS, NOW_NS - 10 * SECOND_NS))
    (shown,) = client.get(f"{PRICING}.json").json()["alerts"]
    assert (shown["firing"], shown["ends_ns"]) == (False, NOW_NS - 10 * SECOND_NS)
    assert "resolved" in client.get(PRICING).text


def test_a_timeline_of_its_window_is_marked(client: TestClient, store: MemoryStore) -> None:
    store.logs += records(item(NOW_NS - 20 * SECOND_NS))
    (shown,) = client.get(f"{TRACE}.json").json()["alerts"]
    assert (shown["service"], shown["relation"]) == ("pricing", "fired 38.7 s later")
    page = client.get(TRACE).text
    assert "/services/pricing#alerts" in page
    assert "fired 38.7 s later" in page


def test_only_the_services_of_a_trace_and_its_time_count() -> None:
    start_ns, end_ns = NOW_NS - 7_000 * SECOND_NS, NOW_NS - 6_999 * SECOND_NS

    def relations(*known: Alert) -> list[str]:
        return [mark.relation for mark in around(known, {"pricing"}, start_ns, end_ns, NOW_NS)]

    assert relations(alert(start_ns - 60 * SECOND_NS)) == ["was firing"]
    assert relations(alert(start_ns - 60 * SECOND_NS, start_ns - SECOND_NS)) == []
    assert relations(alert(start_ns, service="inventory")) == []
    assert relations(alert(end_ns + LEAD_NS)) == ["fired 15 min later"]
    assert relations(alert(end_ns + LEAD_NS + SECOND_NS)) == []


def test_a_window_shows_the_alerts_that_fired_in_it_those_that_fire_now_first() -> None:
    old = alert(NOW_NS - 300 * SECOND_NS, NOW_NS - 200 * SECOND_NS)
    new = alert(NOW_NS - 100 * SECOND_NS)
    window = Window(start_ns=NOW_NS - 250 * SECOND_NS, end_ns=NOW_NS)
    assert [m.alert for m in of_service([old, new], "pricing", window, NOW_NS)] == [new, old]
    recent = Window(start_ns=NOW_NS - 150 * SECOND_NS, end_ns=NOW_NS)
    assert [m.alert for m in of_service([old, new], "pricing", recent, NOW_NS)] == [new]


def test_alerts_are_no_log_lines_and_their_sender_is_no_service(
    client: TestClient, store: MemoryStore
) -> None:
    before = client.get("/services.json").json()
    store.logs += records(item(NOW_NS - 20 * SECOND_NS))
    assert "13% of the requests fail" not in client.get("/logs").text
    assert client.get("/services.json").json() == before


def test_alerts_are_read_once_in_a_while_and_kept_while_the_store_is_away() -> None:
    asked: list[LogQuery] = []

    class Store(MemoryStore):
        def search_logs(self, query: LogQuery) -> LogPage:
            asked.append(query)
            if len(asked) > 1:
                raise Unavailable("away")
            return LogPage(records=tuple(records(item(NOW_NS))))

    known = KnownAlerts(Store())
    for later_s in (0, 1, 4):
        assert len(known.get(NOW_NS + later_s * SECOND_NS)) == 1
    assert len(asked) == 1
    assert len(known.get(NOW_NS + 6 * SECOND_NS)) == 1
    assert len(asked) == 2


def test_what_an_alert_says_is_never_markup(client: TestClient, store: MemoryStore) -> None:
    payload = '"><img src=x onerror=alert(1)><script>alert(2)</script>'
    said = item(NOW_NS - 20 * SECOND_NS, dashboard_url=f"http://x/{payload}", runbook_url="javascript:x")
    said["labels"]["alertname"] = said["labels"]["severity"] = said["annotations"]["summary"] = payload
    store.logs += records(said)
    for page in (PRICING, TRACE):
        text = client.get(page).text
        assert "<img src=x" not in text
        assert "<script>alert" not in text
        assert "javascript:x" not in text
        assert "&lt;img src=x" in text or "&lt;img" in text
