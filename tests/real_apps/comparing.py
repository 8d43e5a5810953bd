"""The same walk through the app bare and through the app with the agent, side by side, and what differs."""

import re
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.real_apps.app import RealApp
from tests.real_apps.serving import Serving, served
from tests.real_apps.walk import Answer, Request, Visitor, explore
from tests.support.agent import SERVER as SERVER_KIND
from tests.support.agent import SentSpan, fake_receiver, free_port

ROUNDS = 4
# These go to a connection, not through a cursor.
TRANSACTIONS = ("COMMIT", "ROLLBACK")


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """What was measured; each list of differences is empty where the agent hurts nobody."""

    app: RealApp
    requests: int
    statements: int
    unequal: list[str]
    hashed: int
    without_server_span: list[str]
    orphans: list[str]
    miscounted: list[str]
    without_line: dict[str, int]
    with_line: int
    said: list[str]
    cpu_ratio: float
    cpu_ms: float
    added_mb: float
    end_bare_s: float
    end_dead_s: float
    bodies: list[tuple[str, dict[str, str], bytes]]


def compare(app: RealApp, prepared: Path, folder: Path, agent: Path) -> Comparison:
    with fake_receiver() as receiver:
        with (
            served(app, prepared, folder / "bare", agent, None) as bare,
            served(app, prepared, folder / "with", agent, receiver.url) as observed,
        ):
            walks = _walk(app, bare, observed)
            sizes = (bare.resident_mb(), observed.resident_mb())
            bare.end()
            observed.end()
            said = _said_only(observed.app.said(), bare.app.said())
        asked = [answer for walk in walks.observed for answer in walk]
        spans = list(receiver.spans)
    ids = {answer.trace_id for answer in asked}
    servers = Counter(span.trace_id for span in spans if span.kind == SERVER_KIND)
    sql = [span for span in spans if _is_statement(span)]
    lines = [span for span in sql if "code.line.number" in span.attributes]
    end_bare_s, again = _end(app, prepared, folder / "again", agent, None, walks.requests)
    end_dead_s, _ = _end(
        app, prepared, folder / "dead", agent, f"http://127.0.0.1:{free_port()}", walks.requests[:10]
    )
    unequal, hashed = _unequal(walks, again)
    return Comparison(
        app=app,
        requests=len(asked),
        statements=len(sql),
        unequal=unequal,
        hashed=hashed,
        without_server_span=[_said(a) for a in asked if servers[a.trace_id] != 1],
        orphans=_orphans(spans, ids),
        miscounted=_miscounted(asked, spans),
        without_line=dict(
            Counter(span.attributes.get("db.query.text", "")[:100] for span in sql if span not in lines)
        )
        if len(lines) < len(sql)
        else {},
        with_line=len(lines),
        said=said,
        cpu_ratio=walks.cpu_observed_s / max(walks.cpu_bare_s, 0.01),
        cpu_ms=1000 * walks.cpu_bare_s / walks.timed,
        added_mb=sizes[1] - sizes[0],
        end_bare_s=end_bare_s,
        end_dead_s=end_dead_s,
        bodies=[
            (path, dict(headers), body)
            for path, headers, body in zip(receiver.paths, receiver.headers, receiver.bodies, strict=True)
        ],
    )


@dataclass(slots=True, kw_only=True)
class Walks:
    requests: list[Request]
    # Each round's answers.
    bare: list[list[Answer]]
    observed: list[list[Answer]]
    cpu_bare_s: float
    cpu_observed_s: float
    timed: int


def _walk(app: RealApp, bare: Serving, observed: Serving) -> Walks:
    visitors = [Visitor(serving.app.port) for serving in (bare, observed)]
    first: tuple[list[Answer], list[Answer]] = ([], [])
    if app.sign_in is not None:
        for visitor, answers in zip(visitors, first, strict=True):
            answers += visitor.sign_in(*app.sign_in)
    requests, found = explore(visitors[0], app.starts, app.limit)
    # The observed app is walked the same way, so that both have seen equally much.
    first[0].extend(found)
    first[1].extend(visitors[1].ask(request) for request in requests[: len(found)])
    walks = Walks(
        requests=requests, bare=[first[0]], observed=[first[1]], cpu_bare_s=0, cpu_observed_s=0, timed=0
    )
    for number in range(ROUNDS):
        # By turns, and each first as often as the other.
        for which in (0, 1) if number % 2 else (1, 0):
            serving, visitor = ((bare, visitors[0]), (observed, visitors[1]))[which]
            before = serving.cpu_s()
            answers = [visitor.ask(request) for request in requests]
            took = serving.cpu_s() - before
            (walks.bare, walks.observed)[which].append(answers)
            if number and which:
                walks.cpu_observed_s += took
            elif number:
                walks.cpu_bare_s += took
                walks.timed += len(requests)
    return walks


def _unequal(walks: Walks, again: Sequence[Answer]) -> tuple[list[str], int]:
    """What all walks through the bare app have alike, in two processes, those with the agent must have too."""
    found, hashed = [], 0
    for index, request in enumerate(walks.requests):
        bare = [*(walk[index] for walk in walks.bare[2:]), again[index]]
        seen = [walk[index] for walk in walks.observed[2:]]
        for what in ("status", "headers", "body_hash"):
            expected = [_comparable(answer, what) for answer in bare]
            stable = all(value == expected[0] for value in expected)
            hashed += stable and what == "body_hash"
            if stable and any(_comparable(answer, what) != expected[0] for answer in seen):
                values = [_comparable(answer, what) for answer in seen]
                differs = _first_difference(bare[0].text, seen[-1].text) if what == "body_hash" else ""
                found.append(f"{request.method} {request.path}: {what} {expected[0]} but {values} {differs}")
    return found, hashed


def _first_difference(bare: str, seen: str) -> str:
    pairs = enumerate(zip(bare, seen, strict=False))
    at = next((index for index, (one, other) in pairs if one != other), min(len(bare), len(seen)))
    return f"at {at}: {bare[max(at - 40, 0) : at + 60]!r} but {seen[max(at - 40, 0) : at + 60]!r}"


def _comparable(answer: Answer, what: str) -> object:
    value = getattr(answer, what)
    if what == "headers":
        return {name: re.sub(r"127\.0\.0\.1:\d+", "", text) for name, text in value.items()}
    return value


def _orphans(spans: Sequence[SentSpan], asked: set[str]) -> list[str]:
    known = {span.span_id for span in spans}
    return [
        f"{span.kind} {span.name} {span.attributes.get('code.file.path')}:{span.attributes.get('code.line.number')}"
        for span in spans
        if (span.trace_id not in asked and _is_statement(span))
        or (span.parent_id and span.parent_id not in known and span.kind != SERVER_KIND)
    ]


def _is_statement(span: SentSpan) -> bool:
    return (
        span.attributes.get("db.system.name") in ("sqlite", "postgresql", "mysql")
        and span.attributes.get("db.query.text") not in TRANSACTIONS
    )


def _miscounted(asked: Sequence[Answer], spans: Sequence[SentSpan]) -> list[str]:
    seen = Counter(span.trace_id for span in spans if _is_statement(span))
    return [
        f"{_said(answer)}: {answer.statements} statements, {seen[answer.trace_id]} spans"
        for answer in asked
        if answer.statements is not None and answer.statements != seen[answer.trace_id]
    ]


def _said(answer: Answer) -> str:
    return f"{answer.request.method} {answer.request.path} ({answer.status})"


def _said_only(observed: str, bare: str) -> list[str]:
    """Lines of the log that only one of them wrote, whatever their times and numbers."""
    lines = [Counter(_without_numbers(line) for line in text.splitlines()) for text in (observed, bare)]
    only = [(f"only with the agent: {line}", count) for line, count in (lines[0] - lines[1]).items()]
    only += [(f"only bare: {line}", count) for line, count in (lines[1] - lines[0]).items()]
    return [f"{line[:300]} ({count}×)" for line, count in only]


def _without_numbers(line: str) -> str:
    return re.sub(r"/(bare|with)/data|[0-9a-f-]{32,}|0x[0-9a-f]+|\d+", "#", line).rstrip()


def _end(
    app: RealApp, prepared: Path, folder: Path, agent: Path, endpoint: str | None, requests: Sequence[Request]
) -> tuple[float, list[Answer]]:
    """Seconds that the app takes to end after requests, and what a second walk answered."""
    with served(app, prepared, folder, agent, endpoint) as serving:
        visitor = Visitor(serving.app.port)
        if app.sign_in is not None:
            visitor.sign_in(*app.sign_in)
        for _ in range(2 if endpoint is None else 1):
            answers = [visitor.ask(request) for request in requests]
        return serving.end(), answers
