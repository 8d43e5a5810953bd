"""What ties the processes of one server together: they share the lock on the data folder, and none outlives the
supervisor.
"""

from __future__ import annotations

import ctypes
import fcntl
import os
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

from tracestitch_collector.errors import BadConfiguration

LOCK_S = 2.0
"""The processes of a supervisor that was killed need a moment to go too."""


def take_folder(data: Path) -> int:
    """The lock on a data folder, held until the file is closed by everyone who inherited it."""
    run = data / "run"
    try:
        # What telemetry says is for nobody else on this machine; a folder that exists keeps its mode.
        data.mkdir(mode=0o700, parents=True, exist_ok=True)
        run.mkdir(exist_ok=True)
        file = os.open(run / "lock", os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    except OSError as error:
        raise BadConfiguration(
            f"the data folder {data} cannot be written: {error.strerror}; choose another with --data"
        ) from error
    deadline_s = time.monotonic() + LOCK_S
    while True:
        try:
            fcntl.flock(file, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError as error:
            if time.monotonic() > deadline_s:
                os.close(file)
                raise BadConfiguration(
                    f"another tracestitch serve uses the data folder {data}; stop it, or choose another with --data"
                ) from error
            time.sleep(0.05)
        else:
            return file


def die_with(parent: int) -> Callable[[], None]:
    """Runs in the new process before its program: a supervisor that is killed must leave nothing behind."""
    if not sys.platform.startswith("linux"):
        return lambda: None
    prctl = ctypes.CDLL(None, use_errno=True).prctl
    set_parent_death_signal = 1

    def bind_life() -> None:
        prctl(set_parent_death_signal, signal.SIGKILL)
        if os.getppid() != parent:
            os._exit(1)

    return bind_life
