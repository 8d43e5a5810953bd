"""httpx: one client span for each `send` of a client, synchronous or not, redirects included."""

from types import ModuleType
from typing import Any

from tracestitch import http_clients
from tracestitch.http_clients import Timeouts
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.tracebacks import UNSEEN

_SENDING = guard("httpx")


def patch_clients(module: ModuleType) -> None:
    replace(module.Client, "send", _observed)
    replace(module.AsyncClient, "send", _observed_async)


def _observed(original: Any) -> Any:
    def send(self: Any, request: Any, **kwargs: Any) -> Any:
        call = None
        with _SENDING:
            call = _started(self, request)
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


def _observed_async(original: Any) -> Any:
    async def send(self: Any, request: Any, **kwargs: Any) -> Any:
        call = None
        with _SENDING:
            call = _started(self, request)
        if call is None:
            with UNSEEN:
                return await original(self, request, **kwargs)
        with call:
            with _SENDING:
                call.inject(request.headers)
            response = await original(self, request, **kwargs)
            with _SENDING:
                call.answered(response.status_code, response)
        return response

    return send


def _started(client: Any, request: Any) -> http_clients.HttpCall | None:
    limits = request.extensions.get("timeout", client.timeout.as_dict())
    timeouts = Timeouts(connect_s=limits.get("connect"), read_s=limits.get("read"))
    return http_clients.start("httpx", request.method, str(request.url), timeouts)
