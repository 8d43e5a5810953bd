"""The shop's processes: which there are, how each is started, and how they find one another."""

from __future__ import annotations

import shutil
import socket
import sqlite3
import sys
from collections.abc import Mapping
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path

ENVIRONMENT = "staging"
"""Of every service: the shop believes that it runs where others can reach it."""

WEB_SERVICES = ("storefront", "inventory", "pricing", "gateway", "payment")
SERVICES = ("storefront", "inventory", "pricing", "worker")
"""Those that report."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Process:
    name: str
    command: tuple[str, ...]
    """Without `tracestitch run` in front."""
    instrumented: bool
    port: int | None = None
    python: str = sys.executable
    """Of the environment it runs in."""

    def under_agent(self) -> tuple[str, ...]:
        if not self.instrumented:
            return self.command
        agent = str(Path(self.python).with_name("tracestitch"))
        return (agent, "run", "--service", self.name, "--environment", ENVIRONMENT, *self.command)


@dataclass(frozen=True, slots=True, kw_only=True)
class Shop:
    processes: tuple[Process, ...]
    urls: Mapping[str, str]
    environment: Mapping[str, str]
    """Of every process of the shop."""
    pricing_of_its_own: bool
    """Whether pricing runs in another environment than the rest."""


def receipts(data: Path) -> tuple[int, int]:
    """How many receipts the worker has written, and how many orders are waiting for one or have it."""
    with closing(sqlite3.connect(f"file:{data / 'storefront.sqlite'}?mode=ro", uri=True)) as database:
        written, ordered = database.execute(
            "SELECT (SELECT count(*) FROM shop_receipt),"
            " (SELECT count(*) FROM shop_order WHERE reference NOT LIKE 'past-%')"
        ).fetchone()
    return written, ordered


def choose_ports(base: int, names: tuple[str, ...]) -> dict[str, int]:
    """Neighbouring ports from `base`, or free ones where 0 is asked for or one of them is taken."""
    wanted = {name: base + n if base else 0 for n, name in enumerate(names)}
    return {name: port if port and is_free(port) else _free_port() for name, port in wanted.items()}


def is_free(port: int) -> bool:
    with socket.socket() as probe:
        probe.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        try:
            probe.bind(("127.0.0.1", port))
        except OSError:
            return False
    return True


def lay_out(data: Path, ports: Mapping[str, int], pricing_python: str, redis: Redis | None) -> Shop:
    urls = {name: f"http://127.0.0.1:{ports[name]}" for name in WEB_SERVICES}
    environment = {
        "SHOP_DATA": str(data),
        **{f"SHOP_{name.upper()}_URL": url for name, url in urls.items()},
        "SHOP_BROKER_URL": redis.url(0) if redis else "filesystem://",
        "SHOP_CACHE_URL": redis.url(1) if redis else "",
        "DJANGO_SETTINGS_MODULE": "tracestitch_demo.storefront.settings",
        # Installed from the wheel, the shop lies where libraries lie: say that it is the user's own code.
        "TRACESTITCH_APP_PACKAGES": "tracestitch_demo",
        "PYTHONUNBUFFERED": "1",
    }
    return Shop(
        processes=_processes(ports, pricing_python),
        urls=urls,
        environment=environment,
        pricing_of_its_own=pricing_python != sys.executable,
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Redis:
    binary: str
    port: int

    def url(self, database: int) -> str:
        return f"redis://127.0.0.1:{self.port}/{database}"

    def command(self, data: Path) -> tuple[str, ...]:
        settings = {
            "port": str(self.port),
            "bind": "127.0.0.1",
            "dir": str(data),
            "save": "",
            "appendonly": "no",
        }
        return (self.binary, *(word for name, value in settings.items() for word in (f"--{name}", value)))


def find_redis() -> Redis | None:
    binary = shutil.which("redis-server")
    return Redis(binary=binary, port=_free_port()) if binary else None


def _processes(ports: Mapping[str, int], pricing_python: str) -> tuple[Process, ...]:
    python = sys.executable
    package = "tracestitch_demo"
    gunicorn = ("-m", "gunicorn", "--no-control-socket", "--workers", "1", "--threads", "4", "--bind")
    worker = (
        "-m",
        "celery",
        "-A",
        f"{package}.storefront.celery",
        "worker",
        "--without-gossip",
        "--without-mingle",
        "--concurrency",
        "1",
        "--loglevel",
        "INFO",
    )
    flask = ("-m", "flask", "--app", f"{package}.pricing.app", "run", "--port", str(ports["pricing"]))
    gateway = ("--port", str(ports["gateway"]), "--upstream", f"http://127.0.0.1:{ports['pricing']}")
    return (
        Process(
            name="payment",
            command=(python, "-m", f"{package}.payment_stub", "--port", str(ports["payment"])),
            instrumented=False,
            port=ports["payment"],
        ),
        Process(
            name="pricing",
            command=(pricing_python, *flask),
            instrumented=True,
            port=ports["pricing"],
            python=pricing_python,
        ),
        Process(
            name="gateway",
            command=(python, "-m", f"{package}.gateway", *gateway),
            instrumented=False,
            port=ports["gateway"],
        ),
        Process(
            name="inventory",
            command=(python, "-m", f"{package}.inventory.app", str(ports["inventory"])),
            instrumented=True,
            port=ports["inventory"],
        ),
        Process(
            name="storefront",
            command=(
                python,
                *gunicorn,
                f"127.0.0.1:{ports['storefront']}",
                f"{package}.storefront.wsgi",
            ),
            instrumented=True,
            port=ports["storefront"],
        ),
        Process(name="worker", command=(python, *worker), instrumented=True),
    )


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
