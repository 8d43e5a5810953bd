"""Runs the exercise once bare, once with the agent, then once for each place where the agent can fail.

Each round is a fork of this process, which has the libraries but not the agent, or the agent but no request yet.
"""

import atexit
import faulthandler
import json
import os
import random
import runpy
import select
import signal
import sys
import tempfile
import time

ERRORS = (
    RuntimeError,
    KeyError,
    MemoryError,
    RecursionError,
    AttributeError,
    StopIteration,
    OSError,
    TypeError,
)
PATIENCE_S = 120
# Of those that pass a site, chosen anew for each: all of them would take hours.
MOST_PARTS = 3


def forked(work):
    """What `work` gives back in a child, with what it wrote to stderr; or how it ended instead."""
    reading, writing = os.pipe()
    with tempfile.TemporaryFile() as errors:
        child = os.fork()
        if child == 0:
            os.close(reading)
            os.dup2(errors.fileno(), 2)
            faulthandler.enable()
            faulthandler.dump_traceback_later(PATIENCE_S - 5)
            code = 1
            try:
                found = work()
                atexit._run_exitfuncs()
                os.write(writing, b"\n")
                with os.fdopen(writing, "wb", closefd=False) as out:
                    out.write(json.dumps(found).encode())
                code = 0
            except BaseException:
                import traceback

                traceback.print_exc()
            finally:
                sys.stderr.flush()
                os._exit(code)
        os.close(writing)
        data, ended = read_all(reading)
        os.close(reading)
        if not ended:
            os.kill(child, signal.SIGKILL)
        _, status = os.waitpid(child, 0)
        errors.seek(0)
        said = errors.read().decode(errors="replace")
    if not ended:
        return {"died": f"hung; {said}"}
    if status:
        return {"died": f"status {status}; {said}"}
    return {"found": json.loads(data), "said": said}


def read_all(reading):
    data, deadline = b"", time.monotonic() + PATIENCE_S
    while time.monotonic() < deadline:
        ready, _, _ = select.select([reading], [], [], deadline - time.monotonic())
        part = os.read(reading, 1 << 20) if ready else b""
        if ready and not part:
            return data, True
        data += part
    return data, False


class Rounds:
    def __init__(self):
        from tests.support.sites import Switchboard, SwitchedCode

        self.code, self.board = SwitchedCode(), Switchboard()
        import exercise

        self.exercise = exercise
        self.code.install(self.board)

    def start(self):
        runpy.run_path(str(self.code.folder / "launch" / "sitecustomize.py"))

    def bare(self):
        return forked(self.exercise.outcome)

    def recorded(self, names):
        """With the agent and no fault: the outcome, and which sites are passed at the start and by these parts."""

        def work():
            import builtins

            builtins.__site__ = self.board.record
            self.start()
            starting = sorted(self.board.passed)
            self.board.passed.clear()
            found = self.exercise.outcome(names)
            atexit._run_exitfuncs()
            return [found, starting, sorted(self.board.passed)]

        return forked(work)

    def failing(self, site, error, once):
        def arm():
            self.board.armed, self.board.error, self.board.once = site, error, once

        return arm

    def at_start(self, site, error, once, names):
        def work():
            self.failing(site, error, once)()
            self.start()
            return [self.exercise.outcome(names), self.board.fired]

        return forked(work)

    def in_request(self, site, error, once, names):
        def work():
            self.failing(site, error, once)()
            return [self.exercise.outcome(names), self.board.fired]

        return forked(work)

    def broken_import(self, name, error):
        def work():
            self.code.broken, self.code.error = name, error
            self.start()
            return [self.exercise.outcome(), 1]

        return forked(work)


def verdict(what, bare, round_):
    """None, or what the app would have noticed."""
    if "died" in round_:
        return f"{what}: {round_['died'][-1500:]}"
    found, _ = round_["found"]
    if "Traceback" in round_["said"] or "Exception ignored" in round_["said"]:
        return f"{what}: it wrote {round_['said'][-1500:]}"
    for name, part in found.items():
        if part != bare[name]:
            return f"{what}, in {name}: {difference(bare[name], part)}"[:1500]
    return None


def difference(bare, part):
    for one, other in zip(bare["answers"], part["answers"], strict=False):
        if one != other:
            return f"{one} became {other}"
    gone = [line for line in bare["log"] if line not in part["log"]]
    new = [line for line in part["log"] if line not in bare["log"]]
    return f"the log lacks {gone} and has {new} or another order"


def main():
    """The words: a seed, how many sites (0: all), of which modules, and which share of them, as `0/4`."""
    seed, count = int(sys.argv[1]), int(sys.argv[2])
    modules = [name for name in sys.argv[3].split(",") if name]
    rounds = Rounds()
    rounds.exercise.prepare()
    bare = rounds.bare()
    assert "found" in bare, bare
    bare = bare["found"]
    leaks, starting, passing = [], set(), {}
    for part in rounds.exercise.PARTS:
        round_ = rounds.recorded([part])
        assert "found" in round_, round_
        found, at_start, passed = round_["found"]
        leaks.append(verdict("no fault at all", bare, {"found": [found, 0], "said": round_["said"]}))
        starting.update(at_start)
        for site in passed:
            passing.setdefault(site, []).append(part)
    sites = rounds.code.sites
    jobs = [(True, site) for site in sorted(starting)] + [(False, site) for site in sorted(passing)]
    jobs = [job for job in jobs if not modules or sites[job[1]].module in modules]
    chance = random.Random(seed)
    chance.shuffle(jobs)
    share, shares = map(int, sys.argv[4].split("/"))
    jobs = sorted(jobs[: count or None][share::shares], reverse=True)
    fired = began = False
    counts = {"sites": len(sites), "start": len(starting), "requests": len(passing), "run": 0, "fired": 0}
    for at_start, site in jobs:
        if not at_start and not began:
            began = True
            rounds.start()
        for once in (False, True) if not count else (chance.random() < 0.5,):
            error = ERRORS[(site + once) % len(ERRORS)]
            play = rounds.at_start if at_start else rounds.in_request
            may = list(rounds.exercise.PARTS) if at_start else passing[site]
            # What is raised once is met by whoever comes first.
            parts = chance.sample(may, min(len(may), 1 if once and not at_start else MOST_PARTS))
            parts.sort(
                key=list(rounds.exercise.PARTS).index
            )  # the worker changes what the root logger lets through
            round_ = play(site, error, once, parts)
            counts["run"] += 1
            fired = round_.get("found", [None, 1])[1]
            counts["fired"] += bool(fired)
            name = f"{error.__name__} {'once' if once else 'always'} at {sites[site]}"
            leaks.append(verdict(name, bare, round_))
            if leaks[-1]:
                print(leaks[-1], file=sys.stderr, flush=True)
    print(json.dumps({**counts, "leaks": [leak for leak in leaks if leak]}))


def imports():
    rounds = Rounds()
    rounds.exercise.prepare()
    bare = rounds.bare()["found"]
    leaks, names = [], sorted(rounds.code.codes)
    chance = random.Random(int(sys.argv[2]))
    chance.shuffle(names)
    names = names[: int(sys.argv[3]) or None]
    for number, name in enumerate(names):
        error = (ImportError, SyntaxError, MemoryError, KeyError)[number % 4]
        leaks.append(verdict(f"{error.__name__} importing {name}", bare, rounds.broken_import(name, error)))
    print(json.dumps({"modules": len(names), "leaks": [leak for leak in leaks if leak]}))


if __name__ == "__main__":
    if sys.argv[1] == "imports":
        imports()
    else:
        main()
