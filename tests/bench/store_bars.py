"""Which answer of the store's bench program belongs to which bar."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bars import Measured, figure, machine, write_block
from tracestitch_collector.store.embedded.layout import Layout
from tracestitch_collector.store.embedded.manifest import load

MILLION = 1_000_000
NEWEST = {
    "newest 20 of a service": "newest 20 of a service",
    "newest 20 of an operation": "newest 20 of an operation",
    "newest 20 that failed": "newest 20 that failed",
    "newest 20 over 2 s": "newest 20 by duration",
    "a rare value": "newest 20 with a rare value",
}
"""The program's questions, and what their rows begin with."""
TWO_ATTRIBUTES = ("two attributes, one rare", "two common attributes, seldom together")
SERVICE_PAGE = ("services of the last hour", "operations of the last hour", "a service's hour in 30 parts")
PER_SECOND = 5_000
"""Spans of the made-up shop: an hour of it is 18 million."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Answers:
    """What one run of the program found."""

    spans: int
    logs: int
    bytes_each: float
    opened_s: float
    bytes: int
    """Of the store that was opened."""
    waits: Mapping[str, tuple[float, float, float]]
    """Question → its p50, its p99 and its bar, in ms."""
    ingesting: int
    """Spans per second that were written meanwhile."""


def bars(answers: Answers) -> dict[str, Measured]:
    """The rows that this run can fill in."""
    if answers.ingesting:
        return dict(_while_ingesting(answers))
    return dict(_at_rest(answers))


def _at_rest(answers: Answers) -> Iterator[tuple[str, Measured]]:
    waits, size = answers.waits, answers.spans // MILLION
    if size in (2, 10):
        p50, p99, _ = waits["trace by id"]
        yield f"trace by id, p50, {size} million spans", Measured(value=p50)
        yield f"trace by id, p99, {size} million spans", Measured(value=p99)
        for question, bar in NEWEST.items():
            yield f"{bar}, {size} million spans", Measured(value=waits[question][0])
        yield "on disk per span", Measured(value=answers.bytes_each)
    if size == 10:
        worst = max(waits[question][0] for question in TWO_ATTRIBUTES)
        yield "two-attribute filter over all time, 10 million spans", Measured(value=worst)
    if size >= 10:
        page = sum(waits[question][0] for question in SERVICE_PAGE)
        hour = "" if size >= 18 else f"{answers.spans // PER_SECOND // 60} min of the hour"
        yield "service page, last hour at 5,000 spans/s", Measured(value=page, note=hour)
        gigabytes = answers.bytes / 1e9
        note = "" if gigabytes >= 5 else f"of {gigabytes:.1f} GB"
        yield "start with a 5 GB store", Measured(value=answers.opened_s, note=note)
    if answers.logs // MILLION == 10:
        yield "rare log phrase, 10 million records", Measured(value=waits["a rare phrase"][0])


def _while_ingesting(answers: Answers) -> Iterator[tuple[str, Measured]]:
    question, share = max(
        ((name, p50 / bar) for name, (p50, _, bar) in answers.waits.items()), key=lambda item: item[1]
    )
    yield (
        "while ingesting at half capacity, worst of the queries beside its bar",
        Measured(value=share, note=f"{question}, {answers.ingesting:,} spans/s"),
    )


def table(answers: Answers) -> str:
    """Everything that was asked, for the page."""
    lines = ["| question | p50 | p99 | bar of the p50 |", "| --- | --- | --- | --- |"]
    lines += [
        f"| {name} | {figure(p50, 'ms')} | {figure(p99, 'ms')} | {figure(bar, 'ms')} |"
        for name, (p50, p99, bar) in answers.waits.items()
    ]
    return "\n".join(lines)


def write(answers: Answers) -> None:
    """The block of a store of this size, where the page has one."""
    size = answers.spans // MILLION
    if size not in (2, 10):
        return
    meanwhile = f" and {answers.ingesting:,} spans/s written meanwhile" if answers.ingesting else ""
    said = (
        f"On {machine()}: {answers.spans:,} spans and {answers.logs:,} log records in {answers.bytes / 1e9:.2f} GB, "
        f"{answers.bytes_each:.1f} bytes a span{meanwhile}."
    )
    name = f"the store with {size} million spans" + (" while ingesting" if answers.ingesting else "")
    write_block(name, f"{said}\n\n{table(answers)}")


def growth(larger: Answers, larger_us: float, smaller_us: float, smaller: Answers) -> dict[str, Measured]:
    """What a larger store costs beside a smaller one: µs of CPU per row written, and ms for a trace."""
    millions = larger.spans // MILLION, smaller.spans // MILLION
    note = "" if millions[0] >= 50 and millions[1] == 1 else f"{millions[0]} million beside {millions[1]}"
    return {
        "cost of ingest per span, 50 million beside 1 million": Measured(
            value=larger_us / smaller_us, note=note
        ),
        "trace by id, p50, 50 million beside 1 million": Measured(
            value=larger.waits["trace by id"][0] / smaller.waits["trace by id"][0], note=note
        ),
    }


def bytes_per_span(data: Path) -> float:
    """Of the segments of spans with all that lies beside them."""
    segments = [segment for segment in load(Layout(data)).segments if segment.signal == "spans"]
    rows = sum(segment.rows for segment in segments)
    return sum(segment.whole_bytes for segment in segments) / rows if rows else 0.0
