"""`POST /alerts`: what Alertmanager says, from the webhook to the marks that the pages show."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from tests.support.receiver import receiving
from tracestitch_collector import alerts
from tracestitch_collector.alerts import Alert, NotAlertsError, folded, from_webhook
from tracestitch_collector.decode.decoder import Decoder, Request
from tracestitch_collector.model import LogRecord

SECOND_NS = 1_000_000_000
NOW_NS = 1_795_000_000 * SECOND_NS  # 2026-11-18T11:06:40Z
JSON = "application/json"


def fired(**changes: Any) -> dict[str, Any]:
    """An alert as Alertmanager 0.25 sends it."""
    return {
        "status": "firing",
        "labels": {"alertname": "ServiceHighErrorRate", "severity": "critical", "service_name": "pricing"},
        "annotations": {
            "summary": "13.33% of the requests to pricing fail",
            "dashboard_url": "http://shop:4380/services/pricing",
            "runbook_url": "http://shop:4380/runbooks#ServiceHighErrorRate",
        },
        "startsAt": "2026-11-18T11:00:00.123456789Z",
        "endsAt": "0001-01-01T00:00:00Z",
        "generatorURL": "http://prometheus:9090/graph?g0.expr=up",
        "fingerprint": "00c0ffee00c0ffee",
        **changes,
    }


def resolved(**changes: Any) -> dict[str, Any]:
    return fired(status="resolved", endsAt="2026-11-18T11:05:00Z", **changes)


def webhook(*items: Any) -> bytes:
    return json.dumps({"version": "4", "status": "firing", "receiver": "team", "alerts": items}).encode()


def stored(*told: Alert) -> list[LogRecord]:
    """The records that the alerts become, as a store would give them back."""
    document = json.loads(alerts.to_otlp(told))
    return [
        LogRecord(
            time_ns=int(record["timeUnixNano"]),
            event_name=record["eventName"],
            body=record["body"]["stringValue"],
        )
        for record in document["resourceLogs"][0]["scopeLogs"][0]["logRecords"]
    ]


def test_an_alert_is_read_as_alertmanager_sends_it() -> None:
    (alert,) = from_webhook(webhook(fired()), NOW_NS)
    assert (alert.name, alert.service, alert.severity) == ("ServiceHighErrorRate", "pricing", "critical")
    assert alert.starts_ns == NOW_NS - 400 * SECOND_NS + 123_456_000
    assert (alert.ends_ns, alert.is_firing(NOW_NS)) == (0, True)
    assert alert.dashboard_url == "http://shop:4380/services/pricing"


@pytest.mark.parametrize(
    ("labels", "service"),
    [
        ({"service_name": "a", "job": "b"}, "a"),
        ({"client": "storefront", "server": "pricing"}, "storefront"),
        ({"job": "billing"}, "billing"),
        ({"job": "tracestitch-collector", "instance": "x"}, ""),
        ({}, ""),
    ],
)
def test_the_service_is_read_from_the_labels(labels: dict[str, str], service: str) -> None:
    (alert,) = from_webhook(webhook(fired(labels=labels)), NOW_NS)
    assert alert.service == service


def test_a_resolved_alert_ends_its_mark_and_is_told_once() -> None:
    (first,) = from_webhook(webhook(fired()), NOW_NS - 100 * SECOND_NS)
    (again,) = from_webhook(webhook(fired()), NOW_NS - 50 * SECOND_NS)
    (over,) = from_webhook(webhook(resolved()), NOW_NS)
    (shown,) = folded(stored(over, first, again), NOW_NS)
    assert shown.ends_ns == NOW_NS - 100 * SECOND_NS
    assert not shown.is_firing(NOW_NS)
    (later,) = from_webhook(webhook(fired(startsAt="2026-11-18T11:06:00Z")), NOW_NS)
    assert [alert.is_firing(NOW_NS) for alert in folded(stored(over, later), NOW_NS)] == [True, False]


def test_an_alert_of_which_nobody_speaks_any_more_is_over() -> None:
    (alert,) = from_webhook(webhook(fired()), NOW_NS)
    a_day = alerts.SILENT_NS
    assert folded(stored(alert), NOW_NS + a_day)[0].is_firing(NOW_NS + a_day)
    assert not folded(stored(alert), NOW_NS + a_day + 1)[0].is_firing(NOW_NS + a_day + 1)


def test_hostile_alerts_are_bounded_and_link_to_nothing_but_the_web() -> None:
    huge = "x" * 10_000
    labels = {f"{n}{huge}": "\x00\n\u202e" + huge for n in range(100)} | {"alertname": 7}
    links = {"dashboard_url": "javascript:alert(1)", "runbook_url": "data:text/html,x", "summary": [huge]}
    (alert,) = from_webhook(
        webhook(
            fired(
                labels=labels, annotations=links, generatorURL=huge, startsAt="9999-12-31T23:59:59Z",
                fingerprint=None,
            )
        ),
        NOW_NS,
    )  # fmt: skip
    assert (alert.dashboard_url, alert.runbook_url, alert.source_url) == ("", "", "")
    assert len(alert.labels) == alerts.MAX_LABELS
    assert max(map(len, alert.labels.values())) <= alerts.MAX_LABEL
    assert alert.starts_ns == NOW_NS
    assert len(stored(alert)[0].body) < 65_536  # type: ignore[arg-type]  # it is a text
    assert folded(stored(alert), NOW_NS) == (alert,)


@pytest.mark.parametrize(
    "body", [b"", b"\xff", b"[]", b"{}", b'{"alerts": {}}', b'{"alerts": [1]}', b"[" * 100_000]
)
def test_what_is_no_webhook_is_said_to_be_none(body: bytes) -> None:
    with pytest.raises(NotAlertsError):
        from_webhook(body, NOW_NS)


@pytest.mark.parametrize("body", [None, "", "{}", "[1]", '{"starts_ns": "x"}', "{" * 100_000, 5])
def test_records_that_only_look_like_alerts_are_passed_over(body: Any) -> None:
    assert folded([LogRecord(time_ns=1, event_name=alerts.EVENT, body=body)], NOW_NS) == ()


@pytest.mark.server
def test_alerts_are_durable_in_the_log_before_they_are_acknowledged(tmp_path: Path) -> None:
    with receiving(tmp_path) as receiver:
        answer = receiver.post("/alerts", webhook(fired(), resolved()), content_type=JSON)
        assert (answer.status, json.loads(answer.body)) == (200, {"taken": 2})
        (record,) = receiver.new_records()
        decoded = Decoder().logs([Request(body=record.body, digest=record.digest, received_ns=1)])
        rows = decoded.table.to_pylist()
        assert [row["event_name"] for row in rows] == [alerts.EVENT] * 2
        shown = [LogRecord(time_ns=r["time_ns"], event_name=r["event_name"], body=r["body"]) for r in rows]
        assert [alert.name for alert in folded(shown, NOW_NS)] == ["ServiceHighErrorRate"]
        assert (
            receiver.count("tracestitch_receiver_accepted_total", signal="logs", transport="alertmanager")
            == 2
        )


@pytest.mark.server
def test_what_is_not_taken_is_refused_with_the_reason_and_counted(tmp_path: Path) -> None:
    with receiving(tmp_path, token="s3cret") as receiver:
        bearer = {"authorization": "Bearer s3cret"}
        assert receiver.post("/alerts", webhook(fired()), content_type=JSON).status == 401
        foreign = receiver.post("/alerts", webhook(fired()), content_type=JSON, host="evil.example", **bearer)
        assert foreign.status == 421
        assert receiver.post("/alerts", webhook(fired()), content_type="text/plain", **bearer).status == 415
        assert receiver.post("/alerts", b"{}", content_type=JSON, **bearer).status == 400
        assert receiver.post("/alerts", b" " * 1_100_000, content_type=JSON, **bearer).status == 413
        assert receiver.request("GET", "/alerts", headers=bearer).status == 405
        assert receiver.post("/alerts", webhook(), content_type=JSON, **bearer).status == 200
        assert receiver.new_records() == []
        labels = {"signal": "alerts", "transport": "alertmanager", "reason": "too large"}
        assert receiver.count("tracestitch_receiver_refused_total", **labels) == 1
