"""What the framework spent a request's time on besides the view, as the agent sent it, in words."""

from __future__ import annotations

from tracestitch_collector.model import Span
from tracestitch_dashboard.timeline.facts import Facts

KINDS = {
    "middleware": "middleware",
    "signal": "signal",
    "form": "form",
    "validation": "validation",
    "serializer": "serializer",
    "template": "template",
    "cache": "cache",
    "connect": "new connection",
    "before_request": "before request",
    "after_request": "after request",
    "teardown_request": "teardown",
    "error_handler": "error handler",
}
MOST = 40


def stages_of(span: Span) -> Facts:
    """Longest first, as sent; what is not of the agent's form is left to the table of attributes."""
    sent = span.attributes.get("tracestitch.stages")
    if not isinstance(sent, list | tuple):
        return ()
    return tuple(
        fact for stage in sent[:MOST] if isinstance(stage, str) and (fact := _fact(stage)) is not None
    )


def _fact(stage: str) -> tuple[str, str] | None:
    kind, ms, times, name = (*stage.split(" ", 3), "", "", "")[:4]
    if kind not in KINDS or not name or not times.isdecimal():
        return None
    often = f" · {times}×" if times != "1" else ""
    return KINDS[kind], f"{ms} ms{often} · {name}"
