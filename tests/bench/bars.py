"""Every bar that the collector and its store are held to, and the one table of them in docs/performance.md. Each bench
program fills in the rows that it measures (`--write`) and leaves the others as they are.
"""

from __future__ import annotations

import os
import platform
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path

PAGE = Path(__file__).resolve().parents[2] / "docs" / "performance.md"
BEGIN, END = "<!-- bars: filled in by the programs of tests/bench -->", "<!-- end of bars -->"
HEAD = "| what | bar | measured | met | Jaeger, memory | Jaeger, badger | command |"
NOT_MEASURED = "not measured"
NOTHING = "–"

INGEST = "`make bench-ingest`"
PEERS = "`make bench-peers`"
STORE = "`make bench-store`"
LARGE = "`make bench-store FULL=1`"
HUGE = "`make bench-store SPANS=50000000`"


@dataclass(frozen=True, slots=True, kw_only=True)
class Bar:
    """One figure, and what it has to be."""

    name: str
    """Of its row; no two have the same."""
    sign: str
    """≤ or ≥."""
    limit: float
    unit: str
    command: str

    @property
    def asked(self) -> str:
        return f"{self.sign} {figure(self.limit, self.unit)}"

    def is_met(self, value: float) -> bool:
        return value <= self.limit if self.sign == "≤" else value >= self.limit


@dataclass(frozen=True, slots=True, kw_only=True)
class Measured:
    value: float
    note: str = ""
    """Where it was not measured quite as the bar asks."""


def _most(name: str, limit: float, unit: str, command: str) -> Bar:
    return Bar(name=name, sign="≤", limit=limit, unit=unit, command=command)


def _least(name: str, limit: float, unit: str, command: str) -> Bar:
    return Bar(name=name, sign="≥", limit=limit, unit=unit, command=command)


NEWEST = (
    "newest 20 of a service",
    "newest 20 of an operation",
    "newest 20 that failed",
    "newest 20 by duration",
    "newest 20 with a rare value",
)


def _reading(size: str, p50: float, p99: float, newest: float, command: str) -> Iterator[Bar]:
    yield _most(f"trace by id, p50, {size}", p50, "ms", command)
    yield _most(f"trace by id, p99, {size}", p99, "ms", command)
    for question in NEWEST:
        yield _most(f"{question}, {size}", newest, "ms", command)


BARS: tuple[Bar, ...] = (
    _least("durable and searchable, sustained, compiled", 150_000, "spans/s", INGEST),
    _least("durable and searchable, sustained, interpreted", 30_000, "spans/s", INGEST),
    _most("CPU per million spans, all processes", 12, "s", PEERS),
    _most("the same beside Jaeger on badger", 0.1, "×", PEERS),
    _most("the same beside Jaeger in memory (stretch)", 1, "×", PEERS),
    _least("JSON ingest", 40_000, "spans/s", INGEST),
    _least("logs", 200_000, "records/s", INGEST),
    _most("on disk per span", 38, "bytes", STORE),
    *_reading("2 million spans", 4, 12, 15, STORE),
    *_reading("10 million spans", 8, 20, 40, LARGE),
    _most("two-attribute filter over all time, 10 million spans", 60, "ms", LARGE),
    _most("rare log phrase, 10 million records", 120, "ms", LARGE),
    _most("service page, last hour at 5,000 spans/s", 80, "ms", LARGE),
    _most("while ingesting at half capacity, worst of the queries beside its bar", 3, "×", LARGE),
    _most("visible after the acknowledgement, p50", 200, "ms", INGEST),
    _most("visible after the acknowledgement, p99", 1_000, "ms", INGEST),
    _most("memory at 5,000 spans/s, collector in all", 400, "MB", INGEST),
    _most("memory at full speed, collector in all", 1_000, "MB", INGEST),
    _most("start with a 5 GB store", 3, "s", LARGE),
    _most("cost of ingest per span, 50 million beside 1 million", 1.1, "×", HUGE),
    _most("trace by id, p50, 50 million beside 1 million", 2, "×", HUGE),
)
_BY_NAME = {bar.name: bar for bar in BARS}


def figure(value: float, unit: str) -> str:
    """Three digits that mean something."""
    digits = 0 if abs(value) >= 100 or value == int(value) else 1 if abs(value) >= 10 else 2
    return f"{value:,.{digits}f}{'' if unit == '×' else ' '}{unit}"


def verdict(bar: Bar, measured: Measured) -> tuple[str, str]:
    """What was measured, and whether that is enough, in words."""
    text = figure(measured.value, bar.unit) + (f" ({measured.note})" if measured.note else "")
    return text, "yes" if bar.is_met(measured.value) else "**no**"


def report(measured: Mapping[str, Measured]) -> str:
    """The same rows for a terminal. Raises KeyError on a name that is no bar's."""
    lines = []
    for name, value in measured.items():
        text, met = verdict(_BY_NAME[name], value)
        lines.append(f"{name:75} bar {_BY_NAME[name].asked:18} {text:28} {met.strip('*')}")
    return "\n".join(lines)


def record(
    measured: Mapping[str, Measured],
    jaeger: Mapping[str, tuple[str, str]] | None = None,
    page: Path = PAGE,
) -> None:
    """Fills in these rows of the page. `jaeger` are a peer's figures, in memory and on badger. Raises KeyError on a
    name that is no bar's."""
    unknown = {*measured, *(jaeger or {})} - set(_BY_NAME)
    if unknown:
        raise KeyError(f"{sorted(unknown)} are no bars: see BARS in tests/bench/bars.py")
    text = page.read_text()
    rows = rows_of(text)
    for name, value in measured.items():
        rows[name][2:4] = verdict(_BY_NAME[name], value)
    for name, both in (jaeger or {}).items():
        rows[name][4:6] = both
    lines = [
        HEAD,
        "|" + "---|" * HEAD[1:].count("|"),
        *("| " + " | ".join(row) + " |" for row in rows.values()),
    ]
    page.write_text(between(text, BEGIN, END, "\n".join(lines)))


def rows_of(text: str) -> dict[str, list[str]]:
    """The rows of the page's table by name, one for each bar; what the page does not have is not measured."""
    _, _, rest = text.partition(BEGIN)
    block, _, _ = rest.partition(END)
    cells = [[cell.strip() for cell in line.strip("|").split("|")] for line in block.strip().splitlines()]
    old = {row[0]: row for row in cells if len(row) == len(HEAD.split("|")) - 2}
    rows = {}
    for bar in BARS:
        kept = old.get(bar.name, ["", "", NOT_MEASURED, NOTHING, NOTHING, NOTHING, ""])
        rows[bar.name] = [bar.name, bar.asked, *kept[2:6], bar.command]
    return rows


def between(text: str, begin: str, end: str, content: str) -> str:
    """The text with what stands between two marks replaced. Raises ValueError when a mark is not there."""
    head, found, rest = text.partition(begin)
    _, closed, tail = rest.partition(end)
    if not found or not closed:
        raise ValueError(f"docs/performance.md has no block from {begin} to {end}: put both lines back")
    return f"{head}{begin}\n\n{content.strip()}\n\n{end}{tail}"


def write_block(name: str, content: str, page: Path = PAGE) -> None:
    """A program's own block, `<!-- figures of NAME -->`, with all that it wants to say beyond the bars."""
    text = page.read_text()
    begin, end = f"<!-- figures of {name} -->", f"<!-- end of figures of {name} -->"
    page.write_text(between(text, begin, end, content))


def machine() -> str:
    """What a figure depends on, in one line."""
    cores, (load, _, _) = os.cpu_count() or 1, os.getloadavg()
    shared = f", shared with other work (load average {load:.0f})" if load > 4 * cores else ""
    return (
        f"{cores} cores, {platform.system()} {platform.machine()}, Python {platform.python_version()}{shared}"
    )
