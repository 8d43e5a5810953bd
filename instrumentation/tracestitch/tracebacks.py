"""What a user sees of an exception: the frames of the app and its libraries, not those of the hooks around them."""

import os
from types import TracebackType

from tracestitch.safety import guard

_OURS = os.path.dirname(os.path.abspath(__file__)) + os.sep
_TIDYING = guard("tidying a traceback")
_MOST_LINKED = 20


def hide_own_frames(error: BaseException | None) -> None:
    """Takes the agent's frames out of the tracebacks of this exception and of those it came from; call it where the
    app is about to look."""
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


def _foreign(trace: TracebackType | None) -> TracebackType | None:
    while trace is not None and trace.tb_frame.f_code.co_filename.startswith(_OURS):
        trace = trace.tb_next
    return trace
