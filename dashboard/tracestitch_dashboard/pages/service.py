"""`/services/{name}`: one service: its requests over time, operations, neighbours, findings and processes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracestitch_collector import plain
from tracestitch_collector.checks.finding import Finding, to_json
from tracestitch_collector.store.store import (
    Dependency,
    Inventory,
    OperationSummary,
    ServiceSummary,
    TraceQuery,
    TraceSummary,
)
from tracestitch_dashboard import alert_marks, figures, impact, period, posture, runtime, sparkline
from tracestitch_dashboard.alert_marks import Mark
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.errors import NotFound
from tracestitch_dashboard.page import Page
from tracestitch_dashboard.pages.overview import operation_to_json
from tracestitch_dashboard.runtime import Runtime
from tracestitch_dashboard.sparkline import Column

ERRORS = 10


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    name: str
    summary: ServiceSummary | None
    """None when nothing of it arrived in this time."""
    seconds: float
    """That the rate is of."""
    runtime: Runtime | None
    columns: tuple[Column, ...]
    operations: tuple[OperationSummary, ...]
    callers: tuple[Dependency, ...]
    callees: tuple[Dependency, ...]
    findings: tuple[Finding, ...]
    inventories: tuple[Inventory, ...]
    posture: tuple[posture.Line, ...]
    failing: tuple[TraceSummary, ...]
    alerts: tuple[Mark, ...]


def load(ask: Ask) -> Service:
    name = ask.query.get("name", "") if ask.path["name"] == "-" else ask.path["name"]
    window = ask.period.window
    summary = next((found for found in ask.store.services(window) if found.service == name), None)
    inventories = tuple(item for item in runtime.read(ask.store, ask.now_ns) if item.service == name)
    if summary is None and not inventories and name not in ask.colours:
        raise NotFound(
            f"Nothing arrived from a service “{name[:200]}” in this time ({ask.period.label.lower()}). "
            "Choose a longer time, or look which services there are."
        )
    dependencies = ask.store.dependencies(window)
    found = [f for f in ask.store.findings() if f.service == name and impact.is_open(f)]
    return Service(
        name=name,
        summary=summary,
        seconds=period.covered_seconds(ask.period, ask.store.stats().oldest_ns, ask.now_ns),
        runtime=runtime.by_service(inventories).get(name),
        columns=_columns(summary) if summary else (),
        operations=ask.store.operations(window, name),
        callers=tuple(d for d in dependencies if d.callee == name),
        callees=tuple(d for d in dependencies if d.caller == name),
        findings=impact.by_impact(found),
        inventories=inventories,
        posture=posture.of(inventories),
        failing=ask.store.search(TraceQuery(window=window, service=name, error=True, limit=ERRORS)).traces,
        alerts=alert_marks.of_service(ask.alerts(), name, window, ask.now_ns),
    )


def _columns(summary: ServiceSummary) -> tuple[Column, ...]:
    return sparkline.columns(
        [
            [
                (bucket.errors, "error", f"{figures.clock(bucket.start_ns)} UTC: {bucket.errors} failed"),
                (
                    bucket.requests - bucket.errors,
                    "fine",
                    f"{figures.clock(bucket.start_ns)} UTC: {figures.counted(bucket.requests, 'request')}",
                ),
            ]
            for bucket in summary.buckets
        ]
    )


def to_document(service: Service) -> dict[str, Any]:
    summary, known = service.summary, service.runtime
    return {
        "service": service.name,
        "framework": known.framework if known else "",
        "python": known.python if known else "",
        "environment": known.environment if known else "",
        "requests": summary.requests if summary else 0,
        "errors": summary.errors if summary else 0,
        "p50_ns": summary.p50_ns if summary else 0,
        "p95_ns": summary.p95_ns if summary else 0,
        "p99_ns": summary.p99_ns if summary else 0,
        "last_seen_ns": summary.last_seen_ns if summary else 0,
        "operations": [operation_to_json(operation) for operation in service.operations],
        "callers": [{"service": d.caller, "calls": d.calls, "errors": d.errors} for d in service.callers],
        "callees": [{"service": d.callee, "calls": d.calls, "errors": d.errors} for d in service.callees],
        "findings": [to_json(finding) for finding in service.findings],
        "inventories": [
            {
                "instance": item.instance,
                "environment": item.environment,
                "time_ns": item.time_ns,
                "resource": plain.attributes_to_json(item.resource),
                "body": plain.attributes_to_json(item.body),
            }
            for item in service.inventories
        ],
        "failing": [plain.summary_to_json(found) for found in service.failing],
        "alerts": [alert_marks.to_json(mark) for mark in service.alerts],
    }


PAGE = Page(
    name="Services",
    path="/services/{name:path}",
    twin="/services/{name:path}.json",
    template="service.html",
    parameters=("name",),
    load=load,
    to_json=to_document,
)
