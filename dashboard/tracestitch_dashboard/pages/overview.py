"""`/`: what hurts now, how the services do, and whether data is arriving."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracestitch_collector import plain
from tracestitch_collector.checks.finding import Finding, to_json
from tracestitch_collector.store.store import (
    Arrival,
    OperationSummary,
    StoreStats,
    TraceQuery,
    TraceSummary,
)
from tracestitch_dashboard import impact, period
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.losses import Loss, read_losses
from tracestitch_dashboard.page import Page
from tracestitch_dashboard.pages.services import ServiceLine, is_listed, line_to_json, lines

FINDINGS = 7
OPERATIONS = 6
ERRORS = 6


@dataclass(frozen=True, slots=True, kw_only=True)
class Overview:
    services: tuple[ServiceLine, ...]
    seconds: float
    """That the rates are of."""
    requests: int
    errors: int
    p95_ns: int
    """Of the busiest: that of all requests, weighed by service."""
    findings: tuple[Finding, ...]
    open_findings: int
    operations: tuple[OperationSummary, ...]
    total_ns: int
    failing: tuple[TraceSummary, ...]
    losses: tuple[Loss, ...]
    arrival: Arrival
    stats: StoreStats

    @property
    def is_empty(self) -> bool:
        return self.arrival.last_received_ns == 0 and not self.services

    @property
    def lost(self) -> int:
        return round(sum(loss.count for loss in self.losses if loss.is_data))


def load(ask: Ask) -> Overview:
    window = ask.period.window
    services = lines(ask)
    open_findings = [finding for finding in ask.store.findings() if impact.is_open(finding)]
    operations = [found for found in ask.store.operations(window) if is_listed(found.service)]
    stats = ask.store.stats()
    failing = ask.store.search(TraceQuery(window=window, error=True, limit=ERRORS)).traces
    requests = sum(line.summary.requests for line in services)
    weighed = sum(line.summary.p95_ns * line.summary.requests for line in services)
    return Overview(
        services=services,
        seconds=period.covered_seconds(ask.period, stats.oldest_ns, ask.now_ns),
        requests=requests,
        errors=sum(line.summary.errors for line in services),
        p95_ns=weighed // requests if requests else 0,
        findings=impact.by_impact(open_findings)[:FINDINGS],
        open_findings=len(open_findings),
        operations=tuple(sorted(operations, key=lambda operation: -operation.p95_ns))[:OPERATIONS],
        total_ns=sum(operation.total_ns for operation in operations),
        failing=failing,
        losses=read_losses(ask.settings.data / "status"),
        arrival=ask.store.arrival(ask.now_ns),
        stats=stats,
    )


def to_document(overview: Overview) -> dict[str, Any]:
    return {
        "requests": overview.requests,
        "errors": overview.errors,
        "open_findings": overview.open_findings,
        "lost": overview.lost,
        "arrival": {
            "last_received_ns": overview.arrival.last_received_ns,
            "spans_per_second": overview.arrival.spans_per_second,
        },
        "findings": [to_json(finding) for finding in overview.findings],
        "services": [line_to_json(line) for line in overview.services],
        "slowest_operations": [operation_to_json(operation) for operation in overview.operations],
        "failing": [plain.summary_to_json(summary) for summary in overview.failing],
    }


def operation_to_json(operation: OperationSummary) -> dict[str, Any]:
    return {
        "service": operation.service,
        "operation": operation.operation,
        "kind": operation.kind,
        "requests": operation.requests,
        "errors": operation.errors,
        "p50_ns": operation.p50_ns,
        "p95_ns": operation.p95_ns,
        "p99_ns": operation.p99_ns,
        "total_ns": operation.total_ns,
    }


PAGE = Page(
    name="Overview",
    path="/",
    twin="/index.json",
    template="overview.html",
    load=load,
    to_json=to_document,
    in_navigation=True,
)
