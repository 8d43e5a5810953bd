"""Trace search: which traces have a span that meets every condition, and one line about each."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import replace
from typing import Any

from tracestitch_collector.store.embedded.conditions import Ask, Conditions
from tracestitch_collector.store.embedded.engine import Engine, rows_of
from tracestitch_collector.store.embedded.layout import stored_name
from tracestitch_collector.store.embedded.snapshot import Snapshot, Source
from tracestitch_collector.store.embedded.trace import rows_of_traces, trace_bytes
from tracestitch_collector.store.store import TracePage, TraceQuery, TraceSummary, Window

ROUTE = stored_name("attr.s.http.route")
AROUND_NS = 3_600 * 1_000_000_000
"""Orders other than by time look at spans of a trace so far outside the window; the summary at all of them."""
SUMMARY_COLUMNS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "service_name",
    "start_ns",
    "duration_ns",
    "status_code",
)
MEASURES = {
    "slowest": "max(start_ns::HUGEINT + duration_ns) - min(start_ns)",
    "most_spans": "count(DISTINCT span_id)",
}


def search(snapshot: Snapshot, engine: Engine, query: TraceQuery) -> TracePage:
    window = clamped(query.window)
    source = snapshot.source("spans", window.start_ns, window.end_ns, query.service)
    if not source.rows or window.end_ns <= window.start_ns or query.limit < 1:
        return TracePage(traces=())
    conditions = _conditions(replace(query, window=window), source, asker(engine, source, window, "start_ns"))
    if query.order != "newest":
        return TracePage(traces=_summaries(snapshot, _measured(snapshot, engine, query, source, conditions)))
    found = _newest(engine, query, source, conditions)
    page = found[: query.limit]
    last = page[-1] if len(found) > query.limit else None
    return TracePage(
        traces=_summaries(snapshot, [row["trace_id"] for row in page]),
        next_cursor=f"{last['first']}-{last['trace_id'].hex()}" if last else "",
    )


def clamped(window: Window) -> Window:
    """Within what a column of signed 64 bits can hold."""
    return Window(start_ns=max(window.start_ns, 0), end_ns=min(window.end_ns, 2**63 - 1))


def asker(engine: Engine, source: Source, window: Window, time_column: str) -> Ask:
    def ask(column: str, condition: str, parameters: Mapping[str, Any]) -> list[str]:
        statement = (
            f"SELECT DISTINCT {column} AS text FROM {rows_of(source, [column, time_column])} "
            f"WHERE {time_column} >= $start_ns AND {time_column} < $end_ns "
            f"AND {column} IS NOT NULL AND {condition}"
        )
        bound = {"start_ns": window.start_ns, "end_ns": window.end_ns, **parameters}
        texts: list[str] = engine.query(statement, bound, [source])["text"].to_pylist()
        return texts

    return ask


def _conditions(query: TraceQuery, source: Source, ask: Ask) -> Conditions:
    conditions = Conditions()
    conditions.add(
        "start_ns >= $start_ns AND start_ns < $end_ns",
        "start_ns",
        start_ns=query.window.start_ns,
        end_ns=query.window.end_ns,
    )
    if query.service:
        conditions.add("service_name = $service", "service_name", service=query.service)
    if query.operation and ROUTE in source.attributes:
        conditions.add(
            f'name = $operation OR "{ROUTE}" = $operation', "name", ROUTE, operation=query.operation
        )
    elif query.operation:
        conditions.add("name = $operation", "name", operation=query.operation)
    if query.min_duration_ns is not None:
        conditions.add("duration_ns >= $shortest", "duration_ns", shortest=query.min_duration_ns)
    if query.max_duration_ns is not None:
        conditions.add("duration_ns <= $longest", "duration_ns", longest=query.max_duration_ns)
    if query.error is not None:
        conditions.add("status_code = 2" if query.error else "status_code <> 2", "status_code")
    if query.roots_only:
        conditions.add("parent_span_id IS NULL", "parent_span_id")
    if query.text:
        conditions.add_text(source, query.text, ["name", "status_message", "attributes_other"])
    for number, item in enumerate(query.attributes):
        conditions.add_attribute(source, item, number, ask)
    return conditions


def _newest(
    engine: Engine, query: TraceQuery, source: Source, conditions: Conditions
) -> list[dict[str, Any]]:
    """Up to one more trace than asked for, with the moment of its earliest match."""
    parameters = {**conditions.parameters, "limit": query.limit + 1}
    after = ""
    cursor = _cursor(query.cursor)
    if cursor:
        after = "HAVING min(start_ns) < $before OR (min(start_ns) = $before AND trace_id > $after)"
        parameters["before"], parameters["after"] = cursor
    columns = sorted(conditions.columns | {"trace_id", "start_ns"})
    statement = (
        f"SELECT trace_id, min(start_ns) AS first FROM {rows_of(source, columns)} "
        f"WHERE {conditions.sql} GROUP BY trace_id {after} ORDER BY first DESC, trace_id LIMIT $limit"
    )
    found: list[dict[str, Any]] = engine.query(statement, parameters, [source]).to_pylist()
    return found


def _cursor(text: str) -> tuple[int, bytes] | None:
    first, _, trace_id = text.partition("-")
    after = trace_bytes(trace_id)
    if not first.isdecimal() or len(first) > 19 or after is None:
        return None
    return int(first), after


def _measured(
    snapshot: Snapshot, engine: Engine, query: TraceQuery, source: Source, conditions: Conditions
) -> list[bytes]:
    """The matching traces by a measure of the whole trace."""
    columns = sorted(conditions.columns | {"trace_id"})
    matching = engine.query(
        f"SELECT DISTINCT trace_id FROM {rows_of(source, columns)} WHERE {conditions.sql}",
        conditions.parameters,
        [source],
    )
    window = clamped(
        Window(start_ns=query.window.start_ns - AROUND_NS, end_ns=query.window.end_ns + AROUND_NS)
    )
    whole = snapshot.source("spans", window.start_ns, window.end_ns)
    rows = rows_of(whole, ["trace_id", "span_id", "start_ns", "duration_ns"])
    found = engine.query(
        f"SELECT trace_id, {MEASURES[query.order]} AS measure FROM {rows} "
        "WHERE trace_id IN (SELECT trace_id FROM matching) "
        "GROUP BY trace_id ORDER BY measure DESC, trace_id LIMIT $limit",
        {"limit": query.limit},
        [whole],
        {"matching": matching},
    )
    ids: list[bytes] = found["trace_id"].to_pylist()
    return ids


def _summaries(snapshot: Snapshot, trace_ids: Sequence[bytes]) -> tuple[TraceSummary, ...]:
    """One line per trace, in the order of the ids."""
    if not trace_ids:
        return ()
    spans: dict[bytes, dict[bytes, dict[str, Any]]] = {trace_id: {} for trace_id in trace_ids}
    for row in rows_of_traces(snapshot, "spans", trace_ids, SUMMARY_COLUMNS).to_pylist():
        known = spans[row["trace_id"]].setdefault(row["span_id"], row)
        if _is_failed(row) and not _is_failed(known):  # of conflicting spans the failed one counts
            spans[row["trace_id"]][row["span_id"]] = row
    logs = Counter(rows_of_traces(snapshot, "logs", trace_ids, ("trace_id",))["trace_id"].to_pylist())
    return tuple(_summary(trace_id, list(spans[trace_id].values()), logs[trace_id]) for trace_id in trace_ids)


def _summary(trace_id: bytes, spans: list[dict[str, Any]], log_count: int) -> TraceSummary:
    roots = [row for row in spans if row["parent_span_id"] is None]
    root = min(roots or spans, key=lambda row: (row["start_ns"], row["span_id"]))
    start_ns = min(row["start_ns"] for row in spans)
    return TraceSummary(
        trace_id=trace_id.hex(),
        root_service=root["service_name"],
        root_name=root["name"],
        start_ns=start_ns,
        duration_ns=max(row["start_ns"] + row["duration_ns"] for row in spans) - start_ns,
        span_count=len(spans),
        error_count=sum(map(_is_failed, spans)),
        log_count=log_count,
        services=most_first(row["service_name"] for row in spans),
        has_root=bool(roots),
    )


def _is_failed(row: Mapping[str, Any]) -> bool:
    return bool(row["status_code"] == 2)


def most_first(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
