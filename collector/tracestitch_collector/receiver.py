"""The receiver process: OTLP over HTTP and gRPC into the write-ahead log, and the receiver's own endpoints."""

from __future__ import annotations

import asyncio
import contextlib
import gc
import logging
import os
import resource
import shutil
import signal
import socket
import sys
import threading
import time
from collections.abc import Generator, Mapping, Sequence
from importlib.metadata import version

import prometheus_client
import uvicorn
from fastapi import FastAPI

from tracestitch_collector.errors import BadConfiguration, Unavailable
from tracestitch_collector.log import LogWriter, PendingRecord
from tracestitch_collector.receive import grpc as grpc_receiver
from tracestitch_collector.receive.alerts import Alerts
from tracestitch_collector.receive.committer import Committer
from tracestitch_collector.receive.counters import Counters
from tracestitch_collector.receive.exposition import exposed
from tracestitch_collector.receive.http import OtlpApp
from tracestitch_collector.receive.intake import Intake
from tracestitch_collector.receive.line_server import Lines, LineServer
from tracestitch_collector.receive.protocol import protocol_class
from tracestitch_collector.receive.side import PATHS, settings_key, side_app
from tracestitch_collector.settings import PART_VARIABLE, PROCESS_VARIABLE, Settings, receiver_names
from tracestitch_collector.sockets import bind, inherited, port_of
from tracestitch_collector.status import STORE_AWAY, Report, StatusFile, read_one

TROUBLE_S = 5.0
"""A failed write is said for so long; without traffic nobody would find out that it is over."""
KEEP_ALIVE_S = 75
GRACE_S = 2
OPEN_FILES = 65_536


class _Server(uvicorn.Server):
    @contextlib.contextmanager
    def capture_signals(self) -> Generator[None]:
        """Signals are the process's business."""
        yield


class WatchedLog:
    """The log, and what went wrong with it last."""

    def __init__(self, writer: LogWriter) -> None:
        self._writer = writer
        self._trouble = ""
        self._trouble_until = 0.0

    def append(self, records: Sequence[PendingRecord]) -> None:
        try:
            self._writer.append(records)
        except Unavailable as error:
            self._trouble, self._trouble_until = str(error), time.monotonic() + TROUBLE_S
            raise
        self._trouble_until = 0.0

    def trouble(self) -> str:
        """Why nothing could be written just now; empty when all is well."""
        return self._trouble if time.monotonic() < self._trouble_until else ""

    def bytes(self) -> int:
        return self._writer.bytes


class Receiver:
    """Everything of the process, wired together."""

    def __init__(
        self,
        settings: Settings,
        http_socket: socket.socket,
        name: str = "receiver",
        lines_socket: socket.socket | None = None,
        **deadlines: float,
    ) -> None:
        self._settings = settings
        self._name = name
        self._http_socket = http_socket
        self._lines_socket = lines_socket
        self.http_port = port_of(http_socket)
        settings.data.mkdir(parents=True, exist_ok=True)
        max_bytes = settings.max_log_size_bytes // settings.receivers
        self._writer = LogWriter(settings.data / "log" / name, max_bytes=max_bytes)
        self._log = WatchedLog(self._writer)
        self._committer = Committer(self._log.append)
        self.counters = Counters(self._log.bytes)
        self.counters.log_max_bytes.set(max_bytes)
        intake = Intake(self._committer, self.counters, time.time_ns)
        lines = Lines(intake, self.counters, settings.token)
        self._lines = LineServer(lines, self.counters)
        other = self._side_app(Alerts(intake), lines)
        self._app = OtlpApp(intake, self.counters, settings, other=other, other_paths=PATHS)
        self._server = _Server(self._uvicorn_config(deadlines))
        self._grpc, self.grpc_port = grpc_receiver.serve(
            grpc_receiver.GrpcReceiver(intake, self.counters, settings),
            settings.host,
            settings.otlp_grpc_port,
        )

    def _side_app(self, alerts: Alerts, lines: Lines) -> FastAPI:
        socket_path = self._settings.data / "run" / "metrics.sock"
        return side_app(
            settings_key(self._settings.data / "agent.key"),
            self._log.trouble,
            self._store_away,
            lambda accept: exposed(self.counters, socket_path, accept, self._siblings()),
            self._about,
            alerts.__call__,
            lines.post,
        )

    def _siblings(self) -> list[Mapping[str, float]]:
        """What the other receivers counted, as they wrote it down last."""
        others = (name for name in receiver_names(self._settings.receivers) if name != self._name)
        found = (read_one(self._settings.data / "status", name) for name in others)
        return [status.report.counters for status in found if status is not None]

    def _about(self) -> dict[str, object]:
        """The dashboard is named only where it runs beside this process."""
        settings = self._settings
        known: dict[str, object] = {"version": version("tracestitch"), "time_ns": time.time_ns()}
        with contextlib.suppress(OSError):
            disk = shutil.disk_usage(settings.data)
            known |= {"disk_free_bytes": disk.free, "disk_total_bytes": disk.total}
        if os.environ.get(PART_VARIABLE, "all") == "all":
            known |= {"dashboard": settings.public_url, "dashboard_port": settings.dashboard_port}
        return known

    def _store_away(self) -> str:
        """As the pipeline says; it is the one who knows."""
        said = read_one(self._settings.data / "status", "pipeline")
        return "" if said is None or said.is_stale(time.time_ns()) else said.report.alarms.get(STORE_AWAY, "")

    def _uvicorn_config(self, deadlines: Mapping[str, float]) -> uvicorn.Config:
        return uvicorn.Config(
            self._app,
            http=protocol_class(self.counters.slow.inc, **deadlines),
            ws="none",
            lifespan="off",
            log_config=None,
            log_level=logging.CRITICAL,  # what goes wrong is counted; no line per request
            access_log=False,
            server_header=False,
            timeout_keep_alive=KEEP_ALIVE_S,
            timeout_graceful_shutdown=GRACE_S,
        )

    async def serve(self) -> None:
        """Serves until `stop`; then finishes what has begun."""
        told = threading.Event()
        status = StatusFile(self._settings.data / "status", self._name)
        status.write(self._report())
        writing = threading.Thread(target=status.keep_writing, args=(self._report, told), daemon=True)
        writing.start()
        try:
            if self._lines_socket is not None:
                await self._lines.start(self._lines_socket)
            await self._server.serve(sockets=[self._http_socket])
        finally:
            await self._lines.close()
            await asyncio.to_thread(self._grpc.stop(GRACE_S).wait)
            self._committer.close()
            self._app.close()
            self._writer.close()
            told.set()
            await asyncio.to_thread(writing.join)

    def stop(self) -> None:
        self._server.should_exit = True

    def _report(self) -> Report:
        fault = self.counters.last_fault
        trouble = self._log.trouble()
        problems = (
            trouble,
            fault and f"the receiver failed on a request with {fault}; please report it",
        )
        return Report(
            counters=self.counters.snapshot(),
            facts={
                "OTLP/HTTP": f"{self._settings.host}:{self.http_port}",
                "OTLP/gRPC": f"{self._settings.host}:{self.grpc_port}",
                **(
                    {"log lines over TCP": f"{self._settings.host}:{self._lines.port}"}
                    if self._lines.port
                    else {}
                ),
                "metrics": "exposed at /metrics for Prometheus, not stored",
            },
            problems=tuple(filter(None, problems)),
            alarms={"The collector refuses data": trouble} if trouble else {},
        )


async def run(settings: Settings, environment: Mapping[str, str]) -> None:
    """The whole life of the process."""
    http_socket = inherited("otlp_http", environment) or bind(settings.host, settings.otlp_http_port)
    lines_socket = inherited("lines", environment)
    if lines_socket is None and settings.lines_port is not None:
        lines_socket = bind(settings.host, settings.lines_port)
    name = environment.get(PROCESS_VARIABLE) or "receiver"
    receiver = Receiver(settings, http_socket, name, lines_socket)
    loop = asyncio.get_running_loop()
    for number in (signal.SIGTERM, signal.SIGINT):
        loop.add_signal_handler(number, receiver.stop)
    await receiver.serve()


def _allow_connections() -> None:
    """As many files as may be: slow senders must not use up the usual 1024."""
    soft, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    wanted = OPEN_FILES if hard == resource.RLIM_INFINITY else min(OPEN_FILES, hard)
    if soft != resource.RLIM_INFINITY and soft < wanted:
        resource.setrlimit(resource.RLIMIT_NOFILE, (wanted, hard))


def main() -> int:
    _allow_connections()
    # Requests make few cycles and many objects: collecting as often as by default would double their cost.
    gc.freeze()
    gc.set_threshold(50_000, 20, 100)
    prometheus_client.disable_created_metrics()  # type: ignore[no-untyped-call]  # untyped there
    try:
        asyncio.run(run(Settings.from_environment(os.environ), os.environ))
    except BadConfiguration as error:
        sys.stderr.write(f"tracestitch receiver: {error}\n")
        return 78
    return 0


if __name__ == "__main__":
    sys.exit(main())
