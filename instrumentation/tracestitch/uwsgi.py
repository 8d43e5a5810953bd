"""uWSGI before 2.0.27 runs no thread of Python between two requests unless it is told --enable-threads, so the
exporter's gets its turn right after each: while nobody waits for an answer, and not for long.
"""

import re
import sys
from types import ModuleType
from typing import Any

from tracestitch import export
from tracestitch.patching import replace
from tracestitch.safety import guard

_TURN_S = 0.05
_GIVING_A_TURN = guard("sending after a request of uWSGI")


def send_after_requests(_: ModuleType) -> None:
    """Once the app is being loaded: uWSGI looks for the hook when it has loaded it."""
    server: Any = sys.modules.get("uwsgi")
    if server is None or _runs_threads(server):
        return
    if not hasattr(server, "after_req_hook"):
        server.after_req_hook = _nothing
    replace(server, "after_req_hook", _giving_a_turn)


def _runs_threads(server: Any) -> bool:
    version = [int(part) for part in re.findall(rb"\d+", server.version)[:3]]
    return version >= [2, 0, 27] or any(name in server.opt for name in ("enable-threads", "threads"))


def _nothing() -> None:
    pass


def _giving_a_turn(original: Any) -> Any:
    def after_req_hook(*args: Any) -> Any:
        try:
            export.give_a_turn(_TURN_S)
        except Exception as error:
            _GIVING_A_TURN.caught(error)
        return original(*args)

    return after_req_hook
