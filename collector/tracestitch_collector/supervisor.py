"""`tracestitch serve`: takes the data folder and the ports, starts the processes, restarts each that dies, and
ends them all when told to.
"""

from __future__ import annotations

import importlib.util
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from socket import socket
from typing import TextIO

from tracestitch_collector.lifeline import die_with, take_folder
from tracestitch_collector.probe import answers_http, answers_unix
from tracestitch_collector.settings import (
    PART_VARIABLE,
    PROCESS_VARIABLE,
    SETTINGS_VARIABLE,
    SOCKETS_VARIABLE,
    Settings,
    receiver_names,
    url_host,
    with_ports,
)
from tracestitch_collector.sockets import bind, handed_over, port_of
from tracestitch_collector.status import Report, StatusFile

TICK_S = 0.1
READY_S = 30.0
"""After so long the addresses are told even if not every process answers."""
STOP_S = 4.0
BACK_OFF_S = (0.0, 0.1, 0.5, 1.0, 2.0, 5.0, 10.0, 30.0)
SETTLED_S = 60.0
"""Who was ready so long is started again at once."""
MISCONFIGURED = 78
THRIFT = {
    "MALLOC_ARENA_MAX": "2",
    "MALLOC_TRIM_THRESHOLD_": "16777216",
    "MALLOC_MMAP_THRESHOLD_": "4194304",
    "ARROW_DEFAULT_MEMORY_POOL": "system",
    "OPENBLAS_NUM_THREADS": "1",
}
"""What makes the processes give memory back that they no longer use: a fifth less in all, measured at 20,000
spans/s. The two thresholds keep the buffers of a request, which come and go all the time, from being taken from
the system and cleared each time: a third of the receiver's processor time. Nothing here multiplies matrices, so that threads for it only take
room. A user's own values win."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Program:
    """One process and how to tell that it works."""

    name: str
    module: str
    socket: str = ""
    """The listening socket by which it is known to be well; it inherits it."""
    further: tuple[str, ...] = ()
    """Other listening sockets that it inherits, where there are such."""
    unix_socket: str = ""
    """Where in the data folder it answers instead."""


RECEIVER = Program(
    name="receiver", module="tracestitch_collector.receiver", socket="otlp_http", further=("lines",)
)
PIPELINE = Program(name="pipeline", module="tracestitch_collector.pipeline", unix_socket="run/metrics.sock")
SECOND = Program(name="pipeline-also", module="tracestitch_collector.second")
CHECKS = Program(name="checks", module="tracestitch_collector.checking")
READER = Program(name="reader", module="tracestitch_dashboard.app", socket="dashboard")

PARTS: Mapping[str, tuple[Program, ...]] = {
    "all": (RECEIVER, PIPELINE, SECOND, READER),
    "collector": (RECEIVER, PIPELINE, SECOND, CHECKS),
    "dashboard": (READER,),
}
"""What each form of the command runs. The reader evaluates the checks itself unless told that it is alone."""


def programs(part: str, settings: Settings) -> tuple[Program, ...]:
    """With several receivers: they accept from one socket, and each has a log of its own."""
    further = [replace(RECEIVER, name=name) for name in receiver_names(settings.receivers)[1:]]
    return tuple(
        each
        for program in PARTS[part]
        if (settings.checks or program is not CHECKS) and (settings.also or program is not SECOND)
        for each in ((program, *further) if program is RECEIVER else (program,))
    )


@dataclass(slots=True, kw_only=True)
class Child:
    """One program over its restarts."""

    program: Program
    process: subprocess.Popen[bytes] | None = None
    ready_at_s: float = 0.0
    ended_at_s: float = 0.0
    start_at_s: float = 0.0
    ready: bool = False
    was_ready: bool = False
    failures: int = 0
    """In a row."""
    restarts: int = 0
    last_end: str = ""

    def wait_s(self) -> float:
        return BACK_OFF_S[min(self.failures, len(BACK_OFF_S) - 1)]

    def is_settled(self, now_s: float) -> bool:
        return self.ready and now_s - self.ready_at_s >= SETTLED_S


@dataclass(slots=True, kw_only=True)
class Supervisor:
    settings: Settings
    """With the ports that were really taken."""
    part: str
    sockets: Mapping[str, socket]
    environment: Mapping[str, str]
    lock: int | None
    say: Callable[[str], None]
    complain: Callable[[str], None]
    children: list[Child] = field(default_factory=list)
    stopping: threading.Event = field(default_factory=threading.Event)

    def run(self) -> int:
        """Until told to stop, or until a process says that it cannot run as configured."""
        status = StatusFile(self.settings.data / "status", self._status_name())
        self.children = [
            Child(program=program)
            for program in programs(self.part, self.settings)
            if self._is_installed(program)
        ]
        began_s = time.monotonic()
        told, next_status_s, code = False, 0.0, 0
        try:
            while not self.stopping.wait(TICK_S if told else TICK_S / 4):
                now_s = time.monotonic()
                if self._tick(now_s):
                    code = MISCONFIGURED
                    break
                if not told and (self._all_ready() or now_s - began_s > READY_S):
                    told = True
                    self._tell()
                if now_s >= next_status_s:
                    next_status_s = now_s + 1.0
                    status.write(self._report(now_s))
        finally:
            self._stop()
            status.write(Report(facts={child.program.name: "stopped" for child in self.children}))
        return code

    def _status_name(self) -> str:
        return "supervisor" if self.part != "dashboard" else "supervisor-dashboard"

    def _is_installed(self, program: Program) -> bool:
        try:
            found = importlib.util.find_spec(program.module) is not None
        except ModuleNotFoundError:
            found = False
        if not found:
            self.complain(
                f"{program.name} is not installed (no module {program.module}); going on without it"
            )
        return found

    def _tick(self, now_s: float) -> bool:
        """Starts, restarts and asks; True when one of them cannot run as configured."""
        for child in self.children:
            if child.process is None:
                if now_s >= child.start_at_s:
                    self._start(child)
                continue
            code = child.process.poll()
            if code is not None:
                if code == MISCONFIGURED:
                    return True
                self._note_end(child, code, now_s)
            elif not child.ready:
                child.ready, child.ready_at_s = self._answers(child.program), now_s
                child.was_ready = child.was_ready or child.ready
            elif child.failures and child.is_settled(now_s):
                child.failures = 0
        return False

    def _start(self, child: Child) -> None:
        program = child.program
        names = (program.socket, *program.further)
        own = {name: bound for name, bound in self.sockets.items() if name in names}
        files = [bound.fileno() for bound in own.values()] + ([] if self.lock is None else [self.lock])
        child.process = subprocess.Popen(
            [sys.executable, "-m", program.module],
            env={
                **THRIFT,
                **self.environment,
                SETTINGS_VARIABLE: self.settings.to_json(),
                SOCKETS_VARIABLE: handed_over(own),
                PART_VARIABLE: self.part,
                PROCESS_VARIABLE: program.name,
            },
            stdin=subprocess.DEVNULL,
            pass_fds=files,
            process_group=0,  # Ctrl-C is for the supervisor, which ends them in order
            preexec_fn=die_with(os.getpid()),
        )
        child.ready = False

    def _note_end(self, child: Child, code: int, now_s: float) -> None:
        child.failures = 0 if child.is_settled(now_s) else child.failures + 1
        child.process = None
        child.ready = False
        child.restarts += 1
        child.ended_at_s = now_s
        child.start_at_s = now_s + child.wait_s()
        child.last_end = f"by signal {-code}" if code < 0 else f"with exit code {code}"
        when = f"in {child.wait_s():g} s" if child.failures else "at once"
        self.complain(f"the {child.program.name} ended {child.last_end}; starting it again {when}")

    def _answers(self, program: Program) -> bool:
        if program.unix_socket:
            return answers_unix(self.settings.data / program.unix_socket)
        if program.socket:
            return answers_http(
                url_host(self.settings.host).strip("[]"), port_of(self.sockets[program.socket])
            )
        return True

    def _all_ready(self) -> bool:
        """A process that fails again and again must not keep the others' addresses secret."""
        return all(child.was_ready or child.failures >= 3 for child in self.children)

    def addresses(self) -> dict[str, str]:
        host = url_host(self.settings.host)
        served = {child.program.socket for child in self.children}
        receives = "otlp_http" in served
        return {
            "otlp_http": f"http://{host}:{self.settings.otlp_http_port}" if receives else "",
            "otlp_grpc": f"http://{host}:{self.settings.otlp_grpc_port}" if receives else "",
            "dashboard": f"http://{host}:{self.settings.dashboard_port}" if "dashboard" in served else "",
            "lines": f"tcp://{host}:{self.settings.lines_port}" if "lines" in self.sockets else "",
        }

    def _tell(self) -> None:
        addresses = self.addresses()
        self._write_addresses(addresses)
        labels = {
            "dashboard": "dashboard",
            "otlp_http": "OTLP/HTTP",
            "otlp_grpc": "OTLP/gRPC",
            "lines": "log lines",
        }
        told = [f"{label} {addresses[name]}" for name, label in labels.items() if addresses[name]]
        silent = [child.program.name for child in self.children if not child.was_ready]
        state = f"not answering yet: {', '.join(silent)}" if silent else "ready"
        self.say(f"Tracestitch is {state} · {' · '.join(told)} · data {self.settings.data}")

    def _addresses_file(self) -> Path:
        return self.settings.data / "run" / "addresses.json"

    def _write_addresses(self, addresses: Mapping[str, str]) -> None:
        file = self._addresses_file()
        if self.part == "dashboard" and file.exists():
            addresses = {**json.loads(file.read_text()), "dashboard": addresses["dashboard"]}
        draft = file.with_suffix(".tmp")
        draft.write_text(json.dumps(addresses))
        draft.replace(file)

    def _report(self, now_s: float) -> Report:
        return Report(
            counters={
                f'tracestitch_process_restarts_total{{process="{child.program.name}"}}': child.restarts
                for child in self.children
            },
            facts={child.program.name: _state(child) for child in self.children},
            problems=tuple(
                f"the {child.program.name} ended {child.last_end} and is started again; "
                f"it has been restarted {child.restarts} times"
                for child in self.children
                if child.failures or (child.restarts and now_s - child.ended_at_s < SETTLED_S)
            ),
            alarms={
                f"The {child.program.name} is down": f"it ended {child.last_end} and is started again"
                for child in self.children
                if child.restarts and not child.ready
            },
        )

    def _stop(self) -> None:
        """Asks all to finish, and ends those that do not."""
        if self.part != "dashboard":
            self._addresses_file().unlink(missing_ok=True)
        running = [child.process for child in self.children if child.process is not None]
        for process in running:
            process.terminate()
        deadline_s = time.monotonic() + STOP_S
        for process in running:
            try:
                process.wait(max(0.0, deadline_s - time.monotonic()))
            except subprocess.TimeoutExpired:
                process.kill()
                process.wait()


def _state(child: Child) -> str:
    if child.process is None:
        return f"ended {child.last_end}, waiting to start again"
    restarts = f", restarted {child.restarts} times" if child.restarts else ""
    return f"{'running' if child.ready else 'starting'}, pid {child.process.pid}{restarts}"


def _take_sockets(settings: Settings, programs: Sequence[Program]) -> dict[str, socket]:
    wanted = {program.socket for program in programs}
    sockets = {}
    if "otlp_http" in wanted:
        sockets["otlp_http"] = bind(settings.host, settings.otlp_http_port)
        sockets["otlp_grpc"] = bind(settings.host, settings.otlp_grpc_port, listening=False)
        if settings.lines_port is not None:
            sockets["lines"] = bind(settings.host, settings.lines_port)
    if "dashboard" in wanted:
        sockets["dashboard"] = bind(settings.host, settings.dashboard_port)
    return sockets


def supervise(settings: Settings, part: str, environment: Mapping[str, str], out: TextIO, err: TextIO) -> int:
    """Runs one form of `tracestitch serve` to its end; the exit code. Raises BadConfiguration before anything
    is started."""

    def line(file: TextIO) -> Callable[[str], None]:
        return lambda text: print(text, file=file, flush=True)

    lock = take_folder(settings.data) if part != "dashboard" else None
    if lock is None:
        (settings.data / "run").mkdir(parents=True, exist_ok=True)
    else:
        (settings.data / "run" / "addresses.json").unlink(missing_ok=True)
    sockets = _take_sockets(settings, PARTS[part])
    supervisor = Supervisor(
        settings=with_ports(settings, {name: port_of(bound) for name, bound in sockets.items()}),
        part=part,
        sockets=sockets,
        environment=environment,
        lock=lock,
        say=line(out),
        complain=lambda text: line(err)(f"tracestitch serve: {text}"),
    )
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: supervisor.stopping.set())
    return supervisor.run()
