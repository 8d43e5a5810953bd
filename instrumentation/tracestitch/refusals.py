"""Where an app decided to answer 4xx: the user's line that raised `Http404`, called `abort(409)` or the like. Such an
exception is an answer and no error, so that line is one attribute of the server span."""

from tracestitch.frames import exception_location
from tracestitch.server import current_call


def note(error: BaseException) -> None:
    call = current_call()
    if call is None:
        return
    place = exception_location(error)
    if place is not None:
        call.span.set_attribute(
            "tracestitch.response.raised_at", f"{place.file}:{place.line} {place.function}"
        )
