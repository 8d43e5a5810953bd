"""Which figure of the ingest bench program belongs to which bar."""

from __future__ import annotations

import statistics
import subprocess
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass

from tests.bench.bars import Measured, machine, write_block

SUSTAINED_S = 300
MODEST_RATE = 5_000
IS_COMPILED = "import tracestitch_collector.decode.wire as wire; print(wire.__file__.endswith('.so'))"


@dataclass(frozen=True, slots=True, kw_only=True)
class Figures:
    """What one run of the program found."""

    compiled: bool
    per_second: float
    """Spans that were stored flat out."""
    seconds: float
    """How long that lasted."""
    rate: float
    """Of the steady run."""
    visible_s: Sequence[float]
    steady_bytes: int
    highest_bytes: int
    others_per_second: Mapping[str, float]
    """Of the other kinds, by name."""
    cpu_s: Mapping[str, float]
    """Seconds per million spans of each process, flat out."""
    bytes_each: float
    """Of a span, in the store."""


def is_compiled(python: str) -> bool:
    done = subprocess.run([python, "-c", IS_COMPILED], capture_output=True, text=True, check=True)
    return done.stdout.strip() == "True"


def write(figures: Figures) -> None:
    """What the bars leave out, for the page."""
    if not figures.compiled:
        return
    shares = ", ".join(f"{name} {cpu_s:.2f}" for name, cpu_s in figures.cpu_s.items())
    write_block(
        "ingest",
        f"On {machine()}, decoder compiled, spans of another generator than above (16 a trace, much alike: "
        f"{figures.bytes_each:.0f} bytes each on disk): flat out for {figures.seconds:.0f} s, "
        f"{figures.per_second:,.0f} spans/s were stored at {sum(figures.cpu_s.values()):.2f} CPU s per million ({shares}). "
        f"The generator ran on the same cores.",
    )


def bars(figures: Figures) -> dict[str, Measured]:
    """The rows that this run can fill in. Those of a compiled decoder are not for an interpreted one."""
    how = "compiled" if figures.compiled else "interpreted"
    short = "" if figures.seconds >= SUSTAINED_S else f"for {figures.seconds:.0f} s"
    rows = {f"durable and searchable, sustained, {how}": Measured(value=figures.per_second, note=short)}
    return rows | (dict(_compiled(figures)) if figures.compiled else {})


def _compiled(figures: Figures) -> Iterator[tuple[str, Measured]]:
    names = {"spans in JSON": "JSON ingest", "log records": "logs"}
    for name, per_second in figures.others_per_second.items():
        yield names[name], Measured(value=per_second)
    at = "" if figures.rate == MODEST_RATE else f"at {figures.rate:,.0f} spans/s"
    waits = sorted(figures.visible_s)
    yield "visible after the acknowledgement, p50", Measured(value=statistics.median(waits) * 1000, note=at)
    p99 = waits[min(int(len(waits) * 0.99), len(waits) - 1)]
    of = f"{at}, " if at else ""
    yield (
        "visible after the acknowledgement, p99",
        Measured(value=p99 * 1000, note=f"{of}{len(waits)} samples"),
    )
    yield "memory at 5,000 spans/s, collector in all", Measured(value=figures.steady_bytes / 1e6, note=at)
    yield "memory at full speed, collector in all", Measured(value=figures.highest_bytes / 1e6)
