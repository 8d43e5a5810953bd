"""One line about each trace of a search's result, made from all its spans."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Any

from tracestitch_collector.store.embedded.snapshot import Snapshot
from tracestitch_collector.store.embedded.trace import tables_of_traces
from tracestitch_collector.store.store import TraceSummary

COLUMNS = (
    "trace_id",
    "span_id",
    "parent_span_id",
    "name",
    "service_name",
    "start_ns",
    "duration_ns",
    "status_code",
)


def of_traces(snapshot: Snapshot, trace_ids: Sequence[bytes]) -> tuple[TraceSummary, ...]:
    """In the order of the ids."""
    if not trace_ids:
        return ()
    spans: dict[bytes, dict[bytes, dict[str, Any]]] = {trace_id: {} for trace_id in trace_ids}
    for row in _rows(snapshot, trace_ids):
        known = spans[row["trace_id"]].setdefault(row["span_id"], row)
        if _is_failed(row) and not _is_failed(known):  # of conflicting spans the failed one counts
            spans[row["trace_id"]][row["span_id"]] = row
    logs: Counter[bytes] = Counter()
    for table in tables_of_traces(snapshot, "logs", trace_ids, ("trace_id",)):
        logs.update(table["trace_id"].to_pylist())
    return tuple(_summary(trace_id, list(spans[trace_id].values()), logs[trace_id]) for trace_id in trace_ids)


def _rows(snapshot: Snapshot, trace_ids: Sequence[bytes]) -> Iterator[dict[str, Any]]:
    for table in tables_of_traces(snapshot, "spans", trace_ids, COLUMNS):
        columns = [table[name].to_pylist() for name in COLUMNS]
        yield from (dict(zip(COLUMNS, values, strict=True)) for values in zip(*columns, strict=True))


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
        root_duration_ns=root["duration_ns"] if roots else 0,
    )


def _is_failed(row: Mapping[str, Any]) -> bool:
    return bool(row["status_code"] == 2)


def most_first(names: Iterable[str]) -> dict[str, int]:
    return dict(sorted(Counter(names).items(), key=lambda item: (-item[1], item[0])))
