"""missing-timeout: an outgoing call that would wait for ever, as the agent saw it being made."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import TypeAlias

from tracestitch_collector.checks import prevalence, wording
from tracestitch_collector.checks.evidence import Evidence
from tracestitch_collector.checks.finding import Finding, Fix, Location, Pitfall, fingerprint
from tracestitch_collector.checks.prevalence import Case
from tracestitch_collector.model import Span
from tracestitch_collector.traces import repeats
from tracestitch_collector.traces.code import location_of, place

ID = "missing-timeout"
PITFALL: Pitfall = "P7"
TITLE = "A call that may wait for ever"

SLOW_NS = 1_000_000_000

Site: TypeAlias = tuple[str, str, str]
"""(service, file and function, callee where there is no line)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Call(Case):
    callee: str


def find(evidence: Evidence) -> Iterable[Finding]:
    """A proof needs no support: once is enough everywhere."""
    sites: dict[Site, list[Call]] = {}
    for unit in evidence.units:
        for node in unit.nodes:
            span = node.span
            if span.attributes.get("tracestitch.timeout.missing") is not True:
                continue
            answered_by = repeats.callee_of(node)
            callee = answered_by.service if answered_by else _address(span)
            call = Call(unit=unit, spans=(span,), callee=callee)
            sites.setdefault(_site(span, callee), []).append(call)
    for site, cases in sites.items():
        yield _finding(evidence, site, cases)


def _address(span: Span) -> str:
    address, port = span.text("server.address"), span.number("server.port")
    return f"{address}:{port}" if address and port else address or "another service"


def _site(span: Span, callee: str) -> Site:
    location = location_of(span)
    if location is None:
        return span.service, "", callee
    return span.service, f"{location.file}:{location.function}", ""


def _finding(evidence: Evidence, site: Site, cases: list[Call]) -> Finding:
    last = prevalence.latest(cases)
    span = last.spans[0]
    line = prevalence.line_of(ID, last, location_of(span), "call")
    units = prevalence.units_at(evidence, cases)
    affected = len({id(case.unit) for case in cases})
    durations = sorted(case.spans[0].duration_ns for case in cases)
    slowest = durations[min(len(durations) - 1, len(durations) * 99 // 100)]
    first_ns, last_ns = prevalence.first_and_last_ns(cases)
    method = span.text("http.request.method") or span.name
    return Finding(
        fingerprint=fingerprint(ID, *site),
        check=ID,
        pitfall=PITFALL,
        severity="critical" if slowest >= SLOW_NS else "important",
        tier="A",
        title=f"{method} to {last.callee} without a timeout",
        service=span.service,
        operation=last.unit.operation,
        location=line.location,
        evidence=prevalence.exhibits(cases),
        affected=affected,
        eligible=len(units),
        impact=prevalence.impact(
            evidence,
            cases,
            units,
            f"If {last.callee} hangs, each of these requests ({wording.share(affected, len(units))}) holds its "
            f"worker for good; the slowest took {wording.duration(durations[-1])} so far.",
        ),
        fix=_fix(span, line.location),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        history=prevalence.per_hour(cases),
        suppressed_by=line.suppressed_by,
        details=(
            ("called", f"{method} {wording.shortened(span.text('url.full'), 300)}".strip()),
            ("client", span.text("tracestitch.http.client") or "unknown"),
            ("slowest call (p99)", wording.duration(slowest)),
            *prevalence.other_places(cases, last.unit.place),
            *line.details,
        ),
    )


def _fix(span: Span, location: Location | None) -> Fix:
    client = span.text("tracestitch.http.client") or "requests"
    method = (span.text("http.request.method") or "GET").lower()
    line = place(location)
    asked = f"  # {line}" if line else ""
    if client == "httpx":
        return Fix(
            text="Give the client a limit for connecting and one for reading, and say what happens when it is "
            "reached. httpx has a default of 5 s; here it was switched off.",
            before=f"client = httpx.Client(timeout=None){asked}\nclient.{method}(url)",
            after=f"client = httpx.Client(timeout=httpx.Timeout(10, connect=3))\nclient.{method}(url)",
        )
    if client == "urllib3":
        return Fix(
            text="Give the pool a limit for connecting and one for reading, and say what happens when it is "
            "reached.",
            before=f'pool.request("{method.upper()}", url){asked}',
            after=f'pool.request("{method.upper()}", url, timeout=urllib3.Timeout(connect=3.05, read=10))',
        )
    if client == "aiohttp":
        return Fix(
            text="Give the session or the call a limit, and say what happens when it is reached. aiohttp has a "
            "default of 5 minutes; here it was switched off.",
            before=f"session.{method}(url, timeout=ClientTimeout(total=None)){asked}",
            after=f"session.{method}(url, timeout=aiohttp.ClientTimeout(total=10, sock_connect=3))",
        )
    return Fix(
        text="Give a limit for connecting and one for reading, and say what happens when it is reached. "
        "requests has no default: without one it waits for ever.",
        before=f"requests.{method}(url, …){asked}",
        after=f"try:\n    requests.{method}(url, …, timeout=(3.05, 10))\n"
        "except requests.Timeout:\n    …  # answer 503, or put the work off",
    )
