"""What the inventory says of the process itself: its command and server, how long that lets a worker work, which
replica it is, its clock's zone, and what it weighs."""

import gc
import logging
import os
import re
import shlex
import sys
import threading
import time
from collections.abc import Mapping, Sequence
from typing import Any

_GUNICORN_TIMEOUT_S = 30.0
_TIMEOUT = re.compile(r"(?:--timeout=?|-t)(\d{1,6})?")
_WORKERS = re.compile(r"(?:--workers=?|--concurrency=?|-w|-c(?=\d))(\d{1,5})?")
_REPLICA_VARIABLES = ("POD_NAME", "HOSTNAME", "DYNO", "FLY_MACHINE_ID", "ECS_CONTAINER_METADATA_URI_V4")


def worker_timeout_s(
    model: str, argv: Sequence[str], environ: Mapping[str, str], folder: str
) -> float | None:
    """After how long the server ends a worker that still works; None where it would not or cannot be told."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None:
        limit = getattr(uwsgi, "opt", {}).get("harakiri", b"")
        text = limit.decode("ascii", "replace") if isinstance(limit, bytes) else str(limit)
        return float(text) if text.isdecimal() else None
    if not model.startswith("gunicorn"):
        return None
    given = [*shlex.split(environ.get("GUNICORN_CMD_ARGS", "")), *argv]
    for place, word in enumerate(given):
        found = _TIMEOUT.fullmatch(word)
        if found is not None:
            value = found[1] or (given[place + 1] if place + 1 < len(given) else "")
            return float(value) if value.isdecimal() else None
    in_a_file = any(word.startswith(("-c", "--config")) for word in given)
    if in_a_file or os.path.exists(os.path.join(folder, "gunicorn.conf.py")):
        return None
    return _GUNICORN_TIMEOUT_S


def workers(model: str, argv: Sequence[str], environ: Mapping[str, str]) -> int | None:
    """How many processes the server was told to start; None where the command does not say so."""
    uwsgi = sys.modules.get("uwsgi")
    if uwsgi is not None:
        return int(uwsgi.numproc)
    given = list(argv)
    if model.startswith("gunicorn"):
        given = [*shlex.split(environ.get("GUNICORN_CMD_ARGS", "")), *argv]
    for place, word in enumerate(given):
        found = _WORKERS.fullmatch(word)
        if found is not None:
            value = found[1] or (given[place + 1] if place + 1 < len(given) else "")
            return int(value) if value.isdecimal() and len(value) < 6 else None
    concurrency = environ.get("WEB_CONCURRENCY", "")
    if concurrency.isdecimal() and model.startswith(("gunicorn", "uvicorn")):
        return int(concurrency)
    return 1 if model.startswith("gunicorn") and "-c" not in given and "--config" not in given else None


def clock() -> dict[str, Any]:
    """The zone of the process, which decides what `datetime.now()` means in it."""
    local = time.localtime()
    return {"time_zone": str(local.tm_zone), "utc_offset_s": int(local.tm_gmtoff), "time_ns": time.time_ns()}


def log_levels() -> dict[str, int]:
    """Of the root logger alone: what is below never comes to exist, and doctor says so."""
    return {"root_level": logging.root.level}


def replica(environ: Mapping[str, str]) -> dict[str, str]:
    """By which name an orchestrator knows this process, where it tells."""
    return {name.lower(): environ[name] for name in _REPLICA_VARIABLES if environ.get(name)}


def weight() -> dict[str, Any]:
    """Memory, threads and what the garbage collector did since the process began."""
    told: dict[str, Any] = {
        "threads": threading.active_count(),
        "gc_collections": sum(generation["collections"] for generation in gc.get_stats()),
        "gc_collected": sum(generation["collected"] for generation in gc.get_stats()),
    }
    try:
        with open("/proc/self/statm", encoding="ascii") as statm:
            told["rss_bytes"] = int(statm.read().split()[1]) * os.sysconf("SC_PAGE_SIZE")
    except (OSError, ValueError, IndexError):
        pass
    return told
