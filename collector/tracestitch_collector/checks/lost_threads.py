"""Calls without a parent that are only ever made while their own service answers a request: the third rule of
broken-trace-context. A thread does work for the request and does not know of it.

That they happen together may be chance where the service is always busy, so nothing is said there.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TypeAlias

from tracestitch_collector.checks import prevalence, suppression, wording
from tracestitch_collector.checks.evidence import Evidence, Unit
from tracestitch_collector.checks.finding import Finding, Fix, Impact, fingerprint
from tracestitch_collector.checks.prevalence import Case
from tracestitch_collector.model import Span
from tracestitch_collector.traces.code import location_of
from tracestitch_collector.traces.intervals import Interval, covered_ns, merge

LEAST = 3
SHARE_DURING_REQUESTS = 0.95
BUSIEST = 0.5
"""Share of the time in which the service answers requests, beyond which coinciding proves nothing."""

Process: TypeAlias = tuple[str, str]
Site: TypeAlias = tuple[Process, str]
"""(service and instance, call site or span name)."""


def find(check: str, evidence: Evidence) -> Iterator[Finding]:
    requests: dict[Process, list[Interval]] = {}
    rootless: dict[Site, list[Unit]] = {}
    for unit in evidence.units:
        span = unit.entry.span
        if span.kind == "server" and span.duration_ns > 0:
            requests.setdefault(_process(span), []).append((span.start_ns, span.end_ns))
        elif span.kind in ("client", "producer") and not span.parent_span_id:
            rootless.setdefault((_process(span), _site(span)), []).append(unit)
    for (process, site), units in rootless.items():
        busy = requests.get(process, [])
        if len(units) >= LEAST and _coincide(units, busy):
            yield _finding(check, site, units)


def _process(span: Span) -> Process:
    return span.service, span.resource.text("service.instance.id")


def _site(span: Span) -> str:
    location = location_of(span)
    return f"{location.file}:{location.function}" if location else span.name


def _coincide(units: list[Unit], requests: list[Interval]) -> bool:
    spans = [unit.entry.span for unit in units]
    first, last = min(span.start_ns for span in spans), max(span.start_ns for span in spans) + 1
    if not requests or covered_ns(requests, first, last) > BUSIEST * (last - first):
        return False
    stretches = list(merge(requests, min(start for start, _ in requests), max(end for _, end in requests)))
    during = sum(any(start <= span.start_ns < end for start, end in stretches) for span in spans)
    return during >= SHARE_DURING_REQUESTS * len(spans)


def _finding(check: str, site: str, units: list[Unit]) -> Finding:
    cases = [Case(unit=unit, spans=(unit.entry.span,)) for unit in units]
    last = prevalence.latest(cases)
    span = last.spans[0]
    first_ns, last_ns = prevalence.first_and_last_ns(cases)
    return Finding(
        fingerprint=fingerprint(check, span.service, "thread", site),
        check=check,
        pitfall="P5",
        severity="normal",
        tier="C",
        title=f"{span.name} of {span.service} is made for a request and belongs to none",
        service=span.service,
        operation=last.unit.operation,
        location=location_of(span),
        evidence=prevalence.exhibits(cases),
        affected=len(cases),
        eligible=len(cases),
        impact=Impact(
            ms_per_day=0.0,
            requests_share=0.0,
            text=f"{wording.counted(len(cases), 'call')} began while {span.service} was answering requests, and are "
            "in none of their traces: their time and their errors are missing there.",
        ),
        fix=Fix(
            text="Hand the request's context over to the thread.",
            before="executor.submit(call_it, order)  # a new thread knows nothing of the request",
            after="context = contextvars.copy_context()\nexecutor.submit(context.run, call_it, order)",
        ),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        history=prevalence.per_hour(cases),
        suppressed_by=suppression.reason_for(check, last.spans),
    )
