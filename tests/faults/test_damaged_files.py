"""Files that were cut short, flipped or emptied: set aside and said, the rest is served, and it goes on."""

from __future__ import annotations

import json
import logging
import os
import random
import re
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.support.ledger import Ledger, Sender
from tests.support.long_forms import LONG
from tests.support.module_table import ROOT
from tests.support.server import eventually, serving
from tests.support.store_under_faults import Clock, StoreUnderFaults
from tracestitch_collector.errors import TracestitchError
from tracestitch_collector.process.intake import SEEN_NS, Intake
from tracestitch_collector.store.embedded.layout import Layout
from tracestitch_collector.store.embedded.manifest import load

Damage = Callable[[Path], None]


def cut_short(path: Path) -> None:
    os.truncate(path, path.stat().st_size // 2)


def emptied(path: Path) -> None:
    os.truncate(path, 0)


def flipped(path: Path) -> None:
    """One bit in each hundred bytes."""
    content, source = bytearray(path.read_bytes()), random.Random(3)
    for _ in range(max(1, len(content) // 100)):
        content[source.randrange(len(content))] ^= 1 << source.randrange(8)
    path.write_bytes(content)


SET_ASIDE = re.compile(r"damaged segments set aside\W+(?:value\W+)?[1-9]")
DAMAGES = (cut_short, emptied, flipped)
FILES = (
    "manifest.json",
    "segments/*1.spans.parquet",
    "segments/*1.logs.parquet",
    "segments/*.traces",
    "segments/*.facts",
    "segments/*.rollup",
    "segments/*.digests",
    "segments/*.findings.parquet",
)


@pytest.mark.parametrize("damage", DAMAGES)
@pytest.mark.parametrize("pattern", FILES)
def test_a_store_with_a_damaged_file_opens_serves_the_rest_and_takes_more(
    tmp_path: Path, pattern: str, damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    bench = StoreUnderFaults(tmp_path, Clock())
    for _ in range(3):
        bench.receive()
        bench.write()
        bench.sync()
    bench.close()
    paths = list(tmp_path.glob(pattern))
    assert paths
    for path in paths:
        damage(path)

    again = StoreUnderFaults(tmp_path, bench.clock)
    assert again.store is not None
    again.log = list(bench.log)
    for number in range(3, 12):  # enough for a merge
        again.receive()
        again.write()
        assert again.sync(), number
    found = {int(trace.trace_id, 16) - 1 for trace in again.reader.traces([r.trace_id for r in again.log])}
    assert set(range(1, 12)) <= found
    if pattern != "segments/*1.spans.parquet":
        assert 0 in found
    facts = again.reader.stats().facts
    again.close()
    if pattern.endswith(".parquet"):
        assert facts["damaged segments set aside"] != "0"
        assert (tmp_path / "damaged").is_dir()
        if damage is not flipped:
            assert any("damaged" in line or "cannot be read" in line for line in caplog.messages)


@pytest.mark.parametrize("damage", [cut_short, emptied, flipped])
def test_a_damaged_hot_file_is_passed_over_and_made_again_from_the_log(
    tmp_path: Path, damage: Damage, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.CRITICAL)
    bench = StoreUnderFaults(tmp_path, Clock())
    for _ in range(3):
        bench.receive()
        bench.write()
    damage(min((tmp_path / "hot").iterdir()))
    found = {int(trace.trace_id, 16) - 1 for trace in bench.reader.traces([r.trace_id for r in bench.log])}
    assert found == {1, 2}
    for _ in range(10):  # beyond the next merge of hot files
        bench.receive()
        bench.write()
    assert bench.position == 13
    with pytest.raises(TracestitchError, match="made again from the logs"):
        bench.sync()  # which ends the process; its successor reads the log again
    assert len(list((tmp_path / "damaged").iterdir())) == 1
    bench.restart()
    bench.recover()
    bench.check()
    bench.close()


def test_a_clock_that_was_set_back_a_day_does_not_make_the_pipeline_remember_for_a_day(
    tmp_path: Path,
) -> None:
    day_ns = 86_400_000_000_000
    tomorrow, now = 2 * day_ns, day_ns
    intake = Intake(tmp_path, {}, [bytes(16)], tomorrow)
    intake._seen |= {n.to_bytes(16, "big"): now for n in range(1, 50)}
    intake.forget(now + SEEN_NS + 1)
    assert not intake._seen


@pytest.mark.processes
@pytest.mark.timeout(300)
def test_a_server_on_damaged_files_is_ready_in_ten_seconds_says_so_and_takes_data(tmp_path: Path) -> None:
    first, second = Ledger(), Ledger()
    with serving(tmp_path) as server, Sender(lambda: server.otlp_http, first):
        eventually(lambda: len(first.acknowledged) > 30)
    others = [*(tmp_path / "segments").glob("*.[!p]*"), *(tmp_path / "status").iterdir()]
    for number, path in enumerate(sorted(others)):
        DAMAGES[number % 3](path) if path.stat().st_size else None
    for path in (tmp_path / "segments").glob("*.parquet"):
        cut_short(path)
    for path in (tmp_path / "agent.key", *(tmp_path / "log").glob("*/*.log")):
        flipped(path) if path.stat().st_size else None
    began = time.monotonic()
    with serving(tmp_path) as server:
        assert time.monotonic() - began < (
            10 if LONG else 60
        )  # what runs beside it decides in the short form
        with Sender(lambda: server.otlp_http, second):
            eventually(lambda: len(second.acknowledged) > 20)
        assert second.faults(tmp_path) == []
        eventually(lambda: SET_ASIDE.search(json.dumps(server.get("/status.json"))))
    assert load(Layout(tmp_path)).damaged > 0


OWN_MOUNTS = ("unshare", "-rm", "sh", "-c")
READ_ONLY = 'mount --bind "$0" "$0" && mount -o remount,ro,bind "$0" && exec "$@"'


def test_a_folder_on_a_read_only_disk_is_refused_in_one_line(tmp_path: Path) -> None:
    data = tmp_path / "data"
    data.mkdir()
    try:
        done = subprocess.run(
            [
                *OWN_MOUNTS,
                READ_ONLY,
                str(data),
                sys.executable,
                "-m",
                "tracestitch",
                "serve",
                "--data",
                str(data),
            ],
            cwd=ROOT,
            capture_output=True,
            text=True,
            timeout=60,
        )
    except OSError as error:
        pytest.skip(f"no namespace can be made here: {error}")
    if "unshare" in done.stderr or "mount" in done.stderr:
        pytest.skip(f"nothing can be mounted in a namespace here: {done.stderr}")
    assert done.returncode == 78
    assert len(done.stderr.splitlines()) == 1
    assert "cannot be written" in done.stderr
