"""urllib3: one client span for each `urlopen` of a connection pool, retries included; beneath requests there is
no second span, only the limits and the retries are told to the call that is under way."""

import socket
from collections.abc import Mapping, MutableMapping
from types import ModuleType
from typing import Any

from tracestitch import http_clients
from tracestitch.http_clients import Timeouts
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.tracebacks import UNSEEN

_SENDING = guard("urllib3")


def patch_connection_pool(module: ModuleType) -> None:
    replace(module.HTTPConnectionPool, "urlopen", _observed)


def _observed(original: Any) -> Any:
    # The parameters stand as in urllib3 up to the headers, which it also passes by position when it retries.
    def urlopen(
        self: Any, method: Any, url: Any, body: Any = None, headers: Any = None, *args: Any, **kwargs: Any
    ) -> Any:
        call = None
        with _SENDING:
            call = _started(self, method, url, kwargs)
        if call is None:
            with UNSEEN:
                return original(self, method, url, body, headers, *args, **kwargs)
        with call:
            with _SENDING:
                headers = _with_trace(call, self.headers if headers is None else headers)
            response = original(self, method, url, body, headers, *args, **kwargs)
            with _SENDING:
                call.answered(response.status, response)
        return response

    return urlopen


def _started(pool: Any, method: str, url: str, kwargs: Mapping[str, Any]) -> http_clients.HttpCall | None:
    under_way = http_clients.current()
    if under_way is not None:
        under_way.sent(_limits(pool, kwargs))
        return None
    call = http_clients.start("urllib3", method, _full_url(pool, url), None)
    if call is not None:
        call.sent(_limits(pool, kwargs))
    return call


def _full_url(pool: Any, url: str) -> str:
    if "://" in url:
        return url
    host = f"[{pool.host}]" if ":" in pool.host and not pool.host.startswith("[") else pool.host
    port = f":{pool.port}" if pool.port and pool.port != {"http": 80, "https": 443}.get(pool.scheme) else ""
    return f"{pool.scheme}://{host}{port}{url}"


def _with_trace(call: http_clients.HttpCall, headers: Mapping[str, str]) -> Mapping[str, str]:
    """A copy of the headers of the same kind: the user may share one mapping among threads."""
    copy: MutableMapping[str, str] = headers.copy() if hasattr(headers, "copy") else dict(headers)
    for name in [name for name in copy if name.lower() in ("traceparent", "tracestate")]:
        del copy[name]
    call.inject(copy)
    return copy


def _limits(pool: Any, kwargs: Mapping[str, Any]) -> Timeouts:
    value = kwargs.get("timeout", pool.timeout)
    return timeouts(value) if hasattr(value, "_read") else timeouts(pool._get_timeout(value))


def timeouts(limit: Any) -> Timeouts:
    """The limits of a `urllib3.Timeout`, where `total` bounds either."""
    total = seconds(limit.total) if limit.total is not None else None
    return Timeouts(
        connect_s=_shorter(seconds(limit._connect), total), read_s=_shorter(seconds(limit._read), total)
    )


def seconds(value: object) -> float | None:
    """None is no limit; urllib3's sentinel is the process's default for sockets."""
    if value is None:
        return None
    return float(value) if isinstance(value, int | float) else socket.getdefaulttimeout()


def _shorter(one: float | None, other: float | None) -> float | None:
    limits = [limit for limit in (one, other) if limit is not None]
    return min(limits, default=None)
