"""swallowed-error: a call failed, the request answered as if nothing had happened, and nobody was told.

Where the agent knows the `except` the finding points at it, else at the failing call.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from typing import TypeAlias

from tracestitch_collector.checks import prevalence, statements, suppression, wording
from tracestitch_collector.checks.evidence import Evidence, Unit
from tracestitch_collector.checks.finding import Finding, Fix, Location, Pitfall, fingerprint
from tracestitch_collector.checks.framework import Framework, of_service
from tracestitch_collector.checks.prevalence import Case
from tracestitch_collector.checks.sensitivity import in_environment
from tracestitch_collector.model import AttributeValue, LogRecord, Span, SpanEvent
from tracestitch_collector.traces import repeats
from tracestitch_collector.traces.code import location_in, location_of, place
from tracestitch_collector.traces.tree import Node

ID = "swallowed-error"
PITFALL: Pitfall = "P7"
TITLE = "A failure nobody hears of"

EVENT = "tracestitch.exception.swallowed"
TOLD = "tracestitch.exception.told"
WARNING = 13
MANY = 5
_DUPLICATE = re.compile(r"\bunique\b|\bduplicate\b", re.IGNORECASE)

Site: TypeAlias = tuple[str, str, str]
"""(service, place in the code or else the route, what failed)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Silence(Case):
    failed: str
    """The call, in the user's terms."""
    reason: str
    """What it failed with."""
    location: Location | None
    event: SpanEvent | None = field(repr=False)
    """The agent's note of the `except`, where it made one."""


def find(evidence: Evidence) -> Iterable[Finding]:
    logs = {trace.trace_id: trace.logs for trace in evidence.traces}
    cases: dict[Site, list[Silence]] = {}
    for unit in evidence.units:
        if not _answered_well(unit.entry.span):
            continue
        for case in _silences(unit, logs.get(unit.tree.trace_id, ())):
            site = prevalence.site(case.location, unit.place)
            cases.setdefault((unit.service, site, case.failed), []).append(case)
    for key, found in cases.items():
        affected, eligible = _units(found), prevalence.units_at(evidence, found)
        often = affected >= MANY or affected >= 0.01 * len(eligible)
        environment = prevalence.latest(found).unit.environment
        if often and in_environment(environment).allows(affected, len(eligible)):
            yield _finding(evidence, key, found, eligible)


def _units(cases: Iterable[Silence]) -> int:
    return len({id(case.unit) for case in cases})


def _answered_well(entry: Span) -> bool:
    if entry.kind not in ("server", "consumer") or entry.is_error:
        return False
    if entry.kind == "consumer":
        return (entry.text("tracestitch.celery.state") or entry.text("celery.state")) in ("", "SUCCESS")
    status = entry.number("http.response.status_code")
    return status is not None and 200 <= status < 400


def _silences(unit: Unit, logs: Iterable[LogRecord]) -> Iterator[Silence]:
    """The failed calls of the unit that left no trace in its answer, its logs or its exceptions."""
    if any(_tells(node.span) for node in unit.nodes) or _is_logged(unit, logs):
        return
    events = [
        event
        for node in unit.nodes
        for event in node.span.events
        if event.name == EVENT and not _is_there_already(*map(str, _type_and_message(event)))
    ]
    failures = [node for node in unit.nodes if _failed(node) and not _tried_again(node, unit)]
    for node in failures:
        event = _event_of(node.span, events)
        if event is not None:
            events.remove(event)
        noted = location_in(event.attributes, unit.entry.span.resource) if event else None
        yield Silence(
            unit=unit,
            spans=(node.span,),
            failed=_called(node),
            reason=_reason(node.span),
            location=noted or location_of(node.span),
            event=event,
        )
    for event in events:
        yield Silence(
            unit=unit,
            spans=(unit.entry.span,),
            failed=str(event.attributes.get("exception.type", "an exception")),
            reason=wording.shortened(str(event.attributes.get("exception.message", "")), 300),
            location=location_in(event.attributes, unit.entry.span.resource),
            event=event,
        )


def _tells(span: Span) -> bool:
    """An exception on a span of the user's own code was at least recorded. One on the failed call itself says
    nothing about what the code did with it, unless the agent saw that it was given to an error tracker, or printed."""
    if any(event.name == TOLD for event in span.events):
        return True
    return span.kind not in ("client", "producer") and any(event.name == "exception" for event in span.events)


def _is_logged(unit: Unit, logs: Iterable[LogRecord]) -> bool:
    own = {node.span.span_id for node in unit.nodes}
    return any(
        record.severity_number >= WARNING and record.service == unit.service and record.span_id in own
        for record in logs
    )


def _failed(node: Node) -> bool:
    """A database error, a call that got no answer, or an answer of 500 and above. A 404 is a lookup; a cache
    that is away is what caches are allowed to be."""
    span = node.span
    if span.kind != "client" or span.text("db.system.name").lower() in statements.NOT_RELATIONAL:
        return False
    status = span.number("http.response.status_code")
    if status is not None:
        return status >= 500
    return span.is_error and not _is_there_already(span.text("error.type"), span.status_message)


def _is_there_already(error: str, message: str) -> bool:
    """`get_or_create` and everything like it tries to insert, and takes a row that is there already for an
    answer."""
    name = error.rpartition(".")[2].lower()
    return "uniqueviolation" in name or ("integrityerror" in name and bool(_DUPLICATE.search(message)))


def _type_and_message(event: SpanEvent) -> tuple[AttributeValue, AttributeValue]:
    return event.attributes.get("exception.type", ""), event.attributes.get("exception.message", "")


def _tried_again(node: Node, unit: Unit) -> bool:
    """The same call went well later on."""
    wanted = _called(node)
    return any(
        other.span.start_ns >= node.span.end_ns and not other.span.is_error and _called(other) == wanted
        for other in unit.nodes
        if other.span.kind == "client"
    )


def _called(node: Node) -> str:
    span = node.span
    callee = repeats.callee_of(node)
    if callee is not None:
        return f"{repeats.method_and_route(callee)} of {callee.service}"
    if span.text("db.query.text"):
        return (
            span.text("db.query.summary") or f"{statements.operation(span)} {statements.table(span)}".strip()
        )
    path = repeats.without_ids(span.text("url.full").split("?", 1)[0].partition("://")[2])
    return f"{span.text('http.request.method') or span.name} {path}".strip()


def _reason(span: Span) -> str:
    status = span.number("http.response.status_code")
    if status is not None:
        return f"status {status:.0f}"
    return wording.shortened(span.status_message or span.text("error.type") or "an error", 300)


def _event_of(span: Span, events: list[SpanEvent]) -> SpanEvent | None:
    """The `except` that the failure reached: the first one noted after the call ended."""
    later = [event for event in events if event.time_ns >= span.end_ns]
    return min(later, key=lambda event: event.time_ns, default=None)


def _finding(evidence: Evidence, key: Site, cases: list[Silence], eligible: tuple[Unit, ...]) -> Finding:
    service, operation = worst = prevalence.worst_place(cases)
    last = prevalence.latest(cases)
    line = prevalence.line_of(ID, last, last.location, "call")
    ignored = line.suppressed_by
    if ignored is None and last.event is not None:
        ignored = suppression.reason_in(ID, last.event.attributes)
    first_ns, last_ns = prevalence.first_and_last_ns(cases)
    entry = last.unit.entry.span
    return Finding(
        fingerprint=fingerprint(ID, *key),
        check=ID,
        pitfall=PITFALL,
        severity="important",
        tier="A" if last.event is not None else "B",
        title=f"{last.failed} failed, {_answer(entry)}",
        service=service,
        operation=operation,
        location=line.location,
        evidence=prevalence.exhibits(cases),
        affected=_units(cases),
        eligible=len(eligible),
        impact=prevalence.impact(
            evidence,
            cases,
            eligible,
            f"{wording.share(_units(cases), len(eligible))} to {prevalence.asked(cases, worst)} went on without "
            f"{last.failed}, and neither a log nor the answer says so.",
        ),
        fix=_fix(last, of_service(service, evidence.inventories, (entry,))),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        history=prevalence.per_hour(cases),
        suppressed_by=ignored,
        details=(*_details(last), *prevalence.other_places(cases, worst), *line.details),
    )


def _answer(entry: Span) -> str:
    status = entry.number("http.response.status_code")
    if status is None:
        return "the task succeeded and nothing was logged"
    return f"the answer was {status:.0f} and nothing was logged"


def _details(case: Silence) -> tuple[tuple[str, str], ...]:
    found = [("failed call", case.failed), ("failed with", case.reason)]
    called_at = place(location_of(case.spans[0]))
    if called_at:
        found.append(("called at", called_at))
    if case.event is not None and case.location is not None:
        found.append(("caught at", place(case.location)))
        found.append(("caught", str(case.event.attributes.get("exception.type", ""))))
    return tuple(found)


def _fix(case: Silence, framework: Framework) -> Fix:
    line = place(case.location)
    asked = f"  # {line}" if line else ""
    database = bool(case.spans[0].text("db.query.text"))
    error = "DatabaseError" if database else "requests.RequestException"
    logger = "current_app.logger" if framework == "flask" else "logger"
    call = wording.shortened(case.failed, 80)
    return Fix(
        text="Catch only what you can handle, log it with the exception, and let the answer say that something "
        "is missing. If going on without it is meant, say so at the line: "
        f"`# tracestitch: ignore[{ID}] reason`.",
        before=f"try:\n    …  # {call}\nexcept Exception:{asked}\n    pass"
        if case.event is not None  # else the place is that of the call: nobody saw the `except`
        else f"try:\n    …  # {call}{f', {line}' if line else ''}\nexcept …:\n    …",
        after=f"try:\n    …  # {call}\nexcept {error}:\n"
        f'    {logger}.exception("%s failed", "{call}")\n    degraded = True  # and tell the caller',
    )
