"""The way out of this process: its one exporter, emptied at exit, on SIGTERM and before a child disappears."""

import atexit
import contextlib
import os
import signal
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from types import FrameType, ModuleType
from typing import Any

from tracestitch.encode import LogEntry
from tracestitch.exporter import Exporter
from tracestitch.log_lines import Deferred
from tracestitch.patching import on_import
from tracestitch.safety import guard

_LEAVING, _STARTING_AFRESH = guard("sending at exit"), guard("starting afresh in a forked process")


class Outlet:
    """Holds the process's exporter once the agent is installed; until then everything is dropped."""

    def __init__(self) -> None:
        self.exporter: Exporter | None = None
        self.exit_budget_s = 0.5
        self._leaving = False

    def leave(self) -> None:
        """Sends what is queued within the exit budget; once, even when SIGTERM comes during the exit."""
        if self._leaving or self.exporter is None:
            return
        self._leaving = True
        with _LEAVING, _undisturbed():
            self.exporter.flush(self.exit_budget_s)

    def after_fork(self) -> None:
        self._leaving = False
        if self.exporter is not None:
            with _STARTING_AFRESH:
                self.exporter.after_fork()


@contextlib.contextmanager
def _undisturbed() -> Iterator[None]:
    """uWSGI's master tells its workers again what Ctrl-C has told them already, and the second time ends all at
    once; elsewhere a second signal may cut this short."""
    if "uwsgi" not in sys.modules:
        yield
        return
    before = signal.pthread_sigmask(signal.SIG_BLOCK, (signal.SIGINT, signal.SIGTERM))
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, before)


_OUTLET = Outlet()


def flush(timeout_s: float = 0.5) -> bool:
    """Sends what is queued now, within the time given; for places where a process ends without atexit."""
    return _OUTLET.exporter is None or _OUTLET.exporter.flush(timeout_s)


def give_a_turn(longest_s: float) -> None:
    """Lets the exporter send what is queued, where its thread would not run otherwise."""
    if _OUTLET.exporter is not None:
        _OUTLET.exporter.give_a_turn(longest_s)


def background(job: Callable[[], None]) -> None:
    """Runs the job once on the exporter's thread."""
    if _OUTLET.exporter is not None:
        _OUTLET.exporter.background(job)


def emit_log(entry: LogEntry | Deferred, size: int) -> None:
    if _OUTLET.exporter is not None:
        _OUTLET.exporter.add_log(entry, size)


def emit_event(name: str, body: Mapping[str, Any]) -> None:
    """Sends a log record with this event name and a map as its body, such as the inventory."""
    if _OUTLET.exporter is not None:
        _OUTLET.exporter.emit_event(name, body)


def settings_key() -> bytes | None:
    """The collector's key for settings hashes, or None where it has none; asks the network, so never call it
    while a request waits: use `background`."""
    return None if _OUTLET.exporter is None else _OUTLET.exporter.settings_key()


def clock_offset_ms() -> float | None:
    """Of this clock ahead of the collector's; known after `settings_key`."""
    return None if _OUTLET.exporter is None else _OUTLET.exporter.clock_offset_ms


def install(exporter: Exporter, exit_budget_s: float) -> None:
    _OUTLET.exporter = exporter
    _OUTLET.exit_budget_s = exit_budget_s
    atexit.register(_OUTLET.leave)
    os.register_at_fork(after_in_child=_OUTLET.after_fork)
    on_import("multiprocessing.util", _flush_in_multiprocessing)
    if threading.current_thread() is threading.main_thread():
        flush_on_sigterm()


def flush_on_sigterm() -> None:
    """Python's default for SIGTERM runs no atexit: flush first, then let the earlier handler have its way.

    Only for the main thread. A server that installs its own handler later takes this place, and ends through atexit.
    """
    previous = signal.getsignal(signal.SIGTERM)
    if previous is None or previous is signal.SIG_IGN:
        return

    def on_sigterm(number: int, frame: FrameType | None) -> None:
        _OUTLET.leave()
        if callable(previous):
            previous(number, frame)
        else:
            signal.signal(signal.SIGTERM, signal.SIG_DFL)
            os.kill(os.getpid(), signal.SIGTERM)

    signal.signal(signal.SIGTERM, on_sigterm)


def _flush_in_multiprocessing(util: ModuleType) -> None:
    """Forked children of multiprocessing leave by os._exit; their own finalizers are what still runs."""

    def after_fork(outlet: Outlet) -> None:
        util.Finalize(None, outlet.leave, exitpriority=-100)

    util.register_after_fork(_OUTLET, after_fork)
