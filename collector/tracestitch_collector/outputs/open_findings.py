"""The findings that are open now, as a gauge that alert rules can fire on."""

from __future__ import annotations

import json

import pyarrow as pa
from prometheus_client.core import Metric

from tracestitch_collector.outputs.series import MAX_LABEL_LENGTH, OVERFLOW_LABEL

NAME = "tracestitch_findings"
MAX_FINDINGS = 1_000
_LABELS = ("check", "pitfall", "severity", "service_name", "fingerprint")


class OpenFindings:
    """Not thread-safe: the aggregator holds its lock around every call.

    A finding is open until it is suppressed, or has not been seen again for `expiry_ns`.
    """

    def __init__(self, *, expiry_ns: int, max_findings: int = MAX_FINDINGS) -> None:
        self._expiry_ns = expiry_ns
        self._max_findings = max_findings
        self._last_seen: dict[str, int] = {}
        self._labels: dict[str, dict[str, str]] = {}

    def observe(self, findings: pa.Table, now_ns: int) -> None:
        for row in findings.sort_by("evaluated_ns").to_pylist():
            fingerprint = row["fingerprint"]
            self._last_seen.pop(fingerprint, None)
            self._labels.pop(fingerprint, None)
            if not json.loads(row["document"]).get("suppressed_by"):
                self._last_seen[fingerprint] = row["last_seen_ns"]
                self._labels[fingerprint] = {name: str(row[name])[:MAX_LABEL_LENGTH] for name in _LABELS}
        for fingerprint in [f for f, seen in self._last_seen.items() if now_ns - seen > self._expiry_ns]:
            del self._last_seen[fingerprint], self._labels[fingerprint]

    def metric(self, now_ns: int) -> Metric:
        metric = Metric(NAME, "Open findings: 1 for each; those beyond the limit are one sum.", "gauge")
        labels = [self._labels[f] for f, seen in self._last_seen.items() if now_ns - seen <= self._expiry_ns]
        for each in labels[: self._max_findings]:
            metric.add_sample(NAME, each, 1)
        if len(labels) > self._max_findings:
            metric.add_sample(NAME, {OVERFLOW_LABEL: "true"}, len(labels) - self._max_findings)
        return metric
