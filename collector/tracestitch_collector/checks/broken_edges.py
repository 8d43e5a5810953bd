"""Calls whose other end began a trace of its own: the first rule of broken-trace-context.

A server span without a parent is matched with a client span of another trace that has no answering span: same
method, same path, one within the other in time. There is a line of code only where nothing stands between the
two; else the fault lies in what does.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from tracestitch_collector.checks import finding, prevalence, suppression, wording
from tracestitch_collector.checks.evidence import Evidence, Unit
from tracestitch_collector.checks.finding import Finding, Fix, Impact, fingerprint
from tracestitch_collector.checks.prevalence import Case
from tracestitch_collector.checks.sensitivity import in_environment
from tracestitch_collector.model import Span
from tracestitch_collector.traces import repeats
from tracestitch_collector.traces.code import location_of, place

SHARE = 0.01
TOLERANCE_NS = 5_000_000
"""By how much two clocks may differ before a call no longer seems to contain its answer."""

PROBES = frozenset(
    {"health", "healthz", "livez", "live", "ready", "readyz", "ping", "status", "metrics", "favicon.ico"}
)
"""Asked of everything by everybody: that such a call and such an answer coincide proves nothing, unless they
name the same address."""

Edge: TypeAlias = tuple[str, str, str]
"""(calling service, answering service, route)."""
Question: TypeAlias = tuple[str, str]
"""(method, last part of the path): the cheap way to find who might belong together."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Break(Case):
    """A call and the answer that lost its trace."""

    answer: Unit = field(repr=False)


def find(check: str, evidence: Evidence) -> Iterator[Finding]:
    calls: dict[Question, list[tuple[Unit, Span]]] = {}
    asked: dict[tuple[str, str], int] = {}
    for unit in evidence.units:
        for node in unit.nodes:
            question = _question(node.span, _client_path(node.span))
            if node.span.kind != "client" or question is None:
                continue
            shape = (unit.service, _shape(node.span))
            asked[shape] = asked.get(shape, 0) + 1
            if repeats.callee_of(node) is None:
                calls.setdefault(question, []).append((unit, node.span))
    edges: dict[Edge, list[Break]] = {}
    for found in _breaks(evidence, calls):
        edge = (found.unit.service, found.answer.service, repeats.method_and_route(found.answer.entry.span))
        edges.setdefault(edge, []).append(found)
    for edge, breaks in edges.items():
        last = prevalence.latest(breaks)
        total = asked[last.unit.service, _shape(last.spans[0])]
        enough = in_environment(last.unit.environment).allows(len(breaks), total)
        if enough and len(breaks) >= SHARE * total:
            yield _finding(check, edge, breaks, total)


def _breaks(evidence: Evidence, calls: dict[Question, list[tuple[Unit, Span]]]) -> Iterator[Break]:
    taken: set[int] = set()
    for answer in sorted(evidence.units, key=lambda unit: unit.entry.span.start_ns):
        span = answer.entry.span
        question = _question(span, span.text("url.path"))
        if span.kind != "server" or span.parent_span_id or question is None:
            continue
        fitting = [
            (unit, call)
            for unit, call in calls.get(question, ())
            if id(call) not in taken and call.trace_id != span.trace_id and _contains(call, span)
            if _direct(call, span) or question[1].lower() not in PROBES
        ]
        if fitting:
            unit, call = min(fitting, key=lambda pair: pair[1].duration_ns)
            taken.add(id(call))
            yield Break(unit=unit, spans=(call,), answer=answer)


def _question(span: Span, path: str) -> Question | None:
    method = span.text("http.request.method")
    last = path.rstrip("/").rpartition("/")[2]
    return (method, last) if method and last else None


def _client_path(span: Span) -> str:
    rest = span.text("url.full").partition("://")[2].partition("/")[2]
    return "/" + rest.split("?", 1)[0].split("#", 1)[0] if rest else ""


def _shape(span: Span) -> str:
    method = span.text("http.request.method")
    return (
        f"{method} {span.text('server.address')} {repeats.without_ids(_client_path(span)).rpartition('/')[0]}"
    )


def _contains(call: Span, answer: Span) -> bool:
    """In time, by path (a gateway may take off a prefix) and by outcome where both know it."""
    if answer.start_ns < call.start_ns - TOLERANCE_NS or answer.end_ns > call.end_ns + TOLERANCE_NS:
        return False
    asked, answered = _client_path(call).rstrip("/"), answer.text("url.path").rstrip("/")
    if asked != answered and not asked.endswith(answered):
        return False
    statuses = {call.number("http.response.status_code"), answer.number("http.response.status_code")} - {None}
    return len(statuses) < 2


def _direct(call: Span, answer: Span) -> bool:
    """Both ends name the same address: nothing stands between them."""
    ends = [(span.text("server.address"), span.number("server.port")) for span in (call, answer)]
    return ends[0] == ends[1] and bool(ends[0][0]) and ends[0][1] is not None


def _finding(check: str, edge: Edge, breaks: list[Break], total: int) -> Finding:
    caller, callee, route = edge
    last = prevalence.latest(breaks)
    call, answer = last.spans[0], last.answer.entry.span
    direct = _direct(call, answer)
    first_ns, last_ns = prevalence.first_and_last_ns(breaks)
    return Finding(
        fingerprint=fingerprint(check, *edge),
        check=check,
        pitfall="P5",
        severity="important",
        tier="B",
        title=f"{route} of {callee} begins a new trace when {caller} calls it",
        service=caller,
        operation=last.unit.operation,
        location=location_of(call) if direct else None,
        evidence=_pairs(breaks),
        affected=len(breaks),
        eligible=total,
        impact=Impact(
            ms_per_day=0.0,
            requests_share=round(min(len(breaks) / total, 1.0), 4),
            text=f"{len(breaks):,} of {wording.counted(total, 'call')} end in the dark: what {callee} does for "
            f"{last.unit.operation} is in no trace of it.",
        ),
        fix=_fix(caller, callee, direct),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        history=prevalence.per_hour(breaks),
        suppressed_by=suppression.reason_for(check, last.spans),
        details=(
            ("called", wording.shortened(call.text("url.full"), 300)),
            ("called at", place(location_of(call)) or "unknown"),
            ("answered by", f"{callee}, {route}, in a trace of its own"),
            ("missing on arrival", "the traceparent header"),
            ("between them", "nothing" if direct else "a proxy or gateway, since the addresses differ"),
        ),
    )


def _pairs(breaks: list[Break]) -> tuple[finding.Evidence, ...]:
    """The latest call and its answer, then one more call."""
    last = prevalence.latest(breaks)
    shown = [
        finding.Evidence(trace_id=last.spans[0].trace_id, span_ids=(last.spans[0].span_id,)),
        finding.Evidence(trace_id=last.answer.tree.trace_id, span_ids=(last.answer.entry.span.span_id,)),
    ]
    for one in breaks:
        if one is not last and one.spans[0].trace_id != last.spans[0].trace_id:
            shown.append(finding.Evidence(trace_id=one.spans[0].trace_id, span_ids=(one.spans[0].span_id,)))
            break
    return tuple(shown)


def _fix(caller: str, callee: str, direct: bool) -> Fix:
    if direct:
        return Fix(
            text=f"The call of {caller} leaves without a traceparent header. Use a client that is instrumented "
            "(requests, httpx, urllib3) in the request's own context; a thread needs the context handed over.",
            before="executor.submit(call_it, order)  # a new thread knows nothing of the request",
            after="context = contextvars.copy_context()\nexecutor.submit(context.run, call_it, order)",
        )
    return Fix(
        text=f"Something between {caller} and {callee} passes on only the headers it knows. Let it pass "
        "traceparent, tracestate and baggage.",
        before='KNOWN_HEADERS = ("accept", "user-agent")',
        after='KNOWN_HEADERS = ("accept", "user-agent", "traceparent", "tracestate", "baggage")',
    )
