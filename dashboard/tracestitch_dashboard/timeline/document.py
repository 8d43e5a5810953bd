"""The timeline as JSON: `rows` for the page's script, compact; and the twin of the page, whole."""

from __future__ import annotations

from typing import Any

from tracestitch_collector import plain
from tracestitch_collector.checks import finding
from tracestitch_dashboard.timeline.row import Row, Timeline


def rows(timeline: Timeline) -> dict[str, Any]:
    """What static/js/timeline reads. Times are nanoseconds since the timeline's start."""
    services = sorted(timeline.colours)
    number = {service: place for place, service in enumerate(services)}
    return {
        "trace_id": timeline.trace.trace_id,
        "duration": timeline.duration_ns,
        "services": [[service, timeline.colours[service]] for service in services],
        "findings": [[mark.finding.title, mark.finding.severity] for mark in timeline.marks],
        "rows": [_row(row, number.get(row.service, 0)) for row in timeline.rows],
    }


def _row(row: Row, service: int) -> dict[str, Any]:
    """Short keys and nothing that is empty: there may be ten thousand."""
    found: dict[str, Any] = {
        "id": row.id,
        "k": row.kind,
        "p": row.parent,
        "n": row.name,
        "s": service,
        "i": row.icon,
        "a": row.start_ns,
        "z": row.end_ns,
    }
    optional = {
        "l": row.label,
        "b": row.badge,
        "v": row.level,
        "e": int(row.is_error),
        "o": row.solid,
        "c": row.path,
        "f": row.findings,
        "g": row.log_ticks,
        "w": row.skew_ns,
        "t": row.notes,
        "h": int(row.has_children),
        "d": int(row.folded),
    }
    found.update({key: value for key, value in optional.items() if value})
    return found


def twin(timeline: Timeline) -> dict[str, Any]:
    """Raw and honest: what was sent, and beside it what we make of it."""
    root = timeline.root
    return {
        "trace_id": timeline.trace.trace_id,
        "partial": timeline.trace.partial,
        "notes": list(timeline.notes),
        "start_ns": timeline.start_ns,
        "duration_ns": timeline.duration_ns,
        "root": root and {"service": root.service, "name": root.name, "duration_ns": root.duration_ns},
        "services": [
            {
                "service": share.service,
                "critical_path_ns": share.path_ns,
                "spans": share.spans,
                "errors": share.errors,
            }
            for share in timeline.shares
        ],
        "critical_path": [
            {
                "span_id": segment.span.span_id,
                "start_ns": segment.start_ns,
                "end_ns": segment.end_ns,
                "detached": segment.detached,
            }
            for segment in timeline.segments
        ],
        "findings": [
            {
                **finding.to_json(mark.finding),
                "here": {"span_ids": sorted(mark.span_ids), "is_evidence": mark.is_evidence},
            }
            for mark in timeline.marks
        ],
        "spans": [
            {**plain.span_to_json(node.span), "self_ns": node.self_ns, "orphan": node.orphan}
            for node in timeline.tree.nodes
        ],
        "logs": [plain.log_to_json(record) for record in timeline.trace.logs],
    }
