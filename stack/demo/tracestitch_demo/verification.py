"""What must have arrived after one round of the demo: the stitched checkout, every seeded pitfall at its line, and
nothing on the clean routes. Pure: it judges what was read and answers rows of a table.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any, Literal

from tracestitch_demo.load import Route
from tracestitch_demo.pitfalls import DEPENDENCY_DRIFT, Seed
from tracestitch_demo.shop import SERVICES

MIN_LOGS = 10

BETWEEN_SERVICES = frozenset({"shared-database"})
"""One finding for several services: it may name the line of any of them."""
WITHOUT_LINE = frozenset({"broken-trace-context", DEPENDENCY_DRIFT})
"""Seen from outside only."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Row:
    outcome: Literal["ok", "missing", "skipped"]
    what: str
    found: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Expectation:
    check: str
    service: str
    """Empty where the finding may be any service's."""
    lines: tuple[tuple[str, int], ...]
    """File and line, any of which will do; empty where the finding has no line."""

    def accepts(self, finding: Mapping[str, Any]) -> bool:
        if finding["check"] != self.check or (self.service and finding["service"] != self.service):
            return False
        location = finding["location"]
        if not self.lines or (location is None and self.check in WITHOUT_LINE):
            return True
        return location is not None and any(
            location["file"].endswith(file) and location["line"] == line for file, line in self.lines
        )

    @property
    def name(self) -> str:
        places = [f"{file.removeprefix('tracestitch_demo/')}:{line}" for file, line in self.lines]
        place = " or ".join(places)
        return f"{self.check} {place or self.service}".strip()


def expectations(seeds: Iterable[Seed]) -> tuple[Expectation, ...]:
    """One for each pitfall and service, one for each pitfall that lies between services."""
    grouped: dict[tuple[str, str], list[Seed]] = {(DEPENDENCY_DRIFT, ""): []}
    for seed in seeds:
        service = "" if seed.check in BETWEEN_SERVICES | WITHOUT_LINE else seed.service
        grouped.setdefault((seed.check, service), []).append(seed)
    return tuple(
        Expectation(check=check, service=service, lines=tuple((seed.file, seed.line) for seed in found))
        for (check, service), found in sorted(grouped.items())
    )


def judge_findings(
    findings: Sequence[Mapping[str, Any]], expected: Iterable[Expectation], *, skipped: Mapping[str, str]
) -> Iterator[Row]:
    """A row for each expectation; `skipped` says why a check cannot find anything here."""
    for each in expected:
        matches = [finding for finding in findings if each.accepts(finding)]
        if matches:
            yield Row(outcome="ok", what=each.name, found=matches[0]["title"])
        elif each.check in skipped:
            yield Row(outcome="skipped", what=each.name, found=skipped[each.check])
        else:
            near = [_place(finding) for finding in findings if finding["check"] == each.check]
            yield Row(outcome="missing", what=each.name, found=f"only {', '.join(near)}" if near else "")


def judge_silence(
    findings: Sequence[Mapping[str, Any]], expected: Sequence[Expectation], routes: Iterable[Route]
) -> Iterator[Row]:
    """Nothing may be found that is not seeded, least of all on a clean route."""
    clean = {(route.service, route.operation) for route in routes if not route.pitfalls}
    noise = [f for f in findings if (f["service"], f["operation"]) in clean]
    yield _silence(f"no finding on the {len(clean)} clean routes", noise)
    stray = [f for f in findings if not any(each.accepts(f) for each in expected)]
    yield _silence("no finding that is not seeded", stray)


def judge_checkout(trace: Mapping[str, Any]) -> Iterator[Row]:
    spans, logs = trace.get("spans", []), trace.get("logs", [])
    services = {span["service"] for span in spans}
    yield _row("checkout: 4 services in one trace", services >= set(SERVICES), ", ".join(sorted(services)))
    tasks = [span["name"] for span in spans if span["kind"] == "consumer"]
    yield _row("checkout: the Celery task is in it", bool(tasks), ", ".join(tasks))
    queries = [span for span in spans if "db.system.name" in span["attributes"]]
    located = {span["service"] for span in queries if "tracestitch_demo" in _file(span)}
    yield _row(
        "checkout: SQL with file and line in each service",
        located >= set(SERVICES) and all(_file(span) for span in queries),
        f"{len(queries)} queries in {', '.join(sorted(located))}",
    )
    yield _row(f"checkout: {MIN_LOGS} log lines or more", len(logs) >= MIN_LOGS, f"{len(logs)} log lines")
    findings = [finding["check"] for finding in trace.get("findings", [])]
    yield _row("checkout: a finding marked on it", bool(findings), ", ".join(sorted(findings)))


def _silence(what: str, findings: Sequence[Mapping[str, Any]]) -> Row:
    return _row(what, not findings, "; ".join(f"{f['check']} {_place(f)}" for f in findings))


def _row(what: str, fine: bool, found: str) -> Row:
    return Row(outcome="ok" if fine else "missing", what=what, found=found)


def _place(finding: Mapping[str, Any]) -> str:
    location = finding["location"]
    place = f"{location['file']}:{location['line']}" if location else "no line"
    return f"{finding['service']} {finding['operation']} ({place})"


def _file(span: Mapping[str, Any]) -> str:
    attributes = span["attributes"]
    return str(attributes.get("code.file.path", "")) if attributes.get("code.line.number") else ""
