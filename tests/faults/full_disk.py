"""What happens on a full disk, as a program: `tests/faults/test_full_disk.py` runs it where the folder it is given is
a small disk of its own. Prints what it saw as JSON.
"""

from __future__ import annotations

import http.client
import json
import random
import sys
import time
from collections import Counter
from dataclasses import asdict, dataclass, field
from pathlib import Path
from urllib.parse import urlsplit

from tests.support.ledger import Ledger
from tests.support.server import Server, eventually, serving
from tracestitch_collector.status import read_all
from tracestitch_dashboard.alarms import read_alarms

REQUESTS = 60


@dataclass(kw_only=True)
class Seen:
    before: dict[str, int] = field(default_factory=dict)
    """Answers by status and Retry-After."""
    while_full: dict[str, int] = field(default_factory=dict)
    refusal: str = ""
    alarms: list[str] = field(default_factory=list)
    """On every page, while the disk is full."""
    alarms_after: list[str] = field(default_factory=list)
    after: dict[str, int] = field(default_factory=dict)
    faults: list[str] = field(default_factory=list)
    refused: int = 0
    refused_as_the_collector_counts: float = 0


def fill(disk: Path) -> Path:
    """Takes what room is left, to the last byte."""
    ballast = disk / "ballast"
    with ballast.open("wb", buffering=0) as file:
        for size in (1 << 20, 1 << 12, 1):
            try:
                while True:
                    file.write(bytes(size))
            except OSError:
                continue
    return ballast


def send(server: Server, ledger: Ledger, source: random.Random) -> tuple[str, bytes]:
    """One request, never sent again; its answer in a word, and the body."""
    trace_id, body = ledger.request(source)
    connection = http.client.HTTPConnection(urlsplit(server.otlp_http).netloc, timeout=60)
    connection.request("POST", "/v1/traces", body, {"Content-Type": "application/x-protobuf"})
    answer = connection.getresponse()
    text = answer.read()
    connection.close()
    if answer.status == 200:
        ledger.acknowledge(trace_id)
    else:
        ledger.refuse(trace_id)
    return f"{answer.status} {answer.headers.get('Retry-After', '')}".strip(), text


def alarms(server: Server) -> list[str]:
    return [alarm.headline for alarm in read_alarms(server.data / "status", time.time_ns())]


def main(disk: Path) -> Seen:
    seen, ledger, source = Seen(), Ledger(), random.Random(4)

    def several() -> dict[str, int]:
        return dict(Counter(send(server, ledger, source)[0] for _ in range(REQUESTS)))

    with serving(disk / "data") as server:
        seen.before = several()
        ballast = fill(disk)
        eventually(lambda: send(server, ledger, source)[0] != "200")
        seen.while_full = several()
        seen.refusal = send(server, ledger, source)[1].decode("utf-8", "replace")
        time.sleep(3)  # the pipeline meets the full disk as well, again and again
        eventually(lambda: send(server, ledger, source)[0] != "200" and alarms(server))
        seen.alarms = alarms(server)
        ballast.unlink()
        eventually(lambda: send(server, ledger, source)[0] == "200")
        seen.after = several()
        seen.faults = ledger.faults(server.data)
        eventually(lambda: not alarms(server))
        seen.alarms_after = alarms(server)
        seen.refused = ledger.refused
        (seen.refused_as_the_collector_counts,) = (
            count
            for status in read_all(server.data / "status")
            for name, count in status.report.counters.items()
            if name.startswith("tracestitch_receiver_refused_total")
        )
    return seen


if __name__ == "__main__":
    sys.stdout.write(json.dumps(asdict(main(Path(sys.argv[1])))) + "\n")
