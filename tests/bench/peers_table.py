"""The comparison as tables: for a terminal, for docs/performance.md, and the peers' cells beside our bars."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Iterator, Mapping, Sequence

from tests.bench.bars import Measured, figure
from tests.bench.peers_round import Outcome, Waits
from tests.bench.peers_targets import BADGER, MEMORY, NAMES, OURS

Outcomes = Mapping[str, Sequence[Outcome]]
"""Of each target, one a round."""
Value = Callable[[Outcome], float]


def rows(outcomes: Outcomes) -> Iterator[tuple[str, str, Value]]:
    """Name, unit and value of all that was measured."""
    yield "CPU per million spans", "s", lambda each: sum(each.fed.cpu_s.values())
    yield "spans per second until all were found", "spans/s", lambda each: each.fed.per_second
    yield "memory at its highest", "MB", lambda each: each.fed.rss / 1e6
    yield "on disk per span, all files", "bytes", lambda each: each.disk_bytes / each.fed.spans
    yield from _of_waits("request", lambda each: each.fed.requests)
    for question in next(iter(outcomes.values()))[0].questions:
        yield from _of_waits(question, lambda each, question=question: each.questions[question])  # type: ignore[misc]  # bound now
    yield from _of_waits("visible after the acknowledgement", lambda each: each.visible)
    yield "start again after kill -9", "s", lambda each: each.start_again_s
    yield (
        "lost by kill -9, of 1,000 acknowledged just before",
        "spans",
        lambda each: each.lost / each.tail * 1000,
    )


def _of_waits(name: str, waits: Callable[[Outcome], Waits]) -> Iterator[tuple[str, str, Value]]:
    yield f"{name}, p50", "ms", lambda each: waits(each).p50_ms
    yield f"{name}, p99", "ms", lambda each: waits(each).p99_ms


def table(outcomes: Outcomes) -> str:
    names = [name for name in NAMES if name in outcomes]
    head = ["", *names, *(f"ours beside {name}" for name in names if name != OURS and OURS in names)]
    lines = [head, ["---"] * len(head)]
    for name, unit, value in rows(outcomes):
        middles = {each: _middle(outcomes[each], value) for each in names}
        cells = [figure(middles[each], unit) for each in names]
        ratios = [_ratio(middles[OURS], middles[each]) for each in names if each != OURS and OURS in names]
        lines.append([name, *cells, *ratios])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def page_table(outcomes: Outcomes) -> str:
    """What our own list of traces answers in; empty when we did not take part."""
    if OURS not in outcomes:
        return ""
    lines = ["|  | p50 | p99 |", "| --- | --- | --- |"]
    for question in outcomes[OURS][0].as_a_page:
        waits = [each.as_a_page[question] for each in outcomes[OURS]]
        p50, p99 = (
            statistics.median(each.p50_ms for each in waits),
            statistics.median(each.p99_ms for each in waits),
        )
        lines.append(f"| {question} | {figure(p50, 'ms')} | {figure(p99, 'ms')} |")
    return "\n".join(lines)


def remarks(outcomes: Outcomes) -> str:
    """What the table leaves out, as sentences."""
    spans = {name: each[0].fed.spans for name, each in outcomes.items()}
    refused = {name: sum(one.fed.refused for one in each) for name, each in outcomes.items()}
    rounds = sorted({len(each) for each in outcomes.values()})
    said = [f"Medians of {_rounds(rounds)} of {max(spans.values()):,} spans each."]
    if OURS in outcomes:
        parts = outcomes[OURS][0].fed.cpu_s
        by_process = {
            name: statistics.median(each.fed.cpu_s.get(name, 0.0) for each in outcomes[OURS])
            for name in parts
        }
        shares = ", ".join(f"{name} {cpu_s:.1f}" for name, cpu_s in by_process.items())
        said.append(f"Our CPU seconds per million by process: {shares}; the checks are evaluated meanwhile.")
    if any(refused.values()):
        said.append(
            f"Requests refused and sent again: {', '.join(f'{n} {c}' for n, c in refused.items() if c)}."
        )
    return " ".join(said)


def _rounds(counts: Sequence[int]) -> str:
    if len(counts) > 1:
        return f"{counts[0]} to {counts[-1]} rounds"
    return "1 round" if counts[0] == 1 else f"{counts[0]} rounds"


def bars(outcomes: Outcomes) -> dict[str, Measured]:
    """Our own rows of the table of bars."""
    if OURS not in outcomes:
        return {}
    cpu_s: Value = lambda each: sum(each.fed.cpu_s.values())  # noqa: E731  # one use
    ours = _middle(outcomes[OURS], cpu_s)
    found = {"CPU per million spans, all processes": Measured(value=ours)}
    beside = {
        BADGER: "the same beside Jaeger on badger",
        MEMORY: "the same beside Jaeger in memory (stretch)",
    }
    for name, bar in beside.items():
        if name in outcomes:
            found[bar] = Measured(value=ours / _middle(outcomes[name], cpu_s))
    return found


def jaeger(outcomes: Outcomes) -> dict[str, tuple[str, str]]:
    """The peers' cells beside the bars that they can be asked too, each for the size of this run."""
    values = {name: (unit, value) for name, unit, value in rows(outcomes)}
    cells: dict[str, tuple[str, str]] = {}
    for bar, name in _beside(list(values)):
        unit, value = values[name]
        memory, badger = (
            figure(_middle(outcomes[each], value), unit) if each in outcomes else "–"
            for each in (MEMORY, BADGER)
        )
        cells[bar] = (memory, badger)
    return cells


def _beside(names: Sequence[str]) -> Iterator[tuple[str, str]]:
    """A bar's name, and the row of this program that says the same of a peer."""
    yield "durable and searchable, sustained, compiled", "spans per second until all were found"
    yield "CPU per million spans, all processes", "CPU per million spans"
    yield "on disk per span", "on disk per span, all files"
    yield "memory at full speed, collector in all", "memory at its highest"
    for share in ("p50", "p99"):
        yield f"visible after the acknowledgement, {share}", f"visible after the acknowledgement, {share}"
        yield f"trace by id, {share}, 2 million spans", f"trace by id, {share}"
    for name in names:
        if name.startswith("newest 20") and name.endswith("p50") and "status" not in name:
            yield name.replace(", p50", ", 2 million spans"), name


def _middle(outcomes: Sequence[Outcome], value: Value) -> float:
    return statistics.median(value(each) for each in outcomes)


def _ratio(ours: float, theirs: float) -> str:
    return f"{ours / theirs:.2f}×" if theirs else "–"
