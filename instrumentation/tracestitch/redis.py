"""redis-py, synchronous or not: one client span for each command or pipeline. Keys are told as patterns, values never.
Commands of kombu and Celery themselves (their queues, their results) are left out, and so is whatever no request or
task asked for."""

import inspect
import sys
from collections.abc import Callable, Mapping
from types import FrameType, ModuleType
from typing import Any

from opentelemetry.trace import Span, SpanKind
from opentelemetry.util.types import AttributeValue

from tracestitch import calls, redis_commands, tracebacks
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.tracebacks import UNSEEN

_REDIS = guard("redis")
_PLUMBING = ("redis.", "tracestitch.")
_OBSERVED_ELSEWHERE = ("kombu.", "celery.")
_SERVER = "_tracestitch_server"
_DEFAULT_PORT = 6379


def patch_clients(module: ModuleType) -> None:
    replace(module.Redis, "execute_command", _observed_command)
    replace(module.Pipeline, "immediate_execute_command", _observed_command)
    replace(module.Pipeline, "execute", _observed_pipeline)


def _observed_command(original: Any) -> Any:
    return _observed(original, lambda client, args: _started(client, (args,), sys._getframe(2)))


def _observed_pipeline(original: Any) -> Any:
    return _observed(original, lambda pipeline, _: _started_pipeline(pipeline, sys._getframe(2)))


def _observed(original: Any, start: Callable[[Any, tuple[Any, ...]], "_Running | None"]) -> Any:
    if inspect.iscoroutinefunction(original):

        async def execute_async(self: Any, *args: Any, **options: Any) -> Any:
            running = None
            try:
                running = start(self, args)
            except Exception as error:
                _REDIS.caught(error)
            if running is None:
                with UNSEEN:
                    return await original(self, *args, **options)
            with running:
                return await original(self, *args, **options)

        return execute_async

    def execute(self: Any, *args: Any, **options: Any) -> Any:
        running = None
        try:
            running = start(self, args)
        except Exception as error:
            _REDIS.caught(error)
        if running is None:
            with UNSEEN:
                return original(self, *args, **options)
        with running:
            return original(self, *args, **options)

    return execute


class _Running:
    """Ends the span; what goes wrong inside belongs to the user."""

    __slots__ = ("_span",)

    def __init__(self, span: Span) -> None:
        self._span = span

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, traceback: object) -> None:
        with _REDIS:
            if error is not None:
                calls.fail(self._span, error)
            self._span.end()
            tracebacks.hide_own_frames(error)


def _started_pipeline(pipeline: Any, caller: FrameType | None) -> _Running | None:
    commands = [getattr(command, "args", None) or command[0] for command in pipeline.command_stack]
    return _started(pipeline, commands, caller, pipeline=True) if commands else None


def _started(
    client: Any, commands: Any, caller: FrameType | None, *, pipeline: bool = False
) -> _Running | None:
    if not calls.in_trace() or _told_elsewhere(caller) or calls.suppressed():
        return None
    told = redis_commands.told(commands)
    operation = "PIPELINE" if pipeline else told[0].partition(" ")[0]
    attributes: dict[str, AttributeValue] = {
        **_server(client),
        "db.operation.name": operation,
        "db.query.text": "; ".join(told),
        "db.query.summary": operation if pipeline else told[0],
    }
    if pipeline:
        attributes["db.operation.batch.size"] = len(commands)
    return _Running(calls.start(operation, SpanKind.CLIENT, attributes))


def _told_elsewhere(frame: FrameType | None) -> bool:
    """Whether the nearest code outside of redis-py is Celery's."""
    while frame is not None:
        module = frame.f_globals.get("__name__") or ""
        if not module.startswith(_PLUMBING):
            return bool(module.startswith(_OBSERVED_ELSEWHERE))
        frame = frame.f_back
    return False


def _server(client: Any) -> Mapping[str, AttributeValue]:
    """Of a pool, once: its server, and the limits that its connections get."""
    pool = client.connection_pool
    known: Mapping[str, AttributeValue] | None = vars(pool).get(_SERVER)
    if known is None:
        known = _described(pool)
        vars(pool)[_SERVER] = known
    return known


def _described(pool: Any) -> dict[str, AttributeValue]:
    given: Mapping[str, Any] = pool.connection_kwargs
    attributes: dict[str, AttributeValue] = {
        "db.system.name": "redis",
        "db.namespace": str(given.get("db") or 0),
    }
    if given.get("path"):
        attributes["server.address"] = str(given["path"])
    elif given.get("host") or not hasattr(pool, "service_name"):
        attributes["server.address"] = str(given.get("host") or "localhost")
        attributes["server.port"] = int(given.get("port") or _DEFAULT_PORT)
    read = _limit(pool, "socket_timeout")
    connect = _limit(pool, "socket_connect_timeout") or read
    if connect:
        attributes["tracestitch.timeout.connect_s"] = connect
    if read:
        attributes["tracestitch.timeout.read_s"] = read
    return attributes


def _limit(pool: Any, name: str) -> float | None:
    """As given, else what redis-py gives by itself: none of old, some seconds since version 8."""
    if name in pool.connection_kwargs:
        value = pool.connection_kwargs[name]
    else:
        value = None
        for kind in pool.connection_class.__mro__:
            parameter = inspect.signature(kind.__init__).parameters.get(name)
            if parameter is not None:
                value = parameter.default
                break
    return float(value) if isinstance(value, int | float) and value else None
