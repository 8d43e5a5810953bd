"""The agent may never break the app: whatever goes wrong inside it is swallowed, counted and said once."""

import logging
import sys
from collections import Counter
from collections.abc import Callable
from types import TracebackType
from typing import ParamSpec, TypeVar

P = ParamSpec("P")
R = TypeVar("R")

LOGGER = logging.getLogger("tracestitch")


def say(text: str) -> None:
    """One line for the people who run the app: on the logger `tracestitch`, else on stderr."""
    monkey = sys.modules.get("gevent.monkey") or sys.modules.get("eventlet.patcher")
    if LOGGER.isEnabledFor(logging.WARNING) and not LOGGER.disabled and monkey is None:
        LOGGER.warning("tracestitch: %s", text)
    elif sys.stderr is not None:  # green locks of the app's log handlers are not for our real thread
        sys.stderr.write(f"tracestitch: {text}\n")


class Failures:
    """How often each part of the agent failed in this process."""

    def __init__(self) -> None:
        self._counts: Counter[str] = Counter()

    def count(self, what: str, error: BaseException) -> None:
        self._counts[what] += 1
        if self._counts[what] == 1:
            say(
                f"{what} failed ({type(error).__name__}: {error}); the app goes on, and this is said only once. "
                "Please report it with the traceback that the logger tracestitch shows at DEBUG level."
            )
            LOGGER.debug("tracestitch: %s failed", what, exc_info=error)

    def by_part(self) -> dict[str, int]:
        return dict(self._counts)


# One agent lives in a process, so its failures have one home.
FAILURES = Failures()


class guard:  # noqa: N801 - reads as a statement: `with guard("reading the route"):`
    """Swallows any Exception of the agent's own code inside; never put the app's code inside."""

    __slots__ = ("_what",)

    def __init__(self, what: str) -> None:
        self._what = what

    def __enter__(self) -> None:
        return None

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> bool:
        if error is None or not isinstance(error, Exception):
            return False
        self.caught(error)
        return True

    def caught(self, error: Exception) -> None:
        """For what runs many times in each request: `except Exception as error: GUARD.caught(error)` costs nothing
        as long as nothing fails."""
        try:
            FAILURES.count(self._what, error)
        except Exception:  # noqa: S110 - a broken log handler of the app must not reach the app through us
            pass


def safely(what: str) -> Callable[[Callable[P, R]], Callable[P, R | None]]:
    """The same for a whole function, which then answers None when it failed."""

    guarded = guard(what)

    def wrap(function: Callable[P, R]) -> Callable[P, R | None]:
        def safe(*args: P.args, **kwargs: P.kwargs) -> R | None:
            try:
                return function(*args, **kwargs)
            except Exception as error:
                guarded.caught(error)
            return None

        safe.__name__ = getattr(function, "__name__", "safe")
        safe.__doc__ = function.__doc__
        return safe

    return wrap
