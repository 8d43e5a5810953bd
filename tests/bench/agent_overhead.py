"""The quick form of `agent_servers`, for work on the agent: the same requests in a loop inside the process, without a
server, so that differences of a few microseconds show. `python -m tests.bench.agent_overhead` prints ratios to the
bare app, which are higher than under a server, since the bare request costs less here.
"""

import contextlib
import random
import statistics
import subprocess
import sys
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

from tests.bench.agent_servers import sink
from tests.bench.agents import BARE, OTHERS, OURS, VARIANTS, Agent, available
from tests.support.agent import TRACESTITCH, environment

APP = Path(__file__).with_name("overhead_app.py")
ROUNDS, REQUESTS, WARM_UP, STARTS = 15, 200, 300, 7


class Side:
    """One of the processes that are compared."""

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
def side(agent: Agent, framework: str, database: Path, port: int) -> Iterator[Side]:
    project = {
        "DJANGO_SETTINGS_MODULE": APP.stem,
        "OVERHEAD_DATABASE": str(database),
        "PYTHONPATH": str(APP.parent),
        # One seed for all: with others, dicts and sets differ by more than an agent that does nothing costs.
        "PYTHONHASHSEED": "0",
    }
    process = subprocess.Popen(
        agent.command("python", str(APP), framework, str(database)),
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
        env=environment(None, **project, **agent.environment_for(port)),
    )
    with process:
        yield Side(process)
        assert process.stdin is not None
        process.stdin.close()
    assert process.returncode == 0


def compare(framework: str, agents: Sequence[Agent]) -> dict[str, tuple[float, float]]:
    """By agent: (ratio of its CPU time to that of the bare app, microseconds that it adds to a request)."""
    with contextlib.ExitStack() as stack:
        folder = Path(stack.enter_context(tempfile.TemporaryDirectory()))
        port = stack.enter_context(sink())
        sides = {
            agent.name: stack.enter_context(side(agent, framework, folder / f"{number}.db", port))
            for number, agent in enumerate((BARE, *agents))
        }
        for one in sides.values():
            one.serve(WARM_UP)
        rounds = [measure(sides) for _ in range(ROUNDS)]
    return {
        agent.name: (
            statistics.median(times[agent.name] / times[BARE.name] for times in rounds),
            statistics.median(times[agent.name] - times[BARE.name] for times in rounds) / REQUESTS * 1e6,
        )
        for agent in agents
    }


def measure(sides: Mapping[str, Side]) -> dict[str, float]:
    order = random.sample(list(sides), len(sides))
    return {name: sides[name].serve(REQUESTS) for name in order}


def start_up_added() -> float:
    """Seconds that an interpreter takes longer to start with the agent in it, without the launcher's own."""
    script = "import time; print(time.process_time())"
    seconds: dict[str, list[float]] = {"bare": [], "ours": []}
    for _ in range(STARTS):
        for name, launcher in (("bare", ()), ("ours", (*TRACESTITCH, "run"))):
            done = subprocess.run(
                (*launcher, sys.executable, "-c", script),
                env=environment("http://127.0.0.1:9"),
                capture_output=True,
                text=True,
                check=True,
            )
            seconds[name].append(float(done.stdout))
    return statistics.median(seconds["ours"]) - statistics.median(seconds["bare"])


def main() -> None:
    agents = available((BARE, OURS, *VARIANTS, *(OTHERS if "--all" in sys.argv else ())))[1:]
    print(f"{'CPU per request, ratio to bare':<40}{'ratio':>8}{'added':>10}")
    for framework, shape in (("django", "3 queries, 2 logs"), ("flask", "2 SQLAlchemy queries, 2 logs")):
        print(f"{framework} ({shape})")
        for name, (ratio, added_us) in compare(framework, agents).items():
            print(f"  {name:<38}{ratio:>8.2f}{added_us:>7.0f} µs")
    print(f"{'start-up added':<40}{start_up_added():>8.2f} s")


if __name__ == "__main__":
    main()
