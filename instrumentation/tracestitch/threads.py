"""Work that a request or task gives to a thread stays in its trace: what `Thread.start` and a ThreadPoolExecutor hand
over takes OpenTelemetry's context along, and no other context variable of the app.
"""

import sys
import threading
from collections.abc import Callable
from contextvars import Context as Variables
from types import ModuleType
from typing import Any

from opentelemetry import context
from opentelemetry.context import Context

from tracestitch import calls, contexts, frames
from tracestitch.patching import replace
from tracestitch.safety import guard

_CARRIED = "_tracestitch_context"
_HANDING_OVER, _TAKING_OVER = guard("handing a trace to a thread"), guard("taking a trace over in a thread")


def patch_threads(module: ModuleType) -> None:
    """From Python 3.14 on a thread runs in a context that `start` decides on; before, in one that nobody sees."""
    own = module.Thread
    if sys.version_info >= (3, 14):
        if not sys.flags.thread_inherit_context:
            replace(own, "start", in_contexts)
    else:
        replace(own, "start", _started)
        replace(own, "_bootstrap_inner", _carried)


def patch_pools(module: ModuleType) -> None:
    """Not `submit` itself, which the app's own executors override: each piece of work passes here."""
    replace(module._WorkItem, "__init__", _given)
    replace(module._WorkItem, "run", _carried)


def _started(original: Callable[..., None]) -> Callable[..., None]:
    def start(self: threading.Thread) -> None:
        try:
            if calls.in_trace() and _is_apps(self):
                self.__dict__[_CARRIED] = _handed_over()
        except Exception as error:
            _HANDING_OVER.caught(error)
        original(self)

    return start


def in_contexts(original: Callable[..., None]) -> Callable[..., None]:
    def start(self: threading.Thread) -> None:
        try:
            # A context that the app chose is the app's.
            if getattr(self, "_context", self) is None and calls.in_trace() and _is_apps(self):
                variables = Variables()
                variables.run(contexts.attach, _handed_over())
                self.__dict__["_context"] = variables
        except Exception as error:
            _HANDING_OVER.caught(error)
        original(self)

    return start


def _given(original: Callable[..., None]) -> Callable[..., None]:
    def __init__(self: Any, *args: Any, **kwargs: Any) -> None:  # noqa: N807 - stands in its place
        original(self, *args, **kwargs)
        try:
            if calls.in_trace():
                self.__dict__[_CARRIED] = _handed_over()
        except Exception as error:
            _HANDING_OVER.caught(error)

    return __init__


def _carried(original: Callable[..., None]) -> Callable[..., None]:
    """Around the place that catches what the work raises, so that no traceback shows a frame of ours."""

    def run(self: Any, *args: Any) -> None:
        token = None
        try:
            carried = self.__dict__.pop(_CARRIED, None)
            if carried is not None:
                token = contexts.attach(carried)
                calls.WORKING.given_at = carried.get(calls.GIVEN_AT)
        except Exception as error:
            _TAKING_OVER.caught(error)
        try:
            original(self, *args)
        finally:
            with _TAKING_OVER:
                if token is not None:
                    calls.WORKING.given_at = None
                    contexts.detach(token)

    return run


def _handed_over() -> Context:
    site = frames.user_frame()
    handed = contexts.current()
    return handed if site is None else context.set_value(calls.GIVEN_AT, site, handed)


def _is_apps(thread: threading.Thread) -> bool:
    """Started by the app's code or running it. What libraries start for themselves, such as the workers of a pool,
    outlives the request that happened to need it first."""
    caller = sys._getframe(2)
    if frames.is_user_code(caller.f_code):
        return True
    work = getattr(thread, "_target", None) or type(thread).run
    function = frames.underlying_function(work)
    return function is not None and frames.is_user_code(function.__code__)
