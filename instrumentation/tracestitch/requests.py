"""requests: one client span for each `Session.send`; urllib3 beneath it tells the timeouts that really hold."""

from types import ModuleType
from typing import Any

from tracestitch import http_clients, urllib3
from tracestitch.http_clients import Timeouts
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.tracebacks import UNSEEN

_SENDING = guard("requests")


def patch_sessions(module: ModuleType) -> None:
    replace(module.Session, "send", _observed)


def _observed(original: Any) -> Any:
    def send(self: Any, request: Any, **kwargs: Any) -> Any:
        call = None
        with _SENDING:
            call = _started(request, kwargs.get("timeout"))
        if call is None:
            with UNSEEN:
                return original(self, request, **kwargs)
        with call:
            with _SENDING:
                call.inject(request.headers)
            response = original(self, request, **kwargs)
            with _SENDING:
                call.answered(response.status_code, response)
        return response

    return send


def _started(request: Any, timeout: object) -> http_clients.HttpCall | None:
    return http_clients.start("requests", request.method or "", request.url or "", timeouts(timeout))


def timeouts(value: object) -> Timeouts:
    """What `timeout=` means to requests: both limits, a pair of them, a urllib3 Timeout, or None for no limit."""
    if isinstance(value, tuple) and len(value) == 2:
        connect, read = value
        return Timeouts(connect_s=urllib3.seconds(connect), read_s=urllib3.seconds(read))
    if value is None or isinstance(value, int | float):
        return Timeouts(connect_s=urllib3.seconds(value), read_s=urllib3.seconds(value))
    return urllib3.timeouts(value)
