"""Where a failed call's exception came to rest, without `sys.monitoring` (Python 3.11): in which of the user's
functions it died, and which `except` there stands around the call.

Nothing holds the exception, which would keep the variables of its frames alive: a tether hangs on it and falls with it.
"""

import sys
import time
from types import CodeType, FrameType
from typing import Any

from tracestitch import clauses, frames
from tracestitch.clauses import Clause
from tracestitch.frames import CodeLocation
from tracestitch.safety import guard

_DEEPEST, _MOST_PLACES = 200, 8
_FALLING = guard("watching for swallowed errors")


class Rest:
    """The places in the user's code through which the call was made, innermost first, and what became of it."""

    __slots__ = ("_died_at", "_died_in", "_kind", "_places", "ended_ns", "hidden")

    def __init__(self, frame: FrameType | None, kind: type[BaseException] | None) -> None:
        self._kind = kind
        self._places: list[tuple[int, CodeType, int, CodeLocation]] = []
        self._died_in = self._died_at = -1
        self.ended_ns = 0
        # It died below the user's code, which never saw it.
        self.hidden = False
        for _ in range(_DEEPEST):
            if (
                frame is None
                or len(self._places) == _MOST_PLACES
                or frame.f_code.co_filename == frames.BOUNDARY_FILE
            ):
                break
            if frames.is_user_code(frame.f_code):
                self._places.append((id(frame), frame.f_code, frame.f_lasti, frames.frame_location(frame)))
            frame = frame.f_back

    @property
    def is_certain(self) -> bool:
        return self._died_in >= 0

    def passes(self, function: str | None, file: str) -> bool:
        """Whether the call was made through this function of the user's."""
        return any((code.co_name, code.co_filename) == (function, file) for _, code, _, _ in self._places)

    def died(self, frame: FrameType | None) -> None:
        self.ended_ns = time.time_ns()
        innermost = frame
        for _ in range(_DEEPEST):
            if frame is None:
                return
            for number, (frame_id, code, called_at, _where) in enumerate(self._places):
                if id(frame) == frame_id and frame.f_code is code:
                    if frame is innermost:
                        self._died_in, self._died_at = number, frame.f_lasti
                    self.hidden = frame is not innermost and frame.f_lasti == called_at
                    return
            frame = frame.f_back

    def found(self) -> tuple[Clause, CodeLocation] | None:
        """The clause that took it, as far as can be told."""
        if self.hidden:
            return None
        if self.is_certain:
            _, code, called_at, where = self._places[self._died_in]
            for handler in clauses.around(code, called_at):
                for clause in handler:
                    if clause.holds(self._died_at):
                        return clause, self._at(clause, code, where)
        return self._by_its_kind() if self._kind is not None else None

    def _by_its_kind(self) -> tuple[Clause, CodeLocation] | None:
        """The first clause on its way out that takes such an error and does not raise."""
        kind = self._kind
        for _, code, called_at, where in self._places:
            for handler in clauses.around(code, called_at):
                clause = next((one for one in handler if kind is None or one.takes(kind)), None)
                if clause is not None and not clause.raises:
                    return clause, self._at(clause, code, where)
                if clause is not None:
                    kind = None  # what goes on from here may be of any other
        return None

    @staticmethod
    def _at(clause: Clause, code: CodeType, where: CodeLocation) -> CodeLocation:
        return frames.file_location(code.co_filename, clause.line, where.function)


class Tether:
    """Hangs on an exception among its attributes, and tells when that dies."""

    __slots__ = ("_rest", "mark")

    def __init__(self, mark: object, rest: Rest | None) -> None:
        self.mark = mark
        self._rest = rest

    def __reduce__(self) -> tuple[Any, ...]:
        # The user's exceptions may be pickled or copied: it stays behind.
        return type(None), ()

    def __del__(self) -> None:
        try:
            if self._rest is not None:
                self._rest.died(sys._getframe().f_back)  # none where a thread or the interpreter ends
        except Exception as error:
            _FALLING.caught(error)
