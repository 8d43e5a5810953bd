"""A disk that is really full: senders are told to wait, nothing acknowledged is lost, and it goes on by itself."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.faults.full_disk import REQUESTS
from tests.support.module_table import ROOT

pytestmark = [pytest.mark.processes, pytest.mark.timeout(300)]

OWN_DISK = ["unshare", "-rm", "sh", "-c"]
"""A namespace in which we may mount; nobody else sees what."""
MOUNT = 'mount -t tmpfs -o size=24m tmpfs "$0"'


def test_a_full_disk_refuses_with_a_short_wait_loses_nothing_and_resumes_by_itself(tmp_path: Path) -> None:
    try:
        subprocess.run([*OWN_DISK, MOUNT, str(tmp_path)], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError) as error:
        pytest.skip(f"no file system can be mounted in a namespace here: {error}")
    done = subprocess.run(
        [
            *OWN_DISK,
            f'{MOUNT} && exec "$@"',
            str(tmp_path),
            sys.executable,
            "-m",
            "tests.faults.full_disk",
            str(tmp_path),
        ],
        cwd=ROOT,
        env=dict(os.environ),
        capture_output=True,
        text=True,
        timeout=280,
    )
    assert done.returncode == 0, done.stderr
    seen = json.loads(done.stdout.splitlines()[-1])
    assert seen["before"] == {"200": REQUESTS}
    assert seen["while_full"] == {"503 1": REQUESTS}
    assert "free space" in seen["refusal"]
    assert "The collector refuses data" in seen["alarms"]
    assert seen["alarms_after"] == []
    assert seen["after"] == {"200": REQUESTS}
    assert seen["faults"] == []
    assert seen["refused"] == seen["refused_as_the_collector_counts"] > REQUESTS
