"""The collector and dashboard that the demo reports to, and what it reads from their JSON twins."""

from __future__ import annotations

import json
import sys
import time
import urllib.error
import urllib.parse
import urllib.request
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from tracestitch_demo.processes import DemoError, Processes
from tracestitch_demo.shop import is_free

READY_WITHIN_S = 60
WINDOW = "1h"


class NotAnsweredError(DemoError):
    """It may the next time."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Collector:
    endpoint: str
    """Where the agents send to."""
    dashboard: str
    token: str = field(default="", repr=False)

    def read(self, path: str, **query: str) -> Any:
        """A JSON twin, None where there is none (yet)."""
        address = f"{self.dashboard}{path}"
        if query:
            address += "?" + urllib.parse.urlencode(query)
        shown = {"Authorization": f"Bearer {self.token}"} if self.token else {}
        try:
            with urllib.request.urlopen(urllib.request.Request(address, headers=shown), timeout=30) as answer:
                return json.load(answer)
        except urllib.error.HTTPError as error:
            if error.code in (404, 503):
                return None
            raise NotAnsweredError(f"The dashboard answered {error.code} to {address}") from error
        except OSError as error:
            raise NotAnsweredError(f"The dashboard does not answer at {address}: {error}") from error

    def checkouts(self) -> list[dict[str, Any]]:
        """The newest traces of the checkout, as the search shows them."""
        found = self.read("/traces.json", service="storefront", operation="POST /checkout", range=WINDOW)
        return list(found["traces"]) if found else []

    def trace(self, trace_id: str) -> dict[str, Any]:
        return dict(self.read(f"/traces/{trace_id}.json") or {})

    def findings(self) -> list[dict[str, Any]]:
        found = self.read("/findings.json", range=WINDOW)
        return list(found["findings"]) if found else []


def start(processes: Processes, data: Path, ports: dict[str, int]) -> Collector:
    """Start `tracestitch serve` and wait until it says where it listens."""
    addresses = data / "run" / "addresses.json"
    addresses.unlink(missing_ok=True)
    command = [str(Path(sys.executable).with_name("tracestitch")), "serve", "--data", str(data)]
    for name, port in ports.items():
        command += [f"--{name}-port", str(port if is_free(port) else 0)]
    processes.start("tracestitch", command, {})
    deadline = time.monotonic() + READY_WITHIN_S
    while not addresses.exists():
        processes.check()
        if time.monotonic() > deadline:
            raise DemoError(f"tracestitch serve was not ready within {READY_WITHIN_S} s")
        time.sleep(0.05)
    found = json.loads(addresses.read_text(encoding="utf-8"))
    return Collector(endpoint=_url(found["otlp_http"]), dashboard=_url(found["dashboard"]))


def _url(address: str) -> str:
    return address if address.startswith("http") else f"http://{address}"
