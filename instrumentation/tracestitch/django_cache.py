"""Django's caches: hits and misses as numbers of the request, and a span where a call leaves the process and nobody
else tells of it, as with memcached. Redis has its own spans, a cache in a table has its statements."""

import re
from collections.abc import Callable, Mapping, Sized
from contextvars import ContextVar
from time import perf_counter_ns
from types import ModuleType
from typing import Any

from opentelemetry.trace import Span, SpanKind

from tracestitch import calls, server
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.stages import Stages
from tracestitch.tracing import current_span

_CALLING = guard("observing a cache")
# A cache's methods are made of its other methods: only the outermost counts, and here are those inside it.
_INSIDE: ContextVar[list[str] | None] = ContextVar("tracestitch-cache-inside", default=None)
_OPERATIONS = (
    "get",
    "get_many",
    "get_or_set",
    "has_key",
    "set",
    "set_many",
    "add",
    "delete",
    "delete_many",
    "incr",
    "touch",
)
_MEMCACHED = "django.core.cache.backends.memcached"
_NAMING = re.compile(r"[A-Za-z][A-Za-z_.-]{0,39}")


def patch_handler(module: ModuleType) -> None:
    """Of each cache that the app opens, its class."""

    def observing(original: Any) -> Callable[..., Any]:
        def create_connection(self: Any, alias: Any) -> Any:
            cache = original(self, alias)
            with _CALLING:
                observe(type(cache))
            return cache

        return create_connection

    replace(module.CacheHandler, "create_connection", observing)


def observe(kind: type) -> None:
    remote = any(ancestor.__module__ == _MEMCACHED for ancestor in kind.__mro__)
    for operation in _OPERATIONS:
        if hasattr(kind, operation):
            replace(kind, operation, _counting(operation, remote))


def _counting(operation: str, remote: bool) -> Callable[[Any], Callable[..., Any]]:
    def make(original: Any) -> Callable[..., Any]:
        def observed(self: Any, *args: Any, **kwargs: Any) -> Any:
            stages = span = token = None
            inside: list[str] = []
            with _CALLING:
                stages = _stages(operation)
                if stages is not None:
                    span = _span(operation, args[0] if args else kwargs.get("key")) if remote else None
                    token = _INSIDE.set(inside)
            if stages is None:
                return original(self, *args, **kwargs)
            begun_ns = perf_counter_ns()
            try:
                answer = original(self, *args, **kwargs)
            except BaseException as error:
                with _CALLING:
                    if span is not None:
                        calls.fail(span, error)
                raise
            finally:
                took_ns = perf_counter_ns() - begun_ns
                with _CALLING:
                    if token is not None:
                        _INSIDE.reset(token)
                with _CALLING:
                    stages.add("cache", operation, took_ns)
                with _CALLING:
                    if span is not None:
                        span.end()
            with _CALLING:
                _count(stages, operation, args, kwargs, answer, inside)
            return answer

        return observed

    return make


def _stages(operation: str) -> Stages | None:
    """Of the request; none outside of one, and inside of another call of the cache, which is told of this one."""
    outer = _INSIDE.get()
    if outer is None:
        return server.current_stages()
    outer.append(operation)
    return None


def _count(
    stages: Stages, operation: str, args: Any, kwargs: Mapping[str, Any], answer: Any, inside: list[str]
) -> None:
    if operation == "get":
        default = args[1] if len(args) > 1 else kwargs.get("default")
        _add(stages, 0 if answer is default else 1, 1)
    elif operation == "get_or_set":
        _add(stages, 0 if "add" in inside else 1, 1)
    elif operation == "has_key":
        _add(stages, 1 if answer else 0, 1)
    elif operation == "get_many":
        asked = args[0] if args else kwargs.get("keys")
        _add(stages, len(answer), len(asked) if isinstance(asked, Sized) else len(answer))


def _add(stages: Stages, found: int, asked: int) -> None:
    stages.hits += found
    stages.misses += max(0, asked - found)


def _span(operation: str, key: Any) -> Span | None:
    with _CALLING:
        if current_span().is_recording() and not calls.suppressed():
            attributes = {
                "db.system.name": "memcached",
                "db.operation.name": operation,
                "db.query.summary": f"{operation} {key_pattern(key)}".strip(),
            }
            return calls.start(f"cache {operation}", SpanKind.CLIENT, attributes)
    return None


def key_pattern(key: Any) -> str:
    """`client:*:*` of `client:17:name`: what a key is about, and nothing of whom."""
    if not isinstance(key, str):
        return ""
    first, *rest = key.split(":")
    named = first if _NAMING.fullmatch(first) else "*"
    return ":".join([named, *("*" for _ in rest[:4])])
