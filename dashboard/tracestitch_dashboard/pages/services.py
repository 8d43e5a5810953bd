"""`/services`: every service with its rate, errors and percentiles, on one common scale."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracestitch_collector.store.store import ServiceSummary
from tracestitch_dashboard import impact, period, runtime, sparkline
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.page import Page
from tracestitch_dashboard.runtime import Runtime

DOCTOR = "tracestitch-doctor"
SORTS = ("name", "requests", "errors", "p50", "p95", "p99", "findings", "seen")


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceLine:
    summary: ServiceSummary
    runtime: Runtime | None
    findings: int
    sparkline: str
    scale_ns: int
    """The largest p99 of all: what a full bar stands for."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Services:
    lines: tuple[ServiceLine, ...]
    sort: str
    seconds: float
    """That the rates are of."""


def is_listed(service: str) -> bool:
    """What `tracestitch doctor` sends to look for it again is nobody's service; it is found by its name."""
    return service != DOCTOR


def lines(ask: Ask) -> tuple[ServiceLine, ...]:
    """By name."""
    summaries = [found for found in ask.store.services(ask.period.window) if is_listed(found.service)]
    runtimes = runtime.by_service(runtime.read(ask.store, ask.now_ns))
    counts: dict[str, int] = {}
    for finding in ask.store.findings():
        if impact.is_open(finding):
            counts[finding.service] = counts.get(finding.service, 0) + 1
    scale = max((summary.p99_ns for summary in summaries), default=1)
    return tuple(
        ServiceLine(
            summary=summary,
            runtime=runtimes.get(summary.service),
            findings=counts.get(summary.service, 0),
            sparkline=sparkline.points([bucket.requests for bucket in summary.buckets]),
            scale_ns=max(scale, 1),
        )
        for summary in summaries
    )


def seconds(ask: Ask) -> float:
    return period.covered_seconds(ask.period, ask.store.stats().oldest_ns, ask.now_ns)


def load(ask: Ask) -> Services:
    sort = ask.choice("sort", SORTS)
    return Services(lines=sorted_by(lines(ask), sort), sort=sort, seconds=seconds(ask))


def sorted_by(lines: tuple[ServiceLine, ...], sort: str) -> tuple[ServiceLine, ...]:
    """Names from A, figures from the largest."""
    if sort == SORTS[0]:
        return lines
    return tuple(sorted(lines, key=lambda line: -_figure(line, sort)))


def _figure(line: ServiceLine, sort: str) -> float:
    summary = line.summary
    match sort:
        case "requests":
            return summary.requests
        case "errors":
            return summary.errors / max(summary.requests, 1)
        case "findings":
            return line.findings
        case "seen":
            return summary.last_seen_ns
        case _:
            return {"p50": summary.p50_ns, "p95": summary.p95_ns, "p99": summary.p99_ns}[sort]


def line_to_json(line: ServiceLine) -> dict[str, Any]:
    summary, known = line.summary, line.runtime
    return {
        "service": summary.service,
        "framework": known.framework if known else "",
        "environment": known.environment if known else "",
        "requests": summary.requests,
        "errors": summary.errors,
        "p50_ns": summary.p50_ns,
        "p95_ns": summary.p95_ns,
        "p99_ns": summary.p99_ns,
        "spans": summary.spans,
        "findings": line.findings,
        "last_seen_ns": summary.last_seen_ns,
        "buckets": [[bucket.start_ns, bucket.requests, bucket.errors] for bucket in summary.buckets],
    }


def to_document(services: Services) -> dict[str, Any]:
    return {"services": [line_to_json(line) for line in services.lines]}


PAGE = Page(
    name="Services",
    path="/services",
    twin="/services.json",
    template="services.html",
    parameters=("sort", "service"),
    load=load,
    to_json=to_document,
    in_navigation=True,
)
