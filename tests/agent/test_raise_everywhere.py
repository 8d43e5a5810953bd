"""Whatever fails inside the agent, the app answers as without it: an error is raised at each call, attribute and
item that the agent's own code reads while two apps serve a round of requests.

Here a slice of the sites, another with each seed; `make test-agent-faults` takes all of them.
"""

import json
import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import APPS, REPOSITORY, environment, fake_receiver

pytestmark = pytest.mark.processes
# 0 sites: all of them, each once with a passing and once with a lasting error.
SEED, SITES = os.environ.get("FAULT_SEED", "1"), os.environ.get("FAULT_SITES", "80")
# Of these modules alone, as `redis,drivers`.
MODULES = os.environ.get("FAULT_MODULES", "")
# What costs something is off by default, and can fail all the same.
OPT_INS = {
    "TRACESTITCH_LOCALS": "1",
    "TRACESTITCH_PROFILER": "1",
    "TRACESTITCH_PROFILER_INTERVAL_MS": "2",
    "TRACESTITCH_PROFILER_THRESHOLD_MS": "10",
}
# A round waits more than it computes.
AT_ONCE = 4 if SITES == "0" else 1
LONGEST_S = 3 * 3600 if SITES == "0" else 600


def rounds(folder: Path, *arguments: str) -> dict[str, Any]:
    with fake_receiver() as receiver:
        environ = environment(
            receiver.url,
            UPSTREAM=receiver.url,
            EXERCISE_FOLDER=str(folder),
            PYTHONPATH=str(REPOSITORY),
            **OPT_INS,
        )
        done = subprocess.run(
            [sys.executable, str(APPS / "everywhere" / "rounds.py"), *arguments],
            cwd=folder,
            env=environ,
            capture_output=True,
            text=True,
            timeout=LONGEST_S,
            check=False,
        )
    assert done.returncode == 0, done.stderr[-5000:]
    sys.stderr.write(done.stderr)
    found: dict[str, Any] = json.loads(done.stdout)
    return found


@pytest.mark.timeout(LONGEST_S)
def test_an_error_anywhere_in_the_agent_changes_no_answer(tmp_path: Path) -> None:
    folders = [tmp_path / str(share) for share in range(AT_ONCE)]
    for folder in folders:
        folder.mkdir()
    with ThreadPoolExecutor(AT_ONCE) as pool:
        shares = [f"{share}/{AT_ONCE}" for share in range(AT_ONCE)]
        found = list(
            pool.map(lambda where, share: rounds(where, SEED, SITES, MODULES, share), folders, shares)
        )
    sys.stdout.write(
        f"{sum(one['run'] for one in found)} runs, {found[0]['start']} places at the start, {found[0]['requests']} later\n"
    )

    assert [leak for one in found for leak in one["leaks"]] == []
    for one in found:
        assert one["start"] > 200
        assert one["requests"] > 2_000  # so many sites are passed by these requests
        assert one["fired"] > one["run"] / 3  # the rest lies on ways that only the first recording took


def test_a_module_of_the_agent_that_cannot_be_imported_changes_no_answer(tmp_path: Path) -> None:
    found = rounds(tmp_path, "imports", SEED, "0" if SITES == "0" else "8")

    assert found["leaks"] == []
    assert found["modules"] >= 8
