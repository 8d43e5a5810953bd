"""Opening the shop: empty folders, Tracestitch, Redis, databases, then the services under the agent."""

from __future__ import annotations

import fcntl
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from tracestitch_demo import collector, load, shop
from tracestitch_demo.collector import Collector, NotAnsweredError
from tracestitch_demo.processes import DemoError, Processes
from tracestitch_demo.shop import SERVICES, Shop

COLLECTOR_PORTS = {"otlp-http": 4318, "otlp-grpc": 4317, "dashboard": 4380}
FIRST_TRACE_WITHIN_S = 60


@dataclass(frozen=True, slots=True, kw_only=True)
class Place:
    """Where the demo is opened."""

    data: Path
    port_base: int
    """First port of the shop; 0 takes free ones, also for collector and dashboard."""
    pricing_python: str


@contextmanager
def reserved(place: Place) -> Iterator[None]:
    """One demo per folder: opening empties it."""
    place.data.mkdir(parents=True, exist_ok=True)
    with (place.data / "lock").open("w") as lock:
        try:
            fcntl.flock(lock, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise DemoError(
                f"A demo is open in {place.data} already; close it or choose another --data"
            ) from None
        yield


def start_tracestitch(place: Place, processes: Processes) -> Collector:
    data = place.data / "tracestitch"
    shutil.rmtree(data, ignore_errors=True)
    ports = COLLECTOR_PORTS if place.port_base else dict.fromkeys(COLLECTOR_PORTS, 0)
    return collector.start(processes, data, ports)


def open_shop(
    place: Place, processes: Processes, reports_to: Collector | None, say: Callable[[str], None]
) -> Shop:
    """The shop starts from nothing each time, so that its numbers are the same each time."""
    home = _empty(place.data / "shop")
    redis = shop.find_redis()
    ports = shop.choose_ports(place.port_base, shop.WEB_SERVICES)
    opened = shop.lay_out(home, ports, _pricing_python(place, say), redis)
    if redis:
        processes.start("redis", redis.command(home), {})
        processes.wait_for_port("redis", redis.port)
    environment = {**opened.environment}
    if reports_to:
        environment["OTEL_EXPORTER_OTLP_ENDPOINT"] = reports_to.endpoint
    _seed(environment)
    for process in opened.processes:
        command = process.under_agent() if reports_to else process.command
        processes.start(process.name, command, environment, layer=1)
    for process in opened.processes:
        if process.port:
            processes.wait_for_port(process.name, process.port)
    return opened


def first_trace(opened: Shop, running: Collector, processes: Processes) -> str:
    """Send one checkout and wait until it can be read in one piece; its trace id."""
    checkout = next(route for route in load.ROUTES if route.route == "/checkout")
    unexpected = load.send(checkout, 0, opened.urls)
    if unexpected:
        raise DemoError(f"The first checkout went wrong: {unexpected}")
    deadline = time.monotonic() + FIRST_TRACE_WITHIN_S
    seen = "it did not arrive"
    while time.monotonic() < deadline:
        processes.check()
        try:
            for found in running.checkouts():
                if set(SERVICES) <= set(found["services"]):
                    return str(found["trace_id"])
                seen = f"only {', '.join(found['services'])} reported"
        except NotAnsweredError as error:
            seen = str(error)
        time.sleep(0.2)
    raise DemoError(f"The first checkout was not stitched within {FIRST_TRACE_WITHIN_S} s: {seen}")


def _empty(home: Path) -> Path:
    shutil.rmtree(home, ignore_errors=True)
    for name in ("broker", "broker-control"):
        (home / name).mkdir(parents=True)
    return home


def _pricing_python(place: Place, say: Callable[[str], None]) -> str:
    python = str(Path(place.pricing_python).absolute())  # not resolved: a link tells the environment
    probe = [python, "-c", "import flask_restful, tracestitch, tracestitch_demo.pricing"]
    if os.access(python, os.X_OK) and not subprocess.run(probe, capture_output=True, check=False).returncode:
        return python
    say(f"  pricing has no environment of its own at {python}: dependency-drift cannot be found")
    return sys.executable


def _seed(environment: Mapping[str, str]) -> None:
    command = [sys.executable, "-m", "tracestitch_demo.seed"]
    done = subprocess.run(command, env={**os.environ, **environment}, capture_output=True, check=False)
    if done.returncode:
        raise DemoError(f"The shop's databases could not be made:\n{done.stderr.decode()}")
