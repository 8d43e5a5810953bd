"""`python -m tracestitch_demo.run`: opens the shop under Tracestitch, sends it customers and says where to look;
with `--once` one bounded round that verifies what arrived and exits 0 or 1.
"""

from __future__ import annotations

import argparse
import os
import signal
import sys
import time
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from tracestitch_demo import load, opening, pitfalls, shop, verification
from tracestitch_demo.collector import Collector, NotAnsweredError
from tracestitch_demo.opening import Place
from tracestitch_demo.processes import DemoError, Processes
from tracestitch_demo.screen import Screen
from tracestitch_demo.shop import Shop
from tracestitch_demo.verification import Row

ROUNDS = 30
SHOP_PORT = 8801
ARRIVED_WITHIN_S = 120
GENTLE_PAUSE_S = 0.5
PRICING_PYTHON = ".venv-pricing/bin/python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Options:
    once: bool
    bare: bool
    place: Place
    rounds: int
    elsewhere: Collector | None
    """A Tracestitch that runs already, for which the demo starts none."""


def main(arguments: Sequence[str] | None = None) -> int:
    options = _options(arguments)
    screen = Screen()
    signal.signal(signal.SIGTERM, signal.default_int_handler)  # as Ctrl-C
    try:
        with opening.reserved(options.place), Processes(options.place.data / "log") as processes:
            return _run(options, processes, screen)
    except DemoError as failure:
        screen.say(f"\n{failure}")
        return 1
    except KeyboardInterrupt:
        screen.say("\nThe shop is closed.")
        return 0


def _options(arguments: Sequence[str] | None) -> Options:
    parser = argparse.ArgumentParser(prog="python -m tracestitch_demo.run", description=__doc__)
    parser.add_argument("--once", action="store_true", help="one bounded round, verified; exit 0 or 1")
    parser.add_argument("--bare", action="store_true", help="the shop alone, without agent and collector")
    parser.add_argument("--data", type=Path, default=Path(".demo"), help="where everything is kept (.demo)")
    parser.add_argument(
        "--port-base",
        type=int,
        default=SHOP_PORT,
        help=f"first port of the shop ({SHOP_PORT}); 0 takes free ones, also for collector and dashboard",
    )
    parser.add_argument(
        "--pricing-python",
        default=PRICING_PYTHON,
        help=f"the interpreter of pricing's own environment ({PRICING_PYTHON}); see stack/demo/README.md",
    )
    parser.add_argument("--rounds", type=int, default=ROUNDS, help=f"requests of each kind ({ROUNDS})")
    parser.add_argument("--endpoint", help="a collector that runs already; with --dashboard")
    parser.add_argument("--dashboard", help="its dashboard; TRACESTITCH_TOKEN is the token of both")
    found = parser.parse_args(arguments)
    if bool(found.endpoint) != bool(found.dashboard):
        parser.error("--endpoint and --dashboard are given together")
    return Options(
        once=found.once,
        bare=found.bare,
        place=Place(
            data=found.data.absolute(), port_base=found.port_base, pricing_python=found.pricing_python
        ),
        rounds=found.rounds,
        elsewhere=found.endpoint
        and Collector(
            endpoint=found.endpoint,
            dashboard=found.dashboard.rstrip("/"),
            token=os.environ.get("TRACESTITCH_TOKEN", ""),
        ),
    )


def _run(options: Options, processes: Processes, screen: Screen) -> int:
    if options.bare:
        screen.say("Opening the shop …")
        return _bare_round(options, opening.open_shop(options.place, processes, None, screen.say), screen)
    began = time.monotonic()
    running = options.elsewhere
    if running is None:
        screen.say("Starting Tracestitch …")
        running = opening.start_tracestitch(options.place, processes)
    screen.say("Opening the shop …")
    opened = opening.open_shop(options.place, processes, running, screen.say)
    first = opening.first_trace(opened, running, processes)
    screen.say(f"  The first checkout is stitched, {time.monotonic() - began:.0f} s after the start:")
    screen.say(f"  {running.dashboard}/traces/{first}")
    screen.say(f"Sending {options.rounds} requests of each of {len(load.ROUTES)} kinds …")
    if options.once:
        return _verified_round(options, opened, running, screen)
    return _until_interrupted(options, opened, processes, running, screen)


def _bare_round(options: Options, opened: Shop, screen: Screen) -> int:
    tally = load.drive(opened.urls, options.rounds, screen.progress)
    deadline = time.monotonic() + ARRIVED_WITHIN_S
    while True:
        written, ordered = shop.receipts(options.place.data / "shop")
        if written == ordered or time.monotonic() > deadline:
            break
        time.sleep(0.2)
    receipts = Row(
        outcome="ok" if 0 < written == ordered else "missing",
        what="the worker wrote every receipt",
        found=f"{written} of {ordered}",
    )
    rows = [_answers(tally), receipts]
    screen.table(rows)
    return _exit_code(rows)


def _verified_round(options: Options, opened: Shop, running: Collector, screen: Screen) -> int:
    tally = load.drive(opened.urls, options.rounds, screen.progress)
    screen.say("Waiting for everything to arrive and to be checked …")
    deadline = time.monotonic() + ARRIVED_WITHIN_S
    while True:
        late = time.monotonic() > deadline
        try:
            rows = [_answers(tally), *_judge(opened, running)]
        except NotAnsweredError:
            if late:
                raise
        else:
            if late or not _exit_code(rows):
                break
        time.sleep(1)
    screen.table(rows)
    return _exit_code(rows)


def _judge(opened: Shop, running: Collector) -> list[Row]:
    checkouts = running.checkouts()
    trace = running.trace(checkouts[0]["trace_id"]) if checkouts else {}
    expected = verification.expectations(pitfalls.seeded())
    findings = running.findings()
    skipped = {} if opened.pricing_of_its_own else {pitfalls.DEPENDENCY_DRIFT: "pricing runs with the others"}
    return [
        *verification.judge_checkout(trace),
        *verification.judge_findings(findings, expected, skipped=skipped),
        *verification.judge_silence(findings, expected, load.ROUTES),
    ]


def _answers(tally: load.Tally) -> Row:
    unexpected = "; ".join(f"{count} × {what}" for what, count in sorted(tally.unexpected.items()))
    return Row(
        outcome="missing" if unexpected else "ok",
        what="every request answered as it should be",
        found=unexpected or f"{tally.sent} requests",
    )


def _exit_code(rows: Sequence[Row]) -> int:
    return 1 if any(row.outcome == "missing" for row in rows) else 0


def _until_interrupted(
    options: Options, opened: Shop, processes: Processes, running: Collector, screen: Screen
) -> int:
    load.drive(opened.urls, options.rounds, screen.progress)
    _say_where_to_look(running, screen)
    for route, number in load.endless():
        processes.check()
        load.send(route, number, opened.urls)
        time.sleep(GENTLE_PAUSE_S)
    raise AssertionError("endless traffic has ended")


def _say_where_to_look(running: Collector, screen: Screen) -> None:
    checkouts = running.checkouts()
    screen.say()
    screen.say(f"  Overview             {running.dashboard}/")
    if checkouts:
        telling = max(checkouts, key=lambda trace: int(trace.get("findings", 0)))
        screen.say(f"  One checkout         {running.dashboard}/traces/{telling['trace_id']}")
    screen.say(f"  Pitfalls found       {running.dashboard}/findings")
    screen.say()
    screen.say("Customers keep coming. Ctrl-C closes the shop.")


if __name__ == "__main__":
    sys.exit(main())
