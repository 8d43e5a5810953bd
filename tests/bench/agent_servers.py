"""What each agent costs under gunicorn: `make bench-agent`, with `--write` into docs/agent-performance.md.

One sync worker for each agent, all alive at once and asked in turn, in rounds of random order, so that a noisy machine
disturbs all alike; each figure is the median of the rounds' ratios to the bare app, but for p99, which is that of all
requests of all rounds: of one round it is but the third slowest. CPU is that of the worker, all threads. Load and sink are processes of their own and not counted.
"""

import argparse
import contextlib
import json
import os
import random
import re
import signal
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.bench.agents import BARE, OTHERS, OURS, VARIANTS, Agent, available
from tests.bench.load import ask
from tests.support.agent import REPOSITORY, environment, free_port

HERE = Path(__file__).parent
PAGE = REPOSITORY / "docs" / "agent-performance.md"
SHAPES = {
    "django": "Django, 3 queries and 2 log lines",
    "flask": "Flask, 2 SQLAlchemy queries and 2 log lines",
}
WARM_UP = 200
REQUEST = b"GET /items/?page=2 HTTP/1.1\r\nHost: 127.0.0.1\r\nConnection: close\r\n\r\n"
PATIENCE_S = 90.0


@dataclass(frozen=True, slots=True, kw_only=True)
class Round:
    """A worker's cost of a request, in microseconds."""

    cpu: float
    # In order.
    times: tuple[float, ...]

    @property
    def p50(self) -> float:
        return self.times[len(self.times) // 2]


@dataclass(slots=True, kw_only=True)
class Costs:
    """What was measured of one agent with one framework."""

    rounds: list[Round] = field(default_factory=list)
    start_s: list[float] = field(default_factory=list)
    exit_s: list[float] = field(default_factory=list)
    memory_mb: float = 0.0


class Served:
    """A gunicorn with one worker."""

    def __init__(self, process: subprocess.Popen[bytes], port: int) -> None:
        self.process = process
        self.port = port
        deadline = time.monotonic() + PATIENCE_S
        while not self._answers():
            if process.poll() is not None or time.monotonic() > deadline:
                raise RuntimeError(f"{process.args!r} does not serve")
            time.sleep(0.05)
        self.start_s = sum(map(cpu_s, [process.pid, *children(process.pid)]))
        # Some agents have a process beside the worker.
        self.workers = children(process.pid)

    def _answers(self) -> bool:
        try:
            ask(self.port, REQUEST)
        except OSError:
            return False
        return True

    def round(self, count: int, clients: int) -> Round:
        before = sum(map(cpu_s, self.workers))
        command = (
            sys.executable,
            str(HERE / "load.py"),
            str(self.port),
            "/items/?page=2",
            str(count),
            str(clients),
        )
        done = subprocess.run(command, capture_output=True, text=True, check=True)
        time.sleep(0.25)  # what is still queued is part of the cost
        spent = sum(map(cpu_s, self.workers)) - before
        times = sorted(json.loads(done.stdout))
        return Round(cpu=spent / count * 1e6, times=tuple(times))

    def memory_mb(self) -> float:
        status = [Path(f"/proc/{worker}/status").read_text() for worker in self.workers]
        return sum(int(re.findall(r"VmRSS:\s+(\d+)", one)[0]) for one in status) / 1024

    def stop(self) -> float:
        start = time.monotonic()
        self.process.send_signal(signal.SIGTERM)
        try:
            self.process.wait(PATIENCE_S)
        except subprocess.TimeoutExpired:
            self.process.kill()
            self.process.wait()
        return time.monotonic() - start


def cpu_s(process: int) -> float:
    """Of all threads that live."""
    total = 0
    for task in os.listdir(f"/proc/{process}/task"):
        with contextlib.suppress(OSError):
            total += int(Path(f"/proc/{process}/task/{task}/schedstat").read_text().split()[0])
    return total / 1e9


def children(process: int) -> list[int]:
    return [int(child) for child in Path(f"/proc/{process}/task/{process}/children").read_text().split()]


@contextlib.contextmanager
def served(agent: Agent, framework: str, database: Path, sink: int) -> Iterator[Served]:
    port = free_port()
    command = agent.command(
        "gunicorn",
        "--bind",
        f"127.0.0.1:{port}",
        "--no-control-socket",
        f"overhead_app:{framework}_app('{database}')",
    )
    settings = {
        "DJANGO_SETTINGS_MODULE": "overhead_app",
        "OVERHEAD_DATABASE": str(database),
        "PYTHONPATH": str(HERE),
        "PYTHONHASHSEED": "0",
    }
    environ = environment(None, **settings, **agent.environment_for(sink))
    environ["PATH"] = os.pathsep.join([str(agent.programs), environ["PATH"]])
    with database.with_suffix(".log").open("wb") as output:
        process = subprocess.Popen(command, env=environ, cwd=database.parent, stdout=output, stderr=output)
        try:
            yield Served(process, port)
        finally:
            if process.poll() is None:
                process.send_signal(signal.SIGTERM)
                try:
                    process.wait(10)
                except subprocess.TimeoutExpired:
                    for one in [*children(process.pid), process.pid]:
                        os.kill(one, signal.SIGKILL)
                    process.wait()


@contextlib.contextmanager
def sink() -> Iterator[int]:
    process = subprocess.Popen([sys.executable, str(HERE / "sink.py")], stdout=subprocess.PIPE, text=True)
    with process:
        assert process.stdout is not None
        yield int(process.stdout.readline())
        process.kill()


def compare(
    framework: str, agents: Sequence[Agent], rounds: int, count: int, clients: int
) -> dict[str, Costs]:
    costs = {agent.name: Costs() for agent in agents}
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        address = stack.enter_context(sink())
        sides = {
            agent.name: stack.enter_context(served(agent, framework, folder / f"{number}.db", address))
            for number, agent in enumerate(agents)
        }
        for one in sides.values():
            one.round(WARM_UP, clients)
        for _ in range(rounds):
            for name in random.sample(list(sides), len(sides)):
                costs[name].rounds.append(sides[name].round(count, clients))
        for name, one in sides.items():
            costs[name].memory_mb = one.memory_mb()
    return costs


def start_and_end(framework: str, agents: Sequence[Agent], costs: Mapping[str, Costs], times: int) -> None:
    """CPU until the first answer, of master and worker; seconds from SIGTERM to the end while nothing listens where
    the agent sends to."""
    with tempfile.TemporaryDirectory() as folder:
        for number in range(times):
            for agent in random.sample(agents, len(agents)):
                path = Path(folder) / f"{number}-{agents.index(agent)}.db"
                with served(agent, framework, path, free_port()) as one:
                    costs[agent.name].start_s.append(one.start_s)
                    one.round(100, 2)
                    costs[agent.name].exit_s.append(one.stop())


def p99(costs: Costs) -> float:
    """Of all requests of all rounds."""
    times = sorted(time for one in costs.rounds for time in one.times)
    return times[int(len(times) * 0.99)]


def rows(costs: Mapping[str, Costs]) -> Iterator[str]:
    bare = costs[BARE.name]
    for name, one in costs.items():

        def ratio(read: Callable[[Round], float], one: Costs = one) -> float:
            return statistics.median(
                read(mine) / read(theirs) for mine, theirs in zip(one.rounds, bare.rounds, strict=True)
            )

        cpu = statistics.median(mine.cpu for mine in one.rounds)
        added = statistics.median(
            mine.cpu - theirs.cpu for mine, theirs in zip(one.rounds, bare.rounds, strict=True)
        )
        if one is bare:
            start, end = statistics.median(one.start_s), statistics.median(one.exit_s)
            yield (
                f"| {name} | {cpu:,.0f} µs | | {statistics.median(mine.p50 for mine in one.rounds):,.0f} µs "
                f"| {p99(one):,.0f} µs "
                f"| {start:.2f} s | {one.memory_mb:.0f} MB | {end:.1f} s |"
            )
            continue
        start = statistics.median(one.start_s) - statistics.median(bare.start_s)
        end = statistics.median(one.exit_s) - statistics.median(bare.exit_s)
        yield (
            f"| {name} | {ratio(lambda of: of.cpu):.2f}× | {added:+,.0f} µs | {ratio(lambda of: of.p50):.2f}× "
            f"| {p99(one) / p99(bare):.2f}× | {start:+.2f} s | {one.memory_mb - bare.memory_mb:+.0f} MB | {end:+.1f} s |"
        )


def table(framework: str, costs: Mapping[str, Costs]) -> str:
    head = "| | CPU | added | p50 | p99 | start-up | memory | exit, no collector |\n|---|---|---|---|---|---|---|---|"
    return f"### {SHAPES[framework]}\n\n" + "\n".join([head, *rows(costs)]) + "\n"


def write(tables: Sequence[str]) -> None:
    page = PAGE.read_text()
    start, end = "<!-- figures: made by `make bench-agent` -->\n", "<!-- end of figures -->"
    before, after = page.partition(start)[0], page.partition(end)[2]
    PAGE.write_text(before + start + "\n" + "\n".join(tables) + "\n" + end + after)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--write", action="store_true", help="put the tables into docs/agent-performance.md")
    parser.add_argument("--rounds", type=int, default=9)
    parser.add_argument("--requests", type=int, default=300, help="of each agent in each round")
    parser.add_argument(
        "--clients", type=int, default=2, help="that ask at once; with one, nobody stands in line"
    )
    parser.add_argument("--only", action="append", help="of this agent's rows those that are called so")
    parser.add_argument("--starts", type=int, default=3)
    parser.add_argument("--ours", action="store_true", help="only the bare app and this agent")
    parser.add_argument("--framework", choices=tuple(SHAPES), action="append")
    options = parser.parse_args()
    agents = available((BARE, OURS, *VARIANTS, *(() if options.ours else OTHERS)))
    if options.only:
        agents = [one for one in agents if one is BARE or one.name in options.only]
    tables = []
    for framework in options.framework or SHAPES:
        costs = compare(framework, agents, options.rounds, options.requests, options.clients)
        start_and_end(framework, agents, costs, options.starts)
        tables.append(table(framework, costs))
        print(tables[-1], flush=True)
    if options.write:
        write(tables)


if __name__ == "__main__":
    main()
