"""aiohttp's client: one client span for each request of a session, redirects included, until its headers are there."""

from collections.abc import Mapping
from types import ModuleType
from typing import Any

from tracestitch import http_clients
from tracestitch.http_clients import Timeouts
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.tracebacks import UNSEEN

_SENDING = guard("aiohttp")


def patch_sessions(module: ModuleType) -> None:
    replace(module.ClientSession, "_request", _observed)


def _observed(original: Any) -> Any:
    async def _request(self: Any, method: Any, str_or_url: Any, **kwargs: Any) -> Any:
        call = None
        with _SENDING:
            call = _started(self, method, str_or_url, kwargs)
        if call is None:
            with UNSEEN:
                return await original(self, method, str_or_url, **kwargs)
        with call:
            with _SENDING:
                kwargs["headers"] = _with_trace(call, kwargs.get("headers"))
            response = await original(self, method, str_or_url, **kwargs)
            with _SENDING:
                call.answered(response.status, response)
        return response

    return _request


def _started(session: Any, method: Any, url: Any, kwargs: Mapping[str, Any]) -> http_clients.HttpCall | None:
    if session.closed:
        return None
    full = str(session._build_url(url))
    return http_clients.start("aiohttp", str(method), full, timeouts(session, kwargs))


def _with_trace(call: http_clients.HttpCall, headers: Any) -> Any:
    """A copy: the user may share one mapping among requests."""
    from multidict import CIMultiDict

    copy: Any = CIMultiDict(headers or ())
    for name in ("traceparent", "tracestate"):
        copy.popall(name, None)
    call.inject(copy)
    return copy


def timeouts(session: Any, kwargs: Mapping[str, Any]) -> Timeouts:
    """Of a ClientTimeout, where `total` bounds the rest and zero is no limit; a plain number is a total."""
    given = kwargs.get("timeout", session.timeout)
    if given is None or isinstance(given, int | float):
        total = given or None
        return Timeouts(connect_s=total, read_s=total)
    limit = given if hasattr(given, "sock_read") else session.timeout
    connect = _shortest(limit.connect, limit.sock_connect, limit.total)
    return Timeouts(connect_s=connect, read_s=_shortest(limit.sock_read, limit.total))


def _shortest(*limits: float | None) -> float | None:
    return min((limit for limit in limits if limit), default=None)
