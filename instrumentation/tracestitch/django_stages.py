"""What Django and REST framework spend a request's time on besides the view: middleware, slow signals, forms and
serializers. Numbers for one compact attribute; none of them is a span."""

from collections.abc import Callable
from functools import wraps
from inspect import iscoroutinefunction
from time import perf_counter_ns
from types import ModuleType
from typing import Any

from tracestitch import frames, server
from tracestitch.patching import replace
from tracestitch.safety import guard

_TIMING = guard("timing a stage of a Django request")
# On the request: the time of the layers inside the one that runs.
_INSIDE = "_tracestitch_inside_ns"
_SLOW_SIGNAL_NS = 1_000_000
# Less adds up to nothing in a few layers.
_WORTH_ADDING_NS = 20_000


def patch_layers(module: ModuleType) -> None:
    """Django puts this function around each middleware, and around what finds and calls the view."""
    replace(module, "convert_exception_to_response", _timing_layers)


def patch_signals(module: ModuleType) -> None:
    replace(module.Signal, "connect", _timing_receivers)


def patch_forms(module: ModuleType) -> None:
    replace(module.BaseForm, "full_clean", _timing("form", _class_name))


def patch_serializers(module: ModuleType) -> None:
    base, many = module.BaseSerializer, module.ListSerializer
    for kind in (base, many):
        replace(kind, "is_valid", _timing("validation", _serializer_name))
    original = base.__dict__.get("data")
    if (
        isinstance(original, property)
        and original.fget is not None
        and not hasattr(base, "_tracestitch_data")
    ):
        base._tracestitch_data = original
        base.data = property(_timing("serializer", _serializer_name)(original.fget), original.fset)


def _timing_layers(original: Any) -> Callable[..., Any]:
    def convert_exception_to_response(get_response: Any) -> Any:
        handler = original(get_response)
        with _TIMING:
            name = _layer_name(get_response)
            return _async_layer(handler, name) if iscoroutinefunction(handler) else _layer(handler, name)
        return handler

    return convert_exception_to_response


def _layer_name(get_response: Any) -> str:
    """Empty for the handler's own innermost layer, which is no middleware."""
    if getattr(get_response, "__name__", "") in ("_get_response", "_get_response_async"):
        return ""
    named = get_response if hasattr(get_response, "__qualname__") else type(get_response)
    return f"{named.__module__}.{named.__qualname__.partition('.<locals>')[0]}"


def _layer(handler: Any, name: str) -> Callable[..., Any]:
    def layer(request: Any) -> Any:
        known: dict[str, Any] = {}
        before, begun_ns = 0, perf_counter_ns()
        try:
            known = request.__dict__
            before = known.get(_INSIDE, 0)
            known[_INSIDE] = 0
        except Exception as error:
            _TIMING.caught(error)
        try:
            return handler(request)
        finally:
            try:
                took_ns = perf_counter_ns() - begun_ns
                own_ns = took_ns - known.get(_INSIDE, 0)
                known[_INSIDE] = before + took_ns
                if name and own_ns >= _WORTH_ADDING_NS:
                    server.spent("middleware", name, own_ns)
            except Exception as error:
                _TIMING.caught(error)

    return layer


def _async_layer(handler: Any, name: str) -> Callable[..., Any]:
    async def layer(request: Any) -> Any:
        before, begun_ns = 0, perf_counter_ns()
        try:
            before = _enter(request)
        except Exception as error:
            _TIMING.caught(error)
        try:
            return await handler(request)
        finally:
            try:
                _leave(request, name, before, perf_counter_ns() - begun_ns)
            except Exception as error:
                _TIMING.caught(error)

    return layer


def _enter(request: Any) -> int:
    known = request.__dict__
    before: int = known.get(_INSIDE, 0)
    known[_INSIDE] = 0
    return before


def _leave(request: Any, name: str, before: int, took_ns: int) -> None:
    known = request.__dict__
    own_ns = took_ns - known.get(_INSIDE, 0)
    known[_INSIDE] = before + took_ns
    if name and own_ns >= _WORTH_ADDING_NS:
        server.spent("middleware", name, own_ns)


def _timing_receivers(original: Any) -> Callable[..., Any]:
    """Of a signal that somebody listens to, and of no other: Django sends two for each object that it loads."""

    def connect(self: Any, *args: Any, **kwargs: Any) -> Any:
        connected = original(self, *args, **kwargs)
        with _TIMING:
            if "send" not in self.__dict__:
                self.__dict__["send"] = _timed_send(self.send)
        return connected

    return connect


def _timed_send(original: Any) -> Callable[..., Any]:
    @wraps(original)
    def send(*args: Any, **named: Any) -> Any:
        begun_ns = perf_counter_ns()
        answers = original(*args, **named)
        took_ns = perf_counter_ns() - begun_ns
        if took_ns >= _SLOW_SIGNAL_NS:
            with _TIMING:
                _tell_signal(answers, took_ns)
        return answers

    return send


def _tell_signal(answers: Any, took_ns: int) -> None:
    """By the user's receivers; which of several took the time, their sum does not show."""
    names = []
    for receiver, _ in answers:
        place = frames.function_location(receiver)
        if place is not None and frames.is_user_file(place.file):
            names.append(place.function)
    if names:
        server.spent("signal", ", ".join(names[:3]), took_ns)


def _timing(kind: str, name_of: Callable[[Any], str]) -> Callable[[Any], Callable[..., Any]]:
    def make(original: Any) -> Callable[..., Any]:
        def timed(self: Any, *args: Any, **kwargs: Any) -> Any:
            begun_ns = perf_counter_ns()
            try:
                return original(self, *args, **kwargs)
            finally:
                with _TIMING:
                    server.spent(kind, name_of(self), perf_counter_ns() - begun_ns)

        return timed

    return make


def _class_name(thing: Any) -> str:
    return f"{type(thing).__module__}.{type(thing).__qualname__}"


def _serializer_name(serializer: Any) -> str:
    return _class_name(getattr(serializer, "child", serializer))
