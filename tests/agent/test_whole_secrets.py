"""Two apps with a secret in each place from which one might leave: none is in any byte that the collector gets."""

import gzip
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.support.agent import (
    APPS,
    TRACESTITCH,
    FakeReceiver,
    environment,
    fake_receiver,
    free_port,
    running,
)
from tests.support.upstream import upstream

pytestmark = pytest.mark.processes
CANARY = "cnry7Qx"
PATHS = f"/reset/{CANARY}-uid/{CANARY}-path/?token={CANARY}-query&{CANARY}-flag"
HEADERS = {
    "Authorization": f"Bearer {CANARY}-auth",
    "Cookie": f"sessionid={CANARY}-cookie",
    "X-Api-Key": f"{CANARY}-key",
    "Referer": f"https://ann:{CANARY}-referer@x.example/?password={CANARY}-refquery",
    "User-Agent": f"shop/1 (token={CANARY}-agent)",
    "Content-Type": "application/x-www-form-urlencoded",
    "baggage": f"api_token={CANARY}-baggage",
}


@pytest.mark.parametrize(
    ("app", "arguments", "paths"),
    [
        ("flask_vault.py", (), ["/calls", "/queries", "/tasks", "/spans", "/fails", "/refuses"]),
        ("django_vault.py", ("runserver", "--noreload"), ["/fails", f"/missing/{CANARY}-missing/"]),
    ],
)
def test_no_secret_of_a_careless_app_leaves(
    tmp_path: Path, app: str, arguments: Sequence[str], paths: list[str]
) -> None:
    port = free_port()
    with fake_receiver() as receiver, upstream() as service:
        environ = environment(
            receiver.url,
            PORT=str(port),
            UPSTREAM_URL=service.url,
            CANARY=CANARY,
            DATABASE_URL=f"postgres://shop:{CANARY}-environ@db/shop",
            TRACESTITCH_LOCALS="1",
            TRACESTITCH_PROFILER="1",
            TRACESTITCH_PROFILER_THRESHOLD_MS="0",
            OTEL_EXPORTER_OTLP_COMPRESSION="none",
        )
        where = [str(port)] if arguments else ["--password", f"{CANARY}-argv"]
        command = (*TRACESTITCH, "run", "--service", "vault", sys.executable, app, *arguments, *where)
        folder = APPS / "vault"
        with running(command, environ=environ, output=tmp_path / "log", port=port, folder=folder) as served:
            body = f"password={CANARY}-form&note={CANARY}-note".encode()
            assert served.get(PATHS, HEADERS, "POST", body)[0] == 200
            for path in paths:
                served.get(path, HEADERS)
            receiver.wait_for(lambda got: len(got.server_spans()) > len(paths) and _told(got))
        assert "said only once" not in served.said()

    leaks = b"\n".join(_around_canaries(receiver))
    assert leaks == b"", leaks.decode("latin-1")
    (reset,) = [
        span for span in receiver.server_spans() if span.attributes["http.route"].startswith("/reset")
    ]
    assert reset.attributes["url.path"] == "/reset/REDACTED/REDACTED/"


def _told(receiver: FakeReceiver) -> bool:
    return any(log.event_name == "tracestitch.inventory" for log in list(receiver.logs))


def _around_canaries(receiver: FakeReceiver) -> list[bytes]:
    found = []
    for body in receiver.bodies:
        data = gzip.decompress(body) if body[:2] == b"\x1f\x8b" else body
        at = data.find(CANARY.encode())
        while at >= 0:
            found.append(data[max(0, at - 60) : at + 30])
            at = data.find(CANARY.encode(), at + 1)
    return found
