"""The demo shop with everything in it, opened for a test: real services, agent, collector and dashboard."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tracestitch_demo import load, opening
from tracestitch_demo.collector import Collector
from tracestitch_demo.opening import Place
from tracestitch_demo.processes import Processes
from tracestitch_demo.shop import Shop

REPOSITORY = Path(__file__).parents[2]


def pricing_python() -> Path:
    """The interpreter of an environment for pricing, with this checkout in it; made once for each lock."""
    lock = (REPOSITORY / "requirements" / "demo-pricing.txt").read_bytes()
    wanted = f"{hashlib.sha256(lock).hexdigest()} {sys.version}"
    folder = REPOSITORY / ".tools" / "demo-pricing"
    ready = folder / ".ready"
    if not ready.exists() or ready.read_text(encoding="utf-8") != wanted:
        shutil.rmtree(folder, ignore_errors=True)
        script = REPOSITORY / "stack" / "demo" / "pricing-environment"
        subprocess.run(
            [str(script), str(folder), "-e", "."], env={**os.environ, "PYTHON": sys.executable}, check=True
        )
        ready.write_text(wanted, encoding="utf-8")
    return folder / "bin" / "python"


@dataclass(frozen=True, slots=True, kw_only=True)
class Demo:
    shop: Shop
    collector: Collector
    data: Path
    """Of the collector."""
    checkout: str
    """The trace id of a checkout that has arrived whole."""

    def drive(self, rounds: int) -> None:
        """Requests of every kind; findings need 20 and more."""
        tally = load.drive(self.shop.urls, rounds, lambda _done, _total: None)
        assert not tally.unexpected, tally.unexpected


@contextmanager
def opened_demo(data: Path) -> Iterator[Demo]:
    """On free ports; closed when the block ends."""
    place = Place(data=data, port_base=0, pricing_python=str(pricing_python()))
    with opening.reserved(place), Processes(data / "log") as processes:
        running = opening.start_tracestitch(place, processes)
        shop = opening.open_shop(place, processes, running, print)
        checkout = opening.first_trace(shop, running, processes)
        yield Demo(shop=shop, collector=running, data=data / "tracestitch", checkout=checkout)
