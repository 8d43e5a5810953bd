"""Django's transactions: where the user's `atomic` began one, what was done within it, and how long it was open."""

import sys
from collections.abc import Callable
from functools import lru_cache
from time import perf_counter_ns
from types import FrameType, ModuleType
from typing import Any

from tracestitch import calls, commits, databases, frames, server
from tracestitch.frames import CodeLocation
from tracestitch.patching import replace
from tracestitch.safety import guard
from tracestitch.transactions import DJANGO_KEY, Transaction

_BEGINNING, _CONNECTING = guard("beginning a transaction"), guard("timing a connection")
_ENDING = guard("ending a transaction")


def patch_atomic(module: ModuleType) -> None:
    def beginning(original: Any) -> Callable[..., Any]:
        def __enter__(self: Any) -> Any:  # noqa: N807 - it takes the place of one
            result = original(self)
            try:
                connection = module.get_connection(self.using)
                if not connection.savepoint_ids:  # the outermost block, which makes no savepoint
                    connection.__dict__[DJANGO_KEY] = Transaction(_place(sys._getframe(1)))
            except Exception as error:
                _BEGINNING.caught(error)
            return result

        return __enter__

    replace(module.Atomic, "__enter__", beginning)


def patch_connections(module: ModuleType) -> None:
    wrapper = module.BaseDatabaseWrapper
    replace(wrapper, "_commit", _ending("COMMIT"))
    replace(wrapper, "_rollback", _ending("ROLLBACK"))
    replace(wrapper, "connect", _timing_connect)


def _place(caller: FrameType | None) -> CodeLocation | None:
    """Of `with atomic()` its line; of `@atomic` the function beneath."""
    if caller is not None and caller.f_code.co_name == "inner" and "contextlib" in caller.f_code.co_filename:
        function = caller.f_locals.get("func")
        place = _definition(function) if callable(function) else None
        if place is not None and frames.is_user_file(place.file):
            return place
    return frames.user_frame(1) or calls.given_at()


@lru_cache(maxsize=512)
def _definition(function: Callable[..., Any]) -> CodeLocation | None:
    return frames.function_location(function)


def _ending(name: str) -> Callable[[Any], Callable[..., Any]]:
    def make(original: Any) -> Callable[..., Any]:
        def end(self: Any) -> Any:
            transaction = location = None
            database: dict[str, Any] = {}
            try:
                transaction = self.__dict__.pop(DJANGO_KEY, None)
                if type(transaction) is Transaction:
                    transaction.hooks, location = len(self.run_on_commit), transaction.location
                    database = databases.of_django(self).attributes()
            except Exception as error:
                _ENDING.caught(error)
            if transaction is None:
                return original(self)
            return commits.ending(name, transaction, database, location, lambda: original(self))

        return end

    return make


def _timing_connect(original: Any) -> Callable[..., Any]:
    def connect(self: Any, *args: Any, **kwargs: Any) -> Any:
        begun_ns = perf_counter_ns()
        try:
            return original(self, *args, **kwargs)
        finally:
            with _CONNECTING:
                server.spent("connect", str(self.alias), perf_counter_ns() - begun_ns)

    return connect
