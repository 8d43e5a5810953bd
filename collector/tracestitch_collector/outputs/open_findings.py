"""The findings that are open now, as a gauge that alert rules can fire on."""

from __future__ import annotations

import json
from collections.abc import Iterable

import pyarrow as pa
from prometheus_client.core import Metric

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.outputs.series import MAX_LABEL_LENGTH, OVERFLOW_LABEL

NAME = "tracestitch_findings"
MAX_FINDINGS = 1_000
_LABELS = ("check", "pitfall", "severity", "service_name", "fingerprint")


class OpenFindings:
    """Not thread-safe: the aggregator holds its lock around every call.

    A finding is open until it is suppressed or quiet, or has not been seen again for `expiry_ns`, in case nobody
    evaluates any more.
    """

    def __init__(self, *, expiry_ns: int, max_findings: int = MAX_FINDINGS) -> None:
        self._expiry_ns = expiry_ns
        self._max_findings = max_findings
        self._last_seen: dict[str, int] = {}
        self._labels: dict[str, dict[str, str]] = {}

    def observe(self, findings: pa.Table, now_ns: int) -> None:
        for row in findings.sort_by("evaluated_ns").to_pylist():
            labels = {name: str(row[name]) for name in _LABELS}
            document = json.loads(row["document"])
            is_open = document.get("suppressed_by") is None and document.get("state", "open") == "open"
            self._keep(labels, row["last_seen_ns"], is_open=is_open)
        for fingerprint in [f for f, seen in self._last_seen.items() if now_ns - seen > self._expiry_ns]:
            del self._last_seen[fingerprint], self._labels[fingerprint]

    def restore(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            labels = {
                "check": finding.check,
                "pitfall": finding.pitfall,
                "severity": finding.severity,
                "service_name": finding.service,
                "fingerprint": finding.fingerprint,
            }
            self._keep(labels, finding.last_seen_ns, is_open=finding.is_open)

    def metric(self, now_ns: int) -> Metric:
        metric = Metric(NAME, "Open findings: 1 for each; those beyond the limit are one sum.", "gauge")
        labels = [self._labels[f] for f, seen in self._last_seen.items() if now_ns - seen <= self._expiry_ns]
        for each in labels[: self._max_findings]:
            metric.add_sample(NAME, each, 1)
        if len(labels) > self._max_findings:
            metric.add_sample(NAME, {OVERFLOW_LABEL: "true"}, len(labels) - self._max_findings)
        return metric

    def _keep(self, labels: dict[str, str], last_seen_ns: int, *, is_open: bool) -> None:
        fingerprint = labels["fingerprint"]
        self._last_seen.pop(fingerprint, None)
        self._labels.pop(fingerprint, None)
        if is_open:
            self._last_seen[fingerprint] = last_seen_ns
            self._labels[fingerprint] = {name: value[:MAX_LABEL_LENGTH] for name, value in labels.items()}
