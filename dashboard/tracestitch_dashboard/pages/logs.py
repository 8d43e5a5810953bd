"""`/logs`: log records, newest first, by level, service, text and trace."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from tracestitch_collector import plain
from tracestitch_collector.model import LogRecord
from tracestitch_collector.store.store import LogPage, LogQuery
from tracestitch_collector.traces.code import location_of, place
from tracestitch_dashboard import figures, sparkline, words
from tracestitch_dashboard.ask import Ask
from tracestitch_dashboard.errors import BadQuery
from tracestitch_dashboard.page import Page
from tracestitch_dashboard.pages.services import is_listed
from tracestitch_dashboard.sparkline import Column
from tracestitch_dashboard.timeline import naming

LEVELS = {"": 0, "debug": 5, "info": 9, "warn": 13, "error": 17}
LIMIT, MOST = 200, 1000
SLOTS = 60
LONGEST = 2_000


@dataclass(frozen=True, slots=True, kw_only=True)
class LogLine:
    record: LogRecord
    level: str
    level_class: str
    text: str
    where: str


@dataclass(frozen=True, slots=True, kw_only=True)
class Logs:
    lines: tuple[LogLine, ...]
    next_cursor: str
    partial: str
    query: LogQuery
    level: str
    services: tuple[str, ...]
    columns: tuple[Column, ...]
    """Of the records on this page, over the time they span."""
    columns_label: str


def load(ask: Ask) -> Logs:
    level = ask.choice("level", tuple(LEVELS))
    trace_id = ask.text("trace").lower()
    if trace_id and not words.trace_id_in(trace_id):
        raise BadQuery(f"“{trace_id[:80]}” is not a trace id; one has 32 hexadecimal digits.")
    query = LogQuery(
        window=ask.period.window,
        service=ask.text("service"),
        min_severity=LEVELS[level],
        text=ask.text("text"),
        trace_id=trace_id,
        limit=ask.number("limit", LIMIT, MOST),
        cursor=ask.cursor(),
    )
    page = ask.store.search_logs(query)
    columns, label = _histogram(page)
    return Logs(
        lines=tuple(_line(record) for record in page.records),
        next_cursor=page.next_cursor,
        partial=page.partial,
        query=query,
        level=level,
        services=tuple(sorted(filter(is_listed, ask.colours))),
        columns=columns,
        columns_label=label,
    )


def _line(record: LogRecord) -> LogLine:
    level = naming.level_of(record)
    text = naming.log_text(record)
    return LogLine(
        record=record,
        level=level,
        level_class=naming.level_class(level),
        text=text if len(text) <= LONGEST else text[:LONGEST] + "…",
        where=place(location_of(record)),
    )


def _histogram(page: LogPage) -> tuple[tuple[Column, ...], str]:
    if len(page.records) < 2:
        return (), ""
    newest, oldest = page.records[0].time_ns, page.records[-1].time_ns
    width = max((newest - oldest) / SLOTS, 1)
    slots: list[dict[str, int]] = [{"error": 0, "warn": 0, "info": 0} for _ in range(SLOTS)]
    for record in page.records:
        slot = min(max(int((record.time_ns - oldest) / width), 0), SLOTS - 1)
        slots[slot][naming.level_class(naming.level_of(record))] += 1
    stacks = [
        [
            (number, kind, f"{figures.clock(oldest + int(index * width))} UTC: {number} {kind}")
            for kind, number in slot.items()
        ]
        for index, slot in enumerate(slots)
    ]
    return sparkline.columns(stacks, height=40), figures.duration(newest - oldest)


def to_document(logs: Logs) -> dict[str, Any]:
    return {
        "logs": [plain.log_to_json(line.record) for line in logs.lines],
        "next_cursor": logs.next_cursor,
        "partial": logs.partial,
    }


PAGE = Page(
    name="Logs",
    path="/logs",
    twin="/logs.json",
    template="logs.html",
    parameters=("level", "trace", "service", "text", "limit", "cursor"),
    load=load,
    to_json=to_document,
    in_navigation=True,
)
