"""error-contract-drift: services answer errors in different shapes, so every caller needs a case for each.

Shapes are the keys of a JSON error and the types of their values, never the values. The shape of most services
is taken for the agreed one; a problem document (RFC 9457) is preferred where there is no majority.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from tracestitch_collector.checks import prevalence, suppression, wording
from tracestitch_collector.checks.evidence import Evidence, Unit
from tracestitch_collector.checks.finding import Finding, Fix, Pitfall, fingerprint
from tracestitch_collector.checks.framework import Framework, of_service
from tracestitch_collector.checks.prevalence import Case
from tracestitch_collector.checks.sensitivity import in_environment
from tracestitch_collector.traces.code import location_at, location_of

ID = "error-contract-drift"
PITFALL: Pitfall = "P6"
TITLE = "Errors in different shapes"

SHARE = 0.05
"""Of a service's errors: a rarer shape is an accident."""
HTML = "an HTML page"
PROBLEM_KEYS = frozenset({"type", "title", "status", "detail"})


@dataclass(frozen=True, slots=True, kw_only=True, eq=False)
class Answer(Case):
    shape: str


def find(evidence: Evidence) -> Iterable[Finding]:
    answers: dict[str, dict[str, list[Answer]]] = {}
    for unit in evidence.units:
        shape = _shape(unit)
        if shape:
            answer = Answer(unit=unit, spans=(unit.entry.span,), shape=shape)
            answers.setdefault(unit.service, {}).setdefault(shape, []).append(answer)
    usual = {service: _usual(shapes) for service, shapes in answers.items()}
    agreed = _agreed(usual)
    for service, shapes in answers.items():
        total = sum(len(found) for found in shapes.values())
        for shape in usual[service]:
            found = shapes[shape]
            environment = prevalence.latest(found).unit.environment
            if shape != agreed and in_environment(environment).allows(len(found), total):
                yield _finding(evidence, found, agreed, total, usual)


def _shape(unit: Unit) -> str:
    """Of an answer to a known route: the shape of its JSON, or that it was a page although a service asked.
    Empty where there is no contract to drift from."""
    span = unit.entry.span
    status = span.number("http.response.status_code")
    if span.kind != "server" or status is None or status < 400 or not span.text("http.route"):
        return ""
    shape = span.text("tracestitch.response.body_shape")
    if shape:
        return "" if _is_validation(shape, status) else shape
    html = "html" in span.text("tracestitch.response.content_type")
    return HTML if html and _asked_by_a_service(unit) else ""


def _is_validation(shape: str, status: float) -> bool:
    """`{field: [messages]}`, nested or not: its keys are the form's fields, different by nature."""
    kinds = {pair.rpartition(":")[2] for pair in shape.split(",")}
    return status in (400, 422) and "list" in kinds and kinds <= {"list", "dict"}


def _asked_by_a_service(unit: Unit) -> bool:
    parent = unit.tree.parent_of(unit.entry)
    return parent is not None and parent.span.kind == "client"


def _usual(shapes: Mapping[str, list[Answer]]) -> tuple[str, ...]:
    total = sum(len(found) for found in shapes.values())
    return tuple(shape for shape, found in shapes.items() if len(found) >= SHARE * total)


def _agreed(usual: Mapping[str, Iterable[str]]) -> str:
    """Not by the number of answers, which changes from hour to hour."""
    services = Counter(shape for shapes in usual.values() for shape in shapes)
    return max(
        services, key=lambda shape: (services[shape], _is_problem(shape), shape != HTML, shape), default=""
    )


def _is_problem(shape: str) -> bool:
    return {pair.partition(":")[0] for pair in shape.split(",")} >= PROBLEM_KEYS


def _finding(
    evidence: Evidence,
    found: list[Answer],
    agreed: str,
    total: int,
    usual: Mapping[str, Iterable[str]],
) -> Finding:
    last = prevalence.latest(found)
    span = last.spans[0]
    service, shape = last.unit.service, last.shape
    routes = Counter(case.unit.operation for case in found)
    first_ns, last_ns = prevalence.first_and_last_ns(found)
    others = sorted(name for name, shapes in usual.items() if agreed in shapes)
    where = "elsewhere" if service not in others else "on other routes"
    return Finding(
        fingerprint=fingerprint(ID, service, shape),
        check=ID,
        pitfall=PITFALL,
        severity="normal",
        tier="B",
        title=f"{service} answers errors as {_readable(shape)}, {where} they are {_readable(agreed)}",
        service=service,
        operation=last.unit.operation,
        location=location_at(span.text("tracestitch.response.raised_at"), span.resource) or location_of(span),
        evidence=prevalence.exhibits(found),
        affected=len(found),
        eligible=total,
        impact=prevalence.impact(
            evidence,
            found,
            tuple(unit for unit in evidence.units if unit.service == service),
            f"{len(found):,} of {wording.counted(total, 'error answer')} of {service}, on "
            f"{wording.listed(sorted(routes), 3)}: whoever calls it needs a case of its own for them.",
        ),
        fix=_fix(of_service(service, evidence.inventories, (span,)), agreed),
        first_seen_ns=first_ns,
        last_seen_ns=last_ns,
        history=prevalence.per_hour(found),
        suppressed_by=suppression.reason_for(ID, last.spans),
        details=(
            ("shape here", _readable(shape)),
            *(
                (f"shape in {name}", "; ".join(_readable(one) for one in shapes))
                for name, shapes in sorted(usual.items())
                if name != service
            ),
            ("routes", wording.listed([f"{route} ({count}×)" for route, count in routes.most_common(8)], 8)),
        ),
    )


def _readable(shape: str) -> str:
    if shape == HTML or ":" not in shape:
        return shape
    return "{" + ", ".join(pair.partition(":")[0] for pair in wording.shortened(shape, 200).split(",")) + "}"


def _fix(framework: Framework, agreed: str) -> Fix:
    keys = [pair.partition(":")[0] for pair in agreed.split(",")] if ":" in agreed else sorted(PROBLEM_KEYS)
    known = {"status": "status", "code": "status", "title": "title", "type": '"about:blank"'}
    body = ", ".join(f'"{key}": {known.get(key, "detail")}' for key in keys)
    text = (
        "Agree on one shape, a problem document (RFC 9457) for preference, and make it in one place of each "
        "service instead of in every view."
    )
    if framework == "django":
        return Fix(
            text=text,
            before='return Response({"error": "…"}, status=404)',
            after='REST_FRAMEWORK = {"EXCEPTION_HANDLER": "shop.problems.handler"}\n\n'
            "def handler(error, context):\n    response = exception_handler(error, context)\n"
            f"    title, status, detail = problem_of(response)\n    response.data = {{{body}}}\n    return response",
        )
    return Fix(
        text=text,
        before='return {"error": "…"}, 404',
        after="@app.errorhandler(HTTPException)\ndef problem(error):\n"
        "    title, status, detail = error.name, error.code, error.description\n"
        f"    return {{{body}}}, status\n\n"
        'abort(404, description="…")',
    )
