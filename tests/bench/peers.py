"""`make bench-peers`: Jaeger in memory, Jaeger on badger and Tracestitch, fed with one payload and asked the same
questions in one run. `python -m tests.bench.peers build` builds Jaeger first.

Each round takes them in turn, in another order, each on an empty folder; the figures are medians of the rounds. A round
is left out when there would be no time for it. CPU seconds can be trusted on a machine that others use, rates and
waits only beside each other.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
import time
from pathlib import Path

from tests.bench import bars, peers_table
from tests.bench.ingest_bars import is_compiled
from tests.bench.peers_build import JAEGER, build, missing
from tests.bench.peers_load import Generator
from tests.bench.peers_payload import Payload
from tests.bench.peers_round import Outcome, Round
from tests.bench.peers_targets import BADGER, MEMORY, NAMES, OURS, Target

PAGE = (
    "Jaeger's API answers a search with whole traces, and above ours does the same: it reads twenty of them. Our own pages "
    "ask for summaries, with what was found on each trace; these are their waits for the same searches:"
)
SHORT = {"memory": MEMORY, "badger": BADGER, "ours": OURS}


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("action", nargs="?", choices=("run", "build"), default="run")
    parser.add_argument("--only", choices=SHORT, action="append", help="leave the others out; repeatable")
    parser.add_argument("--spans", type=int, default=131_072, help="of the payload")
    parser.add_argument("--copies", type=int, default=3, help="of the payload, with ids of their own")
    parser.add_argument("--rounds", type=int, default=2)
    parser.add_argument("--minutes", type=float, default=8, help="no further round when it would last longer")
    parser.add_argument(
        "--python",
        default=sys.executable,
        help="of the installation to measure, so of a wheel that was compiled",
    )
    parser.add_argument("--write", action="store_true", help="put the figures into docs/performance.md")
    return parser.parse_args()


def compare(options: argparse.Namespace) -> dict[str, list[Outcome]]:
    names = [SHORT[short] for short in options.only] if options.only else list(NAMES)
    payload = Payload(options.spans)
    print(
        f"payload: {payload.spans:,} spans × {options.copies}, {payload.bytes / payload.spans:.0f} bytes each, "
        f"{payload.spans / payload.traces:.1f} a trace, {len(payload.requests)} requests"
    )
    generator = Generator(payload)
    outcomes: dict[str, list[Outcome]] = {name: [] for name in names}
    begin = time.monotonic()
    for number in range(options.rounds):
        if (time.monotonic() - begin) * (number + 1) / max(number, 1) > options.minutes * 60:
            print(f"no time for round {number + 1}")
            break
        for name in names[:: 1 if number % 2 else -1]:
            began = time.monotonic()
            with tempfile.TemporaryDirectory() as folder:
                target = Target(name=name, folder=Path(folder), jaeger=JAEGER, python=options.python)
                outcomes[name].append(Round(payload, generator, options.copies, number).run(target))
            used = sum(outcomes[name][-1].fed.cpu_s.values())
            print(
                f"round {number + 1}, {name}: {used:.1f} CPU s per million, {time.monotonic() - began:.0f} s"
            )
    generator.close()
    return outcomes


def write(outcomes: peers_table.Outcomes, text: str, compiled: bool, page: Path = bars.PAGE) -> None:
    how = "compiled" if compiled else "interpreted"
    said = f"On {bars.machine()}, decoder {how}. {peers_table.remarks(outcomes)}"
    bars.write_block("peers", f"{said}\n\n{text}", page)
    bars.record(peers_table.bars(outcomes), peers_table.jaeger(outcomes), page)


def main() -> int:
    options = arguments()
    without = build() if options.action == "build" else missing() if options.only != ["ours"] else ""
    if without:
        print(without, file=sys.stderr)
        return 1
    if options.action == "build":
        print("Jaeger is built")
        return 0
    outcomes = compare(options)
    text = f"{peers_table.table(outcomes)}\n\n{PAGE}\n\n{peers_table.page_table(outcomes)}"
    print(f"\n{text}\n\n{peers_table.remarks(outcomes)}\n\n{bars.report(peers_table.bars(outcomes))}")
    if options.write and options.only:
        print("not written: a comparison needs all of them", file=sys.stderr)
        return 1
    if options.write:
        write(outcomes, text, is_compiled(options.python))
    return 0


if __name__ == "__main__":
    sys.exit(main())
