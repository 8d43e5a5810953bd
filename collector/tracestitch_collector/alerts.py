"""Alerts as Alertmanager's webhook tells of them: read, turned into log records of their own kind, and put
together again from those, so that they are as durable as everything else, in any store.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import UTC, datetime
from typing import Any

from tracestitch_collector.model import LogRecord

EVENT = "tracestitch.alert"
MAX_BYTES = 1024 * 1024
MAX_ALERTS = 1_000
MAX_TEXT = 500
MAX_LABELS = 40
MAX_LABEL = 200
"""Together less than the body of a log record may have: cut short it would be unreadable."""
SILENT_NS = 24 * 3_600 * 1_000_000_000
"""Alertmanager repeats what fires, every 12 hours at least by our configuration: what it has not spoken of for so
long is over, though nobody said so."""

_SERVICE_LABELS = ("service_name", "service", "client", "exported_job", "job")
"""Which label names the service, the first that is there. A `client` is who suffers from a failing dependency."""
_COLLECTOR_JOB = "tracestitch-collector"


class NotAlertsError(ValueError):
    """A body that is no webhook of Alertmanager's."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Alert:
    fingerprint: str
    name: str
    service: str
    """Empty where it is about no service."""
    severity: str
    summary: str
    description: str
    starts_ns: int
    ends_ns: int
    """0 while it fires."""
    told_ns: int
    """When Alertmanager spoke of it last."""
    labels: Mapping[str, str]
    dashboard_url: str
    """Empty, or an http address: whoever may post an alert writes it."""
    runbook_url: str
    source_url: str

    def is_firing(self, now_ns: int) -> bool:
        return not self.ends_ns or self.ends_ns > now_ns


def from_webhook(body: bytes, now_ns: int) -> tuple[Alert, ...]:
    """The alerts of a webhook (version 4). Raises NotAlertsError."""
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise NotAlertsError(f"the body is not JSON: {str(error)[:200]}") from error
    alerts = document.get("alerts") if isinstance(document, dict) else None
    if not isinstance(alerts, list) or not all(isinstance(item, dict) for item in alerts):
        raise NotAlertsError("the body has no list of alerts; it must be Alertmanager's webhook, version 4")
    if len(alerts) > MAX_ALERTS:
        raise NotAlertsError(
            f"{len(alerts)} alerts in one message, {MAX_ALERTS} at most; set max_alerts of the webhook lower"
        )
    return tuple(_alert(item, now_ns) for item in alerts)


def to_otlp(alerts: Sequence[Alert]) -> bytes:
    """A request of log records, one for each alert, in OTLP's JSON."""
    records = [
        {
            "timeUnixNano": str(alert.told_ns),
            "observedTimeUnixNano": str(alert.told_ns),
            "severityNumber": 17 if not alert.ends_ns else 9,
            "eventName": EVENT,
            "body": {"stringValue": json.dumps(_document(alert), ensure_ascii=False)},
        }
        for alert in alerts
    ]
    resource = {"attributes": [{"key": "service.name", "value": {"stringValue": "alertmanager"}}]}
    scope_logs = [{"scope": {"name": "tracestitch.alerts"}, "logRecords": records}]
    request = {"resourceLogs": [{"resource": resource, "scopeLogs": scope_logs}]}
    return json.dumps(request, ensure_ascii=False).encode("utf-8", "replace")


def folded(records: Iterable[LogRecord], now_ns: int) -> tuple[Alert, ...]:
    """What the records say by now: each time that an alert fired once, the newest first. Records that are none of
    ours are passed over: anyone may write one."""
    newest: dict[tuple[str, int], Alert] = {}
    for record in records:
        alert = _from_record(record)
        if alert is None:
            continue
        key = (alert.fingerprint, alert.starts_ns)
        before = newest.get(key)
        if before is None or (alert.told_ns, alert.ends_ns) > (before.told_ns, before.ends_ns):
            newest[key] = alert
    found = [_ended_in_silence(alert, now_ns) for alert in newest.values()]
    return tuple(sorted(found, key=lambda alert: (alert.starts_ns, alert.fingerprint), reverse=True))


def _ended_in_silence(alert: Alert, now_ns: int) -> Alert:
    if alert.ends_ns or now_ns - alert.told_ns <= SILENT_NS:
        return alert
    return replace(alert, ends_ns=alert.told_ns + SILENT_NS)


def _alert(item: Mapping[str, Any], now_ns: int) -> Alert:
    labels = _texts(item.get("labels"))
    given = item.get("annotations")
    annotations = given if isinstance(given, dict) else {}
    starts_ns = min(_nanoseconds(item.get("startsAt")) or now_ns, now_ns)
    ends_ns = 0
    if item.get("status") == "resolved":
        ends_ns = max(min(_nanoseconds(item.get("endsAt")) or now_ns, now_ns), starts_ns, 1)
    return Alert(
        fingerprint=_text(item.get("fingerprint"))[:64] or _fingerprint(labels),
        name=labels.get("alertname", ""),
        service=_service(labels),
        severity=labels.get("severity", ""),
        summary=_text(annotations.get("summary")) or labels.get("alertname", ""),
        description=_text(annotations.get("description")),
        starts_ns=starts_ns,
        ends_ns=ends_ns,
        told_ns=now_ns,
        labels=labels,
        dashboard_url=_address(annotations.get("dashboard_url")),
        runbook_url=_address(annotations.get("runbook_url")),
        source_url=_address(item.get("generatorURL")),
    )


def _document(alert: Alert) -> dict[str, Any]:
    return {
        "fingerprint": alert.fingerprint,
        "name": alert.name,
        "service": alert.service,
        "severity": alert.severity,
        "summary": alert.summary,
        "description": alert.description,
        "starts_ns": alert.starts_ns,
        "ends_ns": alert.ends_ns,
        "labels": dict(alert.labels),
        "dashboard_url": alert.dashboard_url,
        "runbook_url": alert.runbook_url,
        "source_url": alert.source_url,
    }


def _from_record(record: LogRecord) -> Alert | None:
    if record.event_name != EVENT or not isinstance(record.body, str):
        return None
    try:
        document = json.loads(record.body)
        starts_ns, ends_ns = int(document["starts_ns"]), int(document["ends_ns"])
        labels = _texts(document["labels"])
    except (ValueError, KeyError, TypeError, RecursionError, OverflowError):
        return None
    texts = {name: _text(document.get(name)) for name in _TEXTS}
    return Alert(
        **texts,
        starts_ns=starts_ns,
        ends_ns=ends_ns,
        told_ns=record.time_ns,
        labels=labels,
        dashboard_url=_address(document.get("dashboard_url")),
        runbook_url=_address(document.get("runbook_url")),
        source_url=_address(document.get("source_url")),
    )


_TEXTS = ("fingerprint", "name", "service", "severity", "summary", "description")


def _service(labels: Mapping[str, str]) -> str:
    found = next((labels[name] for name in _SERVICE_LABELS if labels.get(name)), "")
    return "" if found == _COLLECTOR_JOB else found


def _texts(value: object) -> dict[str, str]:
    if not isinstance(value, dict):
        return {}
    pairs = list(value.items())[:MAX_LABELS]
    return {_text(key)[:MAX_LABEL]: _text(text)[:MAX_LABEL] for key, text in pairs}


def _text(value: object) -> str:
    if not isinstance(value, str):
        return ""
    return "".join(letter if letter.isprintable() else " " for letter in value[:MAX_TEXT])


def _address(value: object) -> str:
    """Of the web and nothing else: a link on our pages leads there."""
    text = value if isinstance(value, str) else ""
    return text if text.startswith(("http://", "https://")) and len(text) <= 4 * MAX_TEXT else ""


def _nanoseconds(value: object) -> int:
    """Of a time as Go writes it; 0 for none, which Go writes as the year 1."""
    try:
        moment = datetime.fromisoformat(_text(value))
    except ValueError:
        return 0
    if moment.year < 1971 or moment.tzinfo is None:
        return 0
    return int((moment - datetime(1970, 1, 1, tzinfo=UTC)).total_seconds() * 1_000_000) * 1_000


def _fingerprint(labels: Mapping[str, str]) -> str:
    return hashlib.blake2b(repr(sorted(labels.items())).encode(), digest_size=8).hexdigest()
