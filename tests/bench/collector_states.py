"""What a collector that is unwell costs an app: the time of its requests and of its end in each state, beside the same
app without an agent in the same round. `--write` puts the table into docs/agent-performance.md.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from tests.bench.bars import write_block
from tests.support.agent import APPS, TRACESTITCH, environment, fake_receiver, free_port
from tests.support.collector_states import STATES, State, serving

PAGE = Path(__file__).resolve().parents[2] / "docs" / "agent-performance.md"
HEAD = (
    "| the collector | p50 of a request | beside bare | exit | beside bare | memory grown | failed requests |"
)
# So many requests in four bursts, with pauses in which the agent sends, or tries to.
WORDS = ("2000", "0.5")


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    p50_us: float
    exit_s: float
    grown_kib: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Pair:
    bare: Run
    observed: Run


@contextlib.contextmanager
def well(port: int) -> Iterator[None]:
    with fake_receiver(port):
        yield


def run(launcher: Sequence[str], environ: Mapping[str, str]) -> Run:
    """The app closes its output before it leaves: from then to its end is the exit, the interpreter's own included."""
    process = subprocess.Popen(
        [*launcher, "python", "unwell.py", *WORDS],
        cwd=APPS,
        env=dict(environ),
        stdin=subprocess.DEVNULL,
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,
        text=True,
    )
    assert process.stdout is not None
    told = json.loads(process.stdout.readline())
    process.stdout.read()
    left_s = time.monotonic()
    process.wait(60)
    return Run(
        p50_us=told["p50_us"],
        exit_s=time.monotonic() - left_s,
        grown_kib=told["grown_kib"],
        errors=told["errors"],
    )


def pair(state: State | None) -> Pair:
    bare = run((), environment(None))
    port = free_port()
    url = (state.url if state is not None else "http://127.0.0.1:{port}").format(port=port)
    with well(port) if state is None else serving(state.serve, port):
        return Pair(bare=bare, observed=run([*TRACESTITCH, "run"], environment(url)))


def row(name: str, pairs: Sequence[Pair]) -> str:
    p50 = statistics.median(one.observed.p50_us for one in pairs)
    ratio = statistics.median(one.observed.p50_us / one.bare.p50_us for one in pairs)
    exit_s = statistics.median(one.observed.exit_s for one in pairs)
    later_s = max(one.observed.exit_s - one.bare.exit_s for one in pairs)
    grown = max(one.observed.grown_kib for one in pairs) / 1024
    errors = sum(one.observed.errors for one in pairs)
    return f"| {name} | {p50:.0f} µs | {ratio:.2f}× | {exit_s:.2f} s | {later_s:+.2f} s | {grown:.1f} MB | {errors} |"


def table(rounds: int) -> str:
    states: Sequence[State | None] = (None, *STATES)
    pairs: dict[str, list[Pair]] = {}
    for number in range(rounds):
        for state in states:
            name = "is well" if state is None else state.name
            pairs.setdefault(name, []).append(pair(state))
            print(f"round {number + 1}, {name}", file=sys.stderr)
    bare = [one.bare for several in pairs.values() for one in several]
    p50 = statistics.median(one.p50_us for one in bare)
    exit_s = statistics.median(one.exit_s for one in bare)
    first = f"| (no agent) | {p50:.0f} µs | | {exit_s:.2f} s | | {max(one.grown_kib for one in bare) / 1024:.1f} MB | 0 |"
    return "\n".join(
        [HEAD, "|" + "---|" * 7, first, *(row(name, several) for name, several in pairs.items())]
    )


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--write", action="store_true", help="put the table into docs/agent-performance.md")
    options = parser.parse_args()
    made = table(options.rounds)
    print(made)
    if options.write:
        write_block("collector states", made, PAGE)


if __name__ == "__main__":
    main()
