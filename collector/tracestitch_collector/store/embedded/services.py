"""Services, their operations and who calls whom, summed up from the spans of a window."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tracestitch_collector.model import SPAN_KINDS
from tracestitch_collector.store.embedded.conditions import clamped
from tracestitch_collector.store.embedded.engine import Engine, rows_of
from tracestitch_collector.store.embedded.snapshot import Snapshot, Source
from tracestitch_collector.store.store import (
    Bucket,
    Dependency,
    OperationSummary,
    ServiceSummary,
    Window,
)

BUCKETS = 30
EXACT_ROWS = 2_000_000
"""Beyond so many spans percentiles are estimated (t-digest)."""
REQUEST = "kind IN (2, 5)"
IN_WINDOW = "start_ns >= $start_ns AND start_ns < $end_ns"
COLUMNS = ("service_name", "name", "kind", "start_ns", "duration_ns", "status_code")


def services(snapshot: Snapshot, engine: Engine, window: Window) -> tuple[ServiceSummary, ...]:
    window = clamped(window)
    source = snapshot.source("spans", window.start_ns, window.end_ns)
    if not source.rows or window.end_ns <= window.start_ns:
        return ()
    bound = {"start_ns": window.start_ns, "end_ns": window.end_ns}
    found = engine.query(
        f"SELECT service_name, count(*) AS spans, max(start_ns) AS last_seen, "
        f"count(*) FILTER ({REQUEST}) AS requests, "
        f"count(*) FILTER ({REQUEST} AND status_code = 2) AS errors, "
        f"{_percentiles(source)} FILTER ({REQUEST}) AS percentiles "
        f"FROM {rows_of(source, COLUMNS)} WHERE {IN_WINDOW} GROUP BY service_name ORDER BY service_name",
        bound,
        [source],
    )
    buckets = _buckets(engine, source, window)
    return tuple(_service(row, buckets.get(row["service_name"], {}), window) for row in found.to_pylist())


def _percentiles(source: Source) -> str:
    function = "quantile_disc" if source.rows <= EXACT_ROWS else "approx_quantile"
    return f"{function}(duration_ns, [0.5, 0.95, 0.99])"


def _buckets(engine: Engine, source: Source, window: Window) -> dict[str, dict[int, tuple[int, int]]]:
    """Requests and errors by service and part of the window."""
    found = engine.query(
        f"SELECT service_name, least(floor((start_ns - $start_ns)::DOUBLE / $width)::INT, {BUCKETS - 1}) AS part, "
        "count(*) AS requests, count(*) FILTER (status_code = 2) AS errors "
        f"FROM {rows_of(source, COLUMNS)} WHERE {IN_WINDOW} AND {REQUEST} GROUP BY ALL",
        {"start_ns": window.start_ns, "end_ns": window.end_ns, "width": _width(window)},
        [source],
    )
    by_service: dict[str, dict[int, tuple[int, int]]] = {}
    for row in found.to_pylist():
        by_service.setdefault(row["service_name"], {})[row["part"]] = (row["requests"], row["errors"])
    return by_service


def _width(window: Window) -> float:
    return (window.end_ns - window.start_ns) / BUCKETS


def _service(row: Mapping[str, Any], parts: Mapping[int, tuple[int, int]], window: Window) -> ServiceSummary:
    p50, p95, p99 = row["percentiles"] or (0, 0, 0)
    return ServiceSummary(
        service=row["service_name"],
        requests=row["requests"],
        errors=row["errors"],
        p50_ns=p50,
        p95_ns=p95,
        p99_ns=p99,
        spans=row["spans"],
        last_seen_ns=row["last_seen"],
        buckets=tuple(
            Bucket(
                start_ns=window.start_ns + (window.end_ns - window.start_ns) * part // BUCKETS,
                requests=parts.get(part, (0, 0))[0],
                errors=parts.get(part, (0, 0))[1],
            )
            for part in range(BUCKETS)
        ),
    )


def operations(
    snapshot: Snapshot, engine: Engine, window: Window, service: str
) -> tuple[OperationSummary, ...]:
    window = clamped(window)
    source = snapshot.source("spans", window.start_ns, window.end_ns, service)
    if not source.rows or window.end_ns <= window.start_ns:
        return ()
    bound: dict[str, Any] = {"start_ns": window.start_ns, "end_ns": window.end_ns}
    only = ""
    if service:
        only = "AND service_name = $service"
        bound["service"] = service
    found = engine.query(
        f"SELECT service_name, name, kind, count(*) AS requests, "
        f"count(*) FILTER (status_code = 2) AS errors, {_percentiles(source)} AS percentiles, "
        f"sum(duration_ns) AS total FROM {rows_of(source, COLUMNS)} "
        f"WHERE {IN_WINDOW} AND {REQUEST} {only} "
        "GROUP BY service_name, name, kind ORDER BY total DESC, service_name, name, kind",
        bound,
        [source],
    )
    return tuple(map(_operation, found.to_pylist()))


def _operation(row: Mapping[str, Any]) -> OperationSummary:
    p50, p95, p99 = row["percentiles"]
    return OperationSummary(
        service=row["service_name"],
        operation=row["name"],
        kind=SPAN_KINDS[row["kind"]],
        requests=row["requests"],
        errors=row["errors"],
        p50_ns=p50,
        p95_ns=p95,
        p99_ns=p99,
        total_ns=int(row["total"]),
    )


def dependencies(snapshot: Snapshot, engine: Engine, window: Window) -> tuple[Dependency, ...]:
    window = clamped(window)
    source = snapshot.source("spans", window.start_ns, window.end_ns)
    if not source.rows or window.end_ns <= window.start_ns:
        return ()
    columns = ("trace_id", "span_id", "parent_span_id", "service_name", "kind", "start_ns", "status_code")
    rows = rows_of(source, columns)
    found = engine.query(
        "SELECT caller.service_name AS caller, callee.service_name AS callee, count(*) AS calls, "
        "count(*) FILTER (caller.status_code = 2 OR callee.status_code = 2) AS errors "
        f"FROM (SELECT * FROM {rows} WHERE {IN_WINDOW} AND kind IN (3, 4)) caller "
        f"JOIN (SELECT * FROM {rows} WHERE {IN_WINDOW} AND kind IN (2, 5)) callee "
        "ON caller.trace_id = callee.trace_id AND caller.span_id = callee.parent_span_id "
        "WHERE caller.service_name <> callee.service_name GROUP BY ALL ORDER BY 1, 2",
        {"start_ns": window.start_ns, "end_ns": window.end_ns},
        [source],
    )
    return tuple(Dependency(**row) for row in found.to_pylist())
