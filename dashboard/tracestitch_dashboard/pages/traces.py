"""`/traces`: the search for traces."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracestitch_collector import plain
from tracestitch_collector.store.store import TracePage, TraceQuery
from tracestitch_dashboard import figures, impact, words
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.hints import Unknown, unknown_attributes
from tracestitch_dashboard.page import Page
from tracestitch_dashboard.pages.services import is_listed
from tracestitch_dashboard.scatter import Dot, scatter
from tracestitch_dashboard.words import Words

ORDERS = ("newest", "slowest", "most_spans")
LIMIT, MOST = 50, 1000


@dataclass(frozen=True, slots=True, kw_only=True)
class Chip:
    """One condition in words, and the parameters of the address without it."""

    text: str
    without: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Traces:
    query: TraceQuery
    page: TracePage
    chips: tuple[Chip, ...]
    services: tuple[str, ...]
    operations: tuple[str, ...]
    findings: dict[str, int]
    """Trace id to the number of open findings it is evidence of."""
    dots: tuple[Dot, ...]
    scale_ns: int
    typed: str
    hints: tuple[Unknown, ...]
    """Conditions that nothing could fulfil, where nothing was found."""


def load(ask: Ask) -> Traces:
    window = ask.period.window
    services = tuple(sorted({summary.service for summary in ask.store.services(window)} | set(ask.colours)))
    operations = tuple(
        sorted({found.operation for found in ask.store.operations(window, ask.text("service"))})
    )
    query = query_of(ask, words.parse(ask.text("q"), services, operations))
    page = ask.store.search(query)
    findings: dict[str, int] = {}
    for finding in ask.store.findings():
        for evidence in finding.evidence if impact.is_open(finding) else ():
            findings[evidence.trace_id] = findings.get(evidence.trace_id, 0) + 1
    return Traces(
        query=query,
        page=page,
        chips=_chips(query),
        services=tuple(filter(is_listed, services)),
        operations=operations,
        findings=findings,
        dots=scatter(page.traces, findings, window),
        scale_ns=max((summary.duration_ns for summary in page.traces), default=1) or 1,
        typed=ask.text("q"),
        hints=() if page.traces else unknown_attributes(ask.store, query),
    )


def query_of(ask: Ask, typed: Words) -> TraceQuery:
    """What the form says goes before what was typed."""
    order = ask.choice("order", ORDERS)
    least, most = ask.text("min"), ask.text("max")
    return TraceQuery(
        window=ask.period.window,
        service=ask.text("service") or typed.service,
        operation=ask.text("operation") or typed.operation,
        min_duration_ns=words.length_ns(least) if least else typed.min_duration_ns,
        max_duration_ns=words.length_ns(most) if most else typed.max_duration_ns,
        error=True if ask.text("error") == "1" else typed.error,
        attributes=typed.attributes,
        text=typed.text,
        roots_only=ask.text("roots") == "1",
        order="slowest" if order == "slowest" else "most_spans" if order == "most_spans" else "newest",
        limit=ask.number("limit", LIMIT, MOST),
        cursor=ask.cursor() if order == "newest" else "",
    )


def _chips(query: TraceQuery) -> tuple[Chip, ...]:
    chips = []
    if query.service:
        chips.append(Chip(text=f"service {query.service}", without=("service", "q")))
    if query.operation:
        chips.append(Chip(text=f"operation {query.operation}", without=("operation", "q")))
    if query.error is not None:
        text = "with errors" if query.error else "without errors"
        chips.append(Chip(text=text, without=("error", "q")))
    if query.min_duration_ns is not None:
        chips.append(Chip(text=f"at least {figures.duration(query.min_duration_ns)}", without=("min", "q")))
    if query.max_duration_ns is not None:
        chips.append(Chip(text=f"at most {figures.duration(query.max_duration_ns)}", without=("max", "q")))
    chips += [
        Chip(text=f"{condition.key} {condition.operator} {condition.value}", without=("q",))
        for condition in query.attributes
    ]
    if query.text:
        chips.append(Chip(text=f"text “{query.text}”", without=("q",)))
    if query.roots_only:
        chips.append(Chip(text="only in the first span", without=("roots",)))
    return tuple(chips)


def to_document(found: Traces) -> dict[str, Any]:
    return {
        "traces": [
            {**plain.summary_to_json(summary), "findings": found.findings.get(summary.trace_id, 0)}
            for summary in found.page.traces
        ],
        "next_cursor": found.page.next_cursor,
        "partial": found.page.partial,
        "hints": [hint.text for hint in found.hints],
    }


PAGE = Page(
    name="Traces",
    path="/traces",
    twin="/traces.json",
    template="traces.html",
    parameters=("q", "service", "operation", "min", "max", "error", "roots", "order", "limit", "cursor"),
    load=load,
    to_json=to_document,
    in_navigation=True,
)
