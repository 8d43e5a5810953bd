"""What `# tracestitch: ignore[check-id] reason` at a line of code says about the spans of that line."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from tracestitch_collector.model import Attributes, Span

WITHOUT_REASON = "suppressed at the line of code"


def reason_in(check: str, attributes: Attributes) -> str | None:
    """The reason for ignoring the check here, or None where nobody asked for it."""
    marks = attributes.get("tracestitch.ignore")
    if isinstance(marks, str):
        marks = (marks,)
    if not isinstance(marks, tuple):
        return None
    for mark in marks:
        if isinstance(mark, str):
            ignored, _, reason = mark.partition(" ")
            if ignored in (check, "*"):
                # In a template the comment ends on its line: {# tracestitch: ignore[…] reason #}
                return reason.strip().removesuffix("#}").strip() or WITHOUT_REASON
    return None


def unknown_in(known: Collection[str], spans: Iterable[Span]) -> tuple[str, ...]:
    """What the comments at the lines of these spans name that is no check."""
    named: dict[str, None] = {}
    for span in spans:
        marks = span.attributes.get("tracestitch.ignore")
        for mark in (marks,) if isinstance(marks, str) else marks if isinstance(marks, tuple) else ():
            word = mark.partition(" ")[0] if isinstance(mark, str) else ""
            if word and word != "*" and word not in known:
                named[word] = None
    return tuple(named)


def reason_for(check: str, spans: Iterable[Span]) -> str | None:
    """The first reason given at the line of any of the spans, or in one of their events."""
    for span in spans:
        for attributes in (span.attributes, *(event.attributes for event in span.events)):
            reason = reason_in(check, attributes)
            if reason is not None:
                return reason
    return None
