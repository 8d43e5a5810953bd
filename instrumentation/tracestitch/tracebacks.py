"""What a user sees of an exception: the frames of the app and its libraries, not those of the hooks around them."""

import os
from types import TracebackType

from tracestitch.safety import guard

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_TIDYING = guard("tidying a traceback")
_MOST_LINKED = 20


def hide_own_frames(error: BaseException | None) -> None:
    """Takes the agent's frames out of the tracebacks of this exception and of those it came from. Call it where the
    app is about to look, or in the hook that lets it pass: Python adds a frame when an exception is raised in it or
    comes into it, and none when a bare `raise` or the end of a `with` lets it go on."""
    with _TIDYING:
        for _ in range(_MOST_LINKED):
            if error is None:
                return
            shown = _foreign(error.__traceback__)
            if shown is not error.__traceback__:
                error.__traceback__ = shown
            while shown is not None:
                following = _foreign(shown.tb_next)
                if following is not shown.tb_next:
                    shown.tb_next = following
                shown = following
            error = error.__cause__ or error.__context__


class _Unseen:
    """Stands in a hook around a call of the app's that is not observed."""

    __slots__ = ()

    def __enter__(self) -> None:
        return None

    def __exit__(self, kind: object, error: BaseException | None, trace: TracebackType | None) -> None:
        if error is not None:
            with _TIDYING:
                hide_own_frames(error)


UNSEEN = _Unseen()


def _foreign(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    return trace
