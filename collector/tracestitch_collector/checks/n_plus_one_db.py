"""n-plus-one-db: one query for a list, then one more for each of its rows."""

from __future__ import annotations

from bisect import bisect_left
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TypeAlias

from tracestitch_collector.checks import lazy_load, prevalence, statements, wording
from tracestitch_collector.checks.evidence import Evidence, Unit
from tracestitch_collector.checks.finding import Finding, Pitfall, Severity, fingerprint
from tracestitch_collector.checks.framework import of_service, orm_of
from tracestitch_collector.checks.lazy_load import LazyLoad
from tracestitch_collector.checks.prevalence import Case
from tracestitch_collector.checks.relation import fix_for, source_of
from tracestitch_collector.checks.sensitivity import Sensitivity, in_environment
from tracestitch_collector.model import Span
from tracestitch_collector.traces.code import place
from tracestitch_collector.traces.intervals import union_ns
from tracestitch_collector.traces.tree import Node

ID = "n-plus-one-db"
PITFALL: Pitfall = "P4"
TITLE = "One query per row"

LEAST_REPEATS = 5
SLOW_NS = 50_000_000
MANY_IN_DEVELOPMENT = 10
"""Repeats that are reported however fast they were: a laptop's database answers in microseconds."""
MANY = 25
CHUNK = 50
"""Keys or rows of one query beyond which it is a piece of a long list, not one row's."""
POLLING_PAUSE_NS = 100_000_000


Site: TypeAlias = tuple[str, ...]
"""(service, place in the code or else the route, statement) and, where it is known, the relation."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loop(Case):
    statement: str
    source: Span | None = field(repr=False)
    """The query whose rows are looped over, as far as can be told."""
    lazy: LazyLoad | None = None
    """What the agent saw of the relation."""

    @property
    def needed(self) -> int:
        return self.lazy.queries_needed if self.lazy is not None else 1 + (self.source is not None)


def find(evidence: Evidence) -> Iterable[Finding]:
    loops: dict[Site, list[Loop]] = {}
    for unit in evidence.units:
        sensitivity = in_environment(unit.environment)
        siblings: dict[int, list[Node]] = {}
        asked = _asked_by_django(unit)
        for node in unit.nodes:
            if node.span.text("db.query.text"):
                siblings.setdefault(node.parent, []).append(node)
        for queries in siblings.values():
            for nodes, statement, source in _repeated(queries, sensitivity):
                parent = unit.tree.parent_of(nodes[0])
                if _polls(nodes, parent.children if parent else ()):
                    continue
                lazy = lazy_load.of(nodes[0].span, asked)
                whole = prevalence.on_critical_path_ns(unit.tree, nodes)
                loop = Loop(
                    unit=unit,
                    spans=tuple(node.span for node in nodes),
                    cost_ns=whole * (len(nodes) - 1) // len(nodes),
                    statement=statement,
                    source=lazy.source if lazy is not None else source,
                    lazy=lazy,
                )
                site = prevalence.site(prevalence.common_location(loop.spans), unit.place)
                relation = nodes[0].span.text(lazy_load.RELATION)
                key = (unit.service, site, statement, *([relation] if relation else []))
                loops.setdefault(key, []).append(loop)
    for key, cases in loops.items():
        eligible = prevalence.units_at(evidence, cases)
        environment = prevalence.latest(cases).unit.environment
        if in_environment(environment).allows(_units(cases), len(eligible)):
            yield _finding(evidence, key, cases, eligible)


def _asked_by_django(unit: Unit) -> list[Span]:
    """In time order, whichever function asked."""
    spans = [node.span for node in unit.nodes if node.span.text(lazy_load.MODEL)]
    return sorted(spans, key=lambda span: span.start_ns)


def _repeated(queries: list[Node], sensitivity: Sensitivity) -> Iterator[tuple[list[Node], str, Span | None]]:
    """Of the queries beneath one span: those that are one statement again and again."""
    if len(queries) < LEAST_REPEATS:
        return
    groups: dict[tuple[str, str, str], list[Node]] = {}
    for node in queries:
        statement = statements.normal(node.span.text("db.query.text"))
        relation = node.span.text(lazy_load.RELATION)
        groups.setdefault((node.span.text("db.namespace"), statement, relation), []).append(node)
    for (_, statement, _), nodes in groups.items():
        if not _is_loop(statement, nodes, sensitivity):
            continue
        first = nodes[0]
        before = [n.span for n in queries if n.span.end_ns <= first.span.start_ns and n not in nodes]
        yield nodes, statement, source_of(first.span, before)


def _is_loop(statement: str, nodes: list[Node], sensitivity: Sensitivity) -> bool:
    if len(nodes) < LEAST_REPEATS or not statement or _pages(statement, nodes) or _chunks(statement, nodes):
        return False
    span = nodes[0].span
    if not statements.table(span):  # SELECT 1, SELECT nextval(…): no rows of anything
        return False
    if statements.operation(span) not in ("SELECT", "WITH") or statements.is_by_key(statement):
        return False
    if span.text("db.system.name").lower() in statements.NOT_RELATIONAL:
        return False
    many = MANY_IN_DEVELOPMENT if sensitivity.development else MANY
    return len(nodes) >= many or _together_ns(tuple(node.span for node in nodes)) >= SLOW_NS


def _pages(statement: str, nodes: list[Node]) -> bool:
    """SQLAlchemy writes an offset even for one row: what brings single rows turns no pages."""
    rows = [node.span.number("db.response.returned_rows") for node in nodes]
    return statements.is_page(statement) and not all(count is not None and count <= 1 for count in rows)


def _chunks(statement: str, nodes: list[Node]) -> bool:
    """Many keys at a time, as a prefetch of a long list is cut into pieces."""
    if not statements.is_for_many_keys(statement):
        return False
    rows = [node.span.number("db.response.returned_rows") or 0 for node in nodes]
    keys = [statements.keys_asked_for(node.span.text("db.query.text")) for node in nodes]
    return max(median(rows), median(keys)) >= CHUNK


def _polls(nodes: list[Node], siblings: tuple[Node, ...]) -> bool:
    """The same question with pauses in which nothing else was done: waiting for somebody."""
    pauses = [(a.span.end_ns, b.span.start_ns) for a, b in pairwise(nodes)]
    if min(end - start for start, end in pauses) < POLLING_PAUSE_NS:
        return False
    own = {id(node) for node in nodes}
    others = sorted(node.span.start_ns for node in siblings if id(node) not in own)
    return all(bisect_left(others, start) == bisect_left(others, end) for start, end in pauses)


def _together_ns(spans: Iterable[Span]) -> int:
    return union_ns((span.start_ns, span.end_ns) for span in spans)


def _units(cases: Iterable[Case]) -> int:
    return len({id(case.unit) for case in cases})


def _finding(evidence: Evidence, key: Site, cases: list[Loop], eligible: tuple[Unit, ...]) -> Finding:
    service, operation = worst = prevalence.worst_place(cases)
    last = prevalence.latest(cases)
    repeats_typical = round(median(len(case.spans) for case in cases))
    together = round(median(_together_ns(case.spans) for case in cases))
    made = repeats_typical + (last.source is not None)
    line = prevalence.line_of(ID, last, prevalence.common_location(last.spans), "query")
    first_ns, last_ns = prevalence.first_and_last_ns(cases)
    affected = _units(cases)
    framework = of_service(service, evidence.inventories, (last.spans[0], last.unit.entry.span))
    return Finding(
        fingerprint=fingerprint(ID, *key),
        check=ID,
        pitfall=PITFALL,
        severity=_severity(repeats_typical, together),
        tier="B",
        title=_title(last, repeats_typical, made),
        service=service,
        operation=operation,
        location=line.location,
        evidence=prevalence.exhibits(cases),
        affected=affected,
        eligible=len(eligible),
        impact=prevalence.impact(
            evidence,
            cases,
            eligible,
            f"{wording.duration(together)} of queries in {wording.share(affected, len(eligible))} "
            f"to {prevalence.asked(cases, worst)}; the number grows with the list.",
        ),
        fix=lazy_load.fix_for(last.lazy, last.spans[0], line.location)
        if last.lazy is not None
        else fix_for(last.spans[0], last.source, line.location, orm_of(last.spans[0], framework)),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        history=prevalence.per_hour(cases),
        suppressed_by=line.suppressed_by,
        details=(*_details(last, key[2], made), *prevalence.other_places(cases, worst), *line.details),
    )


def _title(loop: Loop, repeated: int, made: int) -> str:
    """Several loops of one route are told apart by what each repeats."""
    first = loop.spans[0]
    what = wording.shortened(f"{statements.operation(first)} {statements.table(first)}", 60)
    return f"N+1 queries: {repeated:,} × {what}, {made:,} queries where {loop.needed} would do"


def _severity(repeated: int, together_ns: int) -> Severity:
    if together_ns >= 1_000_000_000:
        return "critical"
    return "important" if together_ns >= SLOW_NS or repeated >= MANY else "normal"


def _details(loop: Loop, statement: str, made: int) -> tuple[tuple[str, str], ...]:
    found = [("repeated statement", wording.shortened(statement)), ("queries in one request", f"{made:,}")]
    relation = loop.spans[0].text(lazy_load.RELATION)
    if relation:
        found.append(("relation", wording.shortened(relation, 200)))
    if loop.source is not None:
        found.append(("statement before the loop", wording.shortened(loop.source.text("db.query.text"))))
        asked_at = place(prevalence.common_location((loop.source,)))
        if asked_at:
            found.append(("asked at", asked_at))
    found.append(("time in these queries", wording.duration(_together_ns(loop.spans))))
    return tuple(found)
