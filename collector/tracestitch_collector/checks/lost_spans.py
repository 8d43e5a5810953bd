"""Spans inside a service whose parent never arrived: the second rule of broken-trace-context.

They were lost on the way, or made by something that only passes the trace on. A server span may have a parent
elsewhere (a browser, a proxy), so it does not count.
"""

from __future__ import annotations

from collections.abc import Iterator

from tracestitch_collector.checks import prevalence, suppression, wording
from tracestitch_collector.checks.evidence import Evidence, Unit
from tracestitch_collector.checks.finding import Finding, Fix, Impact, fingerprint
from tracestitch_collector.checks.prevalence import Case
from tracestitch_collector.traces.tree import Node

SHARE = 0.01
LEAST = 3


def find(check: str, evidence: Evidence) -> Iterator[Finding]:
    spans: dict[str, int] = {}
    lost: dict[str, list[tuple[Unit, Node]]] = {}
    for unit in evidence.units:
        spans[unit.service] = spans.get(unit.service, 0) + len(unit.nodes)
        for node in unit.nodes:
            if node.orphan and node.span.kind not in ("server", "consumer"):
                lost.setdefault(unit.service, []).append((unit, node))
    for service, found in lost.items():
        if len(found) >= max(LEAST, SHARE * spans[service]):
            yield _finding(check, service, found, spans[service])


def _finding(check: str, service: str, found: list[tuple[Unit, Node]], total: int) -> Finding:
    cases = [Case(unit=unit, spans=(node.span,)) for unit, node in found]
    first_ns, last_ns = prevalence.first_and_last_ns(cases)
    return Finding(
        fingerprint=fingerprint(check, service, "orphans"),
        check=check,
        pitfall="P5",
        severity="normal",
        tier="B",
        title=f"{wording.counted(len(found), 'span')} of {service} name a parent that never arrived",
        service=service,
        operation="",
        location=None,
        evidence=prevalence.exhibits(cases),
        affected=len(found),
        eligible=total,
        impact=Impact(
            ms_per_day=0.0,
            requests_share=0.0,
            text=f"{len(found):,} of {wording.counted(total, 'span')} of {service} hang in the air: their traces "
            "have holes, and their time belongs to nobody.",
        ),
        fix=Fix(
            text=f"See on the status page whether the agent of {service} dropped spans, and let its processes end "
            "with SIGTERM, not SIGKILL, so that the last ones are sent.",
            before="kill -9 $(cat app.pid)",
            after="kill $(cat app.pid)  # the agent sends what it still has",
        ),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        history=prevalence.per_hour(cases),
        suppressed_by=suppression.reason_for(check, prevalence.latest(cases).spans),
    )
