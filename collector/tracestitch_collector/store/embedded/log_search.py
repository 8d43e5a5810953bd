"""Log search: newest first, in pages that stay the same while records arrive."""

from __future__ import annotations

from typing import Any

import pyarrow as pa

from tracestitch_collector.store.embedded.conditions import Ask, Conditions
from tracestitch_collector.store.embedded.engine import Engine, rows_of
from tracestitch_collector.store.embedded.rows import logs_of
from tracestitch_collector.store.embedded.search import asker, clamped
from tracestitch_collector.store.embedded.snapshot import Snapshot, Source
from tracestitch_collector.store.embedded.trace import trace_bytes
from tracestitch_collector.store.store import LogPage, LogQuery

OWN_EVENTS = "tracestitch."
KEYS = ("time_ns", "request_digest", "request_index")
"""Order of records; the last two tell apart what happened at one moment."""
NEWEST_FIRST = "ORDER BY time_ns DESC, request_digest, request_index"


def search_logs(snapshot: Snapshot, engine: Engine, query: LogQuery) -> LogPage:
    window = clamped(query.window)
    source = snapshot.source("logs", window.start_ns, window.end_ns, query.service)
    if not source.rows or window.end_ns <= window.start_ns or query.limit < 1:
        return LogPage(records=())
    if query.trace_id and trace_bytes(query.trace_id) is None:
        return LogPage(records=())
    conditions = _conditions(query, source, asker(engine, source, window, "time_ns"))
    conditions.add(
        "time_ns >= $start_ns AND time_ns < $end_ns", start_ns=window.start_ns, end_ns=window.end_ns
    )
    columns = sorted(conditions.columns | set(KEYS))
    keys = engine.query(
        f"SELECT {', '.join(KEYS)} FROM {rows_of(source, columns)} "
        f"WHERE {conditions.sql} {NEWEST_FIRST} LIMIT $limit",
        {**conditions.parameters, "limit": query.limit + 1},
        [source],
    )
    page = keys.slice(0, query.limit)
    more = len(keys) > query.limit
    return LogPage(
        records=tuple(logs_of(_whole_rows(engine, source, page))) if len(page) else (),
        next_cursor=_cursor_after(page.slice(len(page) - 1).to_pylist()[0]) if more else "",
    )


def _whole_rows(engine: Engine, source: Source, page: pa.Table) -> pa.Table:
    """The page's records with all their columns."""
    times = page["time_ns"].to_pylist()
    return engine.query(
        f"SELECT * FROM {rows_of(source)} SEMI JOIN page USING (time_ns, request_digest, request_index) "
        f"WHERE time_ns >= $oldest AND time_ns <= $newest {NEWEST_FIRST}",
        {"oldest": times[-1], "newest": times[0]},
        [source],
        {"page": page},
    )


def _conditions(query: LogQuery, source: Source, ask: Ask) -> Conditions:
    conditions = Conditions()
    if query.event_name:
        conditions.add("event_name = $event", "event_name", event=query.event_name)
    else:
        conditions.add("NOT starts_with(event_name, $own)", "event_name", own=OWN_EVENTS)
    if query.service:
        conditions.add("service_name = $service", "service_name", service=query.service)
    if query.min_severity:
        conditions.add("severity_number >= $severity", "severity_number", severity=query.min_severity)
    if query.trace_id:
        conditions.add("trace_id = $trace_id", "trace_id", trace_id=trace_bytes(query.trace_id))
    if query.text:
        conditions.add("contains(lower(body), lower($text))", "body", text=query.text)
    for number, item in enumerate(query.attributes):
        conditions.add_attribute(source, item, number, ask)
    cursor = _cursor(query.cursor)
    if cursor:
        conditions.add(
            "time_ns < $before OR (time_ns = $before AND "
            "(request_digest > $digest OR (request_digest = $digest AND request_index > $index)))",
            *KEYS,
            **cursor,
        )
    return conditions


def _cursor_after(row: dict[str, Any]) -> str:
    return f"{row['time_ns']}-{row['request_digest'].hex()}-{row['request_index']}"


def _cursor(text: str) -> dict[str, Any] | None:
    parts = text.split("-")
    if len(parts) != 3 or not parts[0].isdecimal() or not parts[2].isdecimal():
        return None
    if max(len(parts[0]), len(parts[2])) > 19:
        return None
    try:
        digest = bytes.fromhex(parts[1])
    except ValueError:
        return None
    return {"before": int(parts[0]), "digest": digest, "index": int(parts[2])}
