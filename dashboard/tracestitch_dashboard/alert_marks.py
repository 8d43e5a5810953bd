"""Alerts that Alertmanager told of, as marks on a service's page and on the timelines of their window."""

from __future__ import annotations

import threading
from collections.abc import Collection, Iterable, Sequence
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

from tracestitch_collector.alerts import EVENT, Alert, folded
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.store.store import LogQuery, Store, Window
from tracestitch_dashboard import figures

FRESH_NS = 5 * figures.SECOND_NS
LOOKBACK_NS = 8 * 86_400 * figures.SECOND_NS
MOST_RECORDS = 1_000
"""Of the newest; each message of Alertmanager's is one record for each alert in it."""
DEADLINE_S = 2.0
LEAD_NS = 15 * 60 * figures.SECOND_NS
"""An alert waits before it fires: what caused it happened up to so long before."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Mark:
    """An alert on something that happened at some time."""

    alert: Alert
    is_firing: bool
    """Now."""
    relation: str
    """To what is marked, in words."""


class KnownAlerts:
    """Alerts of the last days, read again when they are a few seconds old."""

    def __init__(self, store: Store) -> None:
        self._store = store
        self._lock = threading.Lock()
        self._alerts: tuple[Alert, ...] = ()
        self._read_ns = 0

    def get(self, now_ns: int) -> tuple[Alert, ...]:
        """The last that were read where the store is away: who needs the store itself will say so."""
        with self._lock:
            if not self._read_ns or not 0 <= now_ns - self._read_ns < FRESH_NS:
                query = LogQuery(
                    window=Window(start_ns=now_ns - LOOKBACK_NS, end_ns=now_ns + LEAD_NS),
                    event_name=EVENT,
                    limit=MOST_RECORDS,
                    deadline_s=DEADLINE_S,
                )
                with suppress(Unavailable):
                    self._alerts = folded(self._store.search_logs(query).records, now_ns)
                self._read_ns = now_ns
            return self._alerts


def of_service(alerts: Iterable[Alert], service: str, window: Window, now_ns: int) -> tuple[Mark, ...]:
    """Those of the service that fired in the window, those that fire now first."""
    found = [
        Mark(alert=alert, is_firing=alert.is_firing(now_ns), relation="")
        for alert in alerts
        if alert.service == service and alert.starts_ns < window.end_ns and _end_ns(alert) >= window.start_ns
    ]
    return tuple(sorted(found, key=lambda mark: not mark.is_firing))


def around(
    alerts: Sequence[Alert], services: Collection[str], start_ns: int, end_ns: int, now_ns: int
) -> tuple[Mark, ...]:
    """Those of any of the services that fired meanwhile, or so soon after that this may be their cause."""
    found = []
    for alert in alerts:
        if alert.service not in services or _end_ns(alert) < start_ns or alert.starts_ns > end_ns + LEAD_NS:
            continue
        later_ns = alert.starts_ns - end_ns
        relation = f"fired {figures.duration(later_ns)} later" if later_ns > 0 else "was firing"
        found.append(Mark(alert=alert, is_firing=alert.is_firing(now_ns), relation=relation))
    return tuple(found)


def to_json(mark: Mark) -> dict[str, Any]:
    alert = mark.alert
    return {
        "name": alert.name,
        "service": alert.service,
        "severity": alert.severity,
        "summary": alert.summary,
        "description": alert.description,
        "firing": mark.is_firing,
        "relation": mark.relation,
        "starts_ns": alert.starts_ns,
        "ends_ns": alert.ends_ns or None,
        "labels": dict(alert.labels),
        "dashboard_url": alert.dashboard_url,
        "runbook_url": alert.runbook_url,
        "source_url": alert.source_url,
        "fingerprint": alert.fingerprint,
    }


def _end_ns(alert: Alert) -> float:
    return alert.ends_ns or float("inf")
