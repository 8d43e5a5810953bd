"""n-plus-one-http: the same route of another service, called once per item of a list.

Calls are known by who answered and on which route, never by the client span's name: five different POSTs in
one view are no loop.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from itertools import pairwise
from statistics import median
from typing import TypeAlias

from tracestitch_collector.checks import prevalence, wording
from tracestitch_collector.checks.evidence import Evidence, Unit
from tracestitch_collector.checks.finding import Finding, Fix, Location, Pitfall, Severity, fingerprint
from tracestitch_collector.checks.prevalence import Case
from tracestitch_collector.checks.sensitivity import Sensitivity, in_environment
from tracestitch_collector.model import Span
from tracestitch_collector.traces import repeats
from tracestitch_collector.traces.code import place
from tracestitch_collector.traces.repeats import Repeat
from tracestitch_collector.traces.tree import Node

ID = "n-plus-one-http"
PITFALL: Pitfall = "P4"
TITLE = "One call per item"

LEAST_REPEATS = 5
SLOW_NS = 100_000_000
SLOW_IN_DEVELOPMENT_NS = 50_000_000
MANY_IN_DEVELOPMENT = 10
POLLING_PAUSE_NS = 100_000_000
PAGING = re.compile(r"(?:^|&)(?:page\w*|offset|cursor|after|next\w*|continuation\w*)=", re.IGNORECASE)


Site: TypeAlias = tuple[str, str, str, str]
"""(service, place in the code or else the route, who answers, on which route)."""


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Loop(Case):
    callee: str
    """The service that answers, or the address where it does not report."""
    route: str
    figures: Repeat = field(repr=False)


def find(evidence: Evidence) -> Iterable[Finding]:
    loops: dict[Site, list[Loop]] = {}
    for unit in evidence.units:
        sensitivity = in_environment(unit.environment)
        siblings: dict[int, list[Node]] = {}
        for node in unit.nodes:
            if _is_http_call(node.span):
                siblings.setdefault(node.parent, []).append(node)
        for calls in siblings.values():
            for callee, route, nodes in _repeated(calls, sensitivity):
                whole = prevalence.on_critical_path_ns(unit.tree, nodes)
                loop = Loop(
                    unit=unit,
                    spans=tuple(node.span for node in nodes),
                    cost_ns=whole * (len(nodes) - 1) // len(nodes),
                    callee=callee,
                    route=route,
                    figures=repeats.of(nodes),
                )
                site = prevalence.site(prevalence.common_location(loop.spans), unit.place)
                loops.setdefault((unit.service, site, callee, route), []).append(loop)
    for key, cases in loops.items():
        affected, eligible = len({id(case.unit) for case in cases}), prevalence.units_at(evidence, cases)
        if in_environment(prevalence.latest(cases).unit.environment).allows(affected, len(eligible)):
            yield _finding(evidence, key, cases, eligible)


def _is_http_call(span: Span) -> bool:
    return span.kind == "client" and bool(span.text("http.request.method") or span.text("url.full"))


def _repeated(calls: list[Node], sensitivity: Sensitivity) -> Iterator[tuple[str, str, list[Node]]]:
    if len(calls) < LEAST_REPEATS:
        return
    groups: dict[tuple[str, str], list[Node]] = {}
    for node in calls:
        target = _target(node)
        if target is not None and not node.span.is_error:  # failed ones are attempts of a retry
            groups.setdefault(target, []).append(node)
    for (callee, route), nodes in groups.items():
        if _is_loop(nodes, sensitivity):
            yield callee, route, nodes


def _target(node: Node) -> tuple[str, str] | None:
    """Who answers on which route; None where neither a joined server span nor a path tells."""
    callee = repeats.callee_of(node)
    if callee is not None:
        return callee.service, repeats.method_and_route(callee)
    address, path = node.span.text("server.address"), _path(node.span)
    if not address or not path:
        return None
    return address, f"{node.span.text('http.request.method')} {repeats.without_ids(path)}".strip()


def _path(span: Span) -> str:
    rest = span.text("url.full").split("?", 1)[0].partition("://")[2]
    return f"/{rest.partition('/')[2]}" if rest else ""


def _is_loop(nodes: list[Node], sensitivity: Sensitivity) -> bool:
    if len(nodes) < LEAST_REPEATS or _fans_out(nodes) or _polls(nodes) or _turns_pages(nodes):
        return False
    if sensitivity.development:
        return len(nodes) >= MANY_IN_DEVELOPMENT or repeats.of(nodes).union_ns >= SLOW_IN_DEVELOPMENT_NS
    return repeats.of(nodes).union_ns >= SLOW_NS


def _fans_out(nodes: list[Node]) -> bool:
    """Each call goes to another host: shards or replicas, asked on purpose."""
    hosts = {(node.span.text("server.address"), node.span.number("server.port")) for node in nodes}
    return len(hosts) == len(nodes)


def _polls(nodes: list[Node]) -> bool:
    """The very same question with pauses in between: waiting for something to be done."""
    urls = {node.span.text("url.full") for node in nodes}
    if (
        len(urls) > 1
        or any("?" in url for url in urls)
        or "GET" not in nodes[0].span.text("http.request.method")
    ):
        return False
    pauses = [b.span.start_ns - a.span.end_ns for a, b in pairwise(nodes)]
    return min(pauses) >= POLLING_PAUSE_NS


def _turns_pages(nodes: list[Node]) -> bool:
    """One address, asked for one page after the other."""
    addresses, keys = set(), set()
    for node in nodes:
        address, _, query = node.span.text("url.full").partition("?")
        addresses.add(address)
        keys.add(bool(PAGING.search(query)))
    return len(addresses) == 1 and True in keys


def _finding(evidence: Evidence, key: Site, cases: list[Loop], eligible: tuple[Unit, ...]) -> Finding:
    worst = prevalence.worst_place(cases)
    last = prevalence.latest(cases)
    affected = len({id(case.unit) for case in cases})
    count = round(median(case.figures.count for case in cases))
    together = round(median(case.figures.union_ns for case in cases))
    line = prevalence.line_of(ID, last, prevalence.common_location(last.spans), "call")
    first_ns, last_ns = prevalence.first_and_last_ns(cases)
    return Finding(
        fingerprint=fingerprint(ID, *key),
        check=ID,
        pitfall=PITFALL,
        severity=_severity(together, last.figures.parallel),
        tier="B",
        title=f"{count:,} calls to {last.route} of {last.callee} where 1 would do",
        service=worst[0],
        operation=worst[1],
        location=line.location,
        evidence=prevalence.exhibits(cases),
        affected=affected,
        eligible=len(eligible),
        impact=prevalence.impact(
            evidence,
            cases,
            eligible,
            f"{wording.duration(together)} of waiting for {last.callee} in "
            f"{wording.share(affected, len(eligible))} to {prevalence.asked(cases, worst)}; "
            "the number grows with the list.",
        ),
        fix=_fix(last, line.location),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        history=prevalence.per_hour(cases),
        suppressed_by=line.suppressed_by,
        details=(
            ("called", f"{last.route} of {last.callee}"),
            (
                "calls in one request",
                f"{count:,}, {'in parallel' if last.figures.parallel else 'one after another'}",
            ),
            (
                "one call",
                f"{wording.duration(last.figures.p50_ns)} median, {wording.duration(last.figures.max_ns)} at most",
            ),
            *prevalence.other_places(cases, worst),
            *line.details,
        ),
    )


def _severity(together_ns: int, parallel: bool) -> Severity:
    if together_ns >= 1_000_000_000:
        return "critical"
    return "normal" if parallel and together_ns < SLOW_NS else "important"


def _fix(loop: Loop, location: Location | None) -> Fix:
    client = loop.spans[0].text("tracestitch.http.client") or "requests"
    method, _, route = loop.route.partition(" ")
    base = "".join(character for character in loop.callee.upper() if character.isalnum()) + "_URL"
    collection = route.split("<")[0].split("{")[0].split("*")[0].rstrip("/") or route
    line = place(location)
    asked = f"  # {line}" if line else ""
    if "/" in collection and route.endswith("/") and not collection.endswith("/"):
        collection += "/"  # else Django answers with a redirect
    if len({span.text("url.full") for span in loop.spans}) == 1:
        call = f'{client}.{method.lower() or "get"}(f"{{{base}}}{route}", timeout=5).json()'
        return Fix(
            text=f"Every call asks {loop.callee} the very same: ask once before the loop and keep the answer.",
            before=f"for item in items:{asked}\n    answer = {call}",
            after=f"answer = {call}\nfor item in items:\n    …  # with the answer that is there",
        )
    return Fix(
        text=f"Give {loop.callee} one route that answers for many items, and ask it once before the loop. "
        "Where that cannot be changed, keep answers that rarely change in a cache, or call in parallel.",
        before=f"for item in items:{asked}\n"
        f'    answers.append({client}.{method.lower() or "get"}(f"{{{base}}}{route}", timeout=5).json())',
        after=f'ids = ",".join(str(item.id) for item in items)\n'
        f'answers = {client}.get(f"{{{base}}}{collection}", params={{"ids": ids}}, timeout=5).json()',
    )
