"""What Flask spends a request's time on besides the view: functions before, after and at the end of a request, and
error handlers. `Flask.ensure_sync` hands out each of them right before it is called."""

import sys
from collections.abc import Callable
from time import perf_counter_ns
from types import ModuleType
from typing import Any

from tracestitch import server
from tracestitch.patching import replace
from tracestitch.safety import guard

_TIMING = guard("timing a stage of a Flask request")
_KINDS = {
    "preprocess_request": "before_request",
    "process_response": "after_request",
    "do_teardown_request": "teardown_request",
    "handle_user_exception": "error_handler",
    "handle_http_exception": "error_handler",
    "handle_exception": "error_handler",
}


def patch_hooks(module: ModuleType) -> None:
    replace(module.Flask, "ensure_sync", _timing_hooks)


def _timing_hooks(original: Any) -> Callable[..., Any]:
    def ensure_sync(self: Any, func: Any) -> Any:
        ready = original(self, func)
        try:
            kind = _KINDS.get(sys._getframe(1).f_code.co_name)
            return ready if kind is None else _timed(ready, kind, func)
        except Exception as error:
            _TIMING.caught(error)
        return ready

    return ensure_sync


def _timed(ready: Any, kind: str, function: Any) -> Callable[..., Any]:
    def hook(*args: Any, **kwargs: Any) -> Any:
        begun_ns = perf_counter_ns()
        try:
            return ready(*args, **kwargs)
        finally:
            with _TIMING:
                server.spent(kind, _name(function), perf_counter_ns() - begun_ns)

    return hook


def _name(function: Any) -> str:
    return (
        f"{getattr(function, '__module__', '')}.{getattr(function, '__qualname__', type(function).__name__)}"
    )
