"""What the agent costs: CPU time of the same requests with and without it, in interleaved rounds, so that a noisy
machine disturbs both alike. `python -m tests.bench.agent_overhead` prints the ratios."""

import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

from tests.support.agent import TRACESTITCH, environment, fake_receiver

APP = Path(__file__).with_name("overhead_app.py")
ROUNDS, REQUESTS, WARM_UP = 9, 300, 300


class Side:
    """One of the two processes that are compared."""

    def __init__(self, process: subprocess.Popen[str]) -> None:
        self._process = process

    def serve(self, count: int) -> float:
        """The CPU seconds of so many requests."""
        assert self._process.stdin is not None
        assert self._process.stdout is not None
        self._process.stdin.write(f"{count}\n")
        self._process.stdin.flush()
        return float(self._process.stdout.readline())


@contextlib.contextmanager
def side(framework: str, folder: Path, endpoint: str | None) -> Iterator[Side]:
    launcher = (*TRACESTITCH, "run", "--service", "overhead") if endpoint else ()
    database = folder / f"{framework}-{'agent' if endpoint else 'bare'}.db"
    process = subprocess.Popen(
        (*launcher, sys.executable, str(APP), framework, str(database)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(endpoint),
    )
    with process:
        yield Side(process)
        assert process.stdin is not None
        process.stdin.close()
    assert process.returncode == 0


def compare(framework: str) -> tuple[float, float]:
    """(ratio of CPU time with the agent to that without, microseconds that it adds to a request)."""
    with tempfile.TemporaryDirectory() as name, fake_receiver() as receiver:
        # Only the app is measured: the receiver answers without looking.
        receiver.answer = lambda path: (200, {"content-type": "application/x-protobuf"}, b"")
        with side(framework, Path(name), None) as bare, side(framework, Path(name), receiver.url) as observed:
            for one in (bare, observed):
                one.serve(WARM_UP)
            rounds = [measure(bare, observed) for _ in range(ROUNDS)]
    ratio = statistics.median(with_agent / without for without, with_agent in rounds)
    added_s = statistics.median(with_agent - without for without, with_agent in rounds)
    return ratio, added_s / REQUESTS * 1e6


def measure(bare: Side, observed: Side) -> tuple[float, float]:
    if random.random() < 0.5:
        without = bare.serve(REQUESTS)
        return without, observed.serve(REQUESTS)
    with_agent = observed.serve(REQUESTS)
    return bare.serve(REQUESTS), with_agent


def main() -> None:
    for framework, shape in (("django", "3 queries, 2 logs"), ("flask", "2 SQLAlchemy queries, 2 logs")):
        ratio, added_us = compare(framework)
        print(f"{framework} ({shape}): CPU ratio {ratio:.2f}, {added_us:.0f} µs added to a request")


if __name__ == "__main__":
    main()
