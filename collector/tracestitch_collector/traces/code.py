"""Where in the code a span comes from, as the agent recorded it: the user's call site of a client span, the
view of a server span, the function of a task.
"""

from __future__ import annotations

from pathlib import PurePath

from tracestitch_collector.checks.finding import Location
from tracestitch_collector.model import Attributes, LogRecord, Resource, Span

_INSTALLED = ("site-packages", "dist-packages")
"""Where an app that was installed lies, in an environment whose path says nothing about it."""


def location_of(item: Span | LogRecord) -> Location | None:
    return location_in(item.attributes, item.resource)


def location_in(attributes: Attributes, resource: Resource) -> Location | None:
    """The location in a set of attributes (of a span, an event, a log record); None without a file and line."""
    file, line = attributes.get("code.file.path"), attributes.get("code.line.number")
    if not isinstance(file, str) or not file or isinstance(line, bool) or not isinstance(line, int):
        return None
    function = attributes.get("code.function.name")
    return Location(
        file=relative(file, resource.text("tracestitch.app.root")),
        line=line,
        function=function if isinstance(function, str) else "",
    )


def location_at(text: str, resource: Resource) -> Location | None:
    """Of `file:line function` in one text, the compact form of an attribute beside the span's own place."""
    file, _, rest = text.rpartition(":")  # a folder's name may hold a blank
    line, _, function = rest.partition(" ")
    if not file or not (line.isascii() and line.isdecimal()):
        return None
    return Location(
        file=relative(file, resource.text("tracestitch.app.root")), line=int(line[:9]), function=function
    )


def relative(file: str, root: str) -> str:
    """The path below the folder that the app is installed in, or below the app's root, or as it was."""
    path = PurePath(file)
    for installed in _INSTALLED:
        if installed in path.parts:
            below = path.parts[len(path.parts) - path.parts[::-1].index(installed) :]
            return str(PurePath(*below))
    if root and path.is_relative_to(root):
        return str(path.relative_to(root))
    return file


def place(location: Location | None) -> str:
    """`views.py:31`, or nothing."""
    return f"{location.file}:{location.line}" if location else ""
