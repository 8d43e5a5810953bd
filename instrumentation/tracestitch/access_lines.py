"""The lines that servers write about each request once it is served: they belong to its trace, which is no longer
current then. The thread keeps the ids of the request it began last, for one line that names its method and path."""

import re
from contextvars import ContextVar
from typing import NamedTuple
from urllib.parse import unquote

from opentelemetry.trace import Span

LOGGERS = frozenset({"django.server", "werkzeug", "gunicorn.access", "uvicorn.access"})
_LONGEST_LINE = 8_192
_COLOURS = re.compile(r"\x1b\[[0-9;]{0,16}m")
_REQUEST = re.compile(r"\b([A-Z]{1,32}) (/[^\s?]{0,4096})(?:\?\S{0,4096})? HTTP/")


class Served(NamedTuple):
    method: str
    path: str
    trace_id: int
    span_id: int
    flags: int


_LAST: ContextVar[tuple[str, str, Span] | None] = ContextVar("tracestitch_served", default=None)


def remember(span: Span, method: str, path: str) -> None:
    """This thread begins to serve this request."""
    _LAST.set((method, path, span))


def request_of(line: str) -> Served | None:
    """The request that this line tells of, once; None where it tells of another, or of none."""
    last = _LAST.get()
    if last is None:
        return None
    method, path, span = last
    told = _REQUEST.search(_COLOURS.sub("", line[:_LONGEST_LINE]))
    if told is None or told[1] != method or unquote(told[2]) != path:
        return None
    forget()
    context = span.get_span_context()
    return Served(method, path, context.trace_id, context.span_id, int(context.trace_flags))


def forget() -> None:
    _LAST.set(None)
