"""What is there at all: the processes' inventories, whether data arrives, how much the store holds."""

from __future__ import annotations

from collections.abc import Mapping

import pyarrow.compute as pc

from tracestitch_collector.store.embedded.conditions import clamped
from tracestitch_collector.store.embedded.engine import Engine, rows_of
from tracestitch_collector.store.embedded.rows import logs_of
from tracestitch_collector.store.embedded.snapshot import Snapshot
from tracestitch_collector.store.store import Arrival, Inventory, StoreStats, Window

INVENTORY_EVENT = "tracestitch.inventory"
ARRIVAL_S = 10


def inventories(snapshot: Snapshot, engine: Engine, window: Window) -> tuple[Inventory, ...]:
    window = clamped(window)
    source = snapshot.source("logs", window.start_ns, window.end_ns)
    if not source.rows or window.end_ns <= window.start_ns:
        return ()
    found = engine.query(
        f"SELECT * FROM {rows_of(source)} "
        "WHERE time_ns >= $start_ns AND time_ns < $end_ns AND event_name = $event "
        "QUALIFY row_number() OVER (PARTITION BY resource ORDER BY time_ns DESC) = 1",
        {"start_ns": window.start_ns, "end_ns": window.end_ns, "event": INVENTORY_EVENT},
        [source],
    )
    newest: dict[tuple[str, str], Inventory] = {}
    for record in sorted(logs_of(found), key=lambda record: record.time_ns):
        if isinstance(record.body, Mapping):
            instance = record.resource.text("service.instance.id")
            newest[record.service, instance] = Inventory(
                service=record.service,
                environment=record.resource.environment,
                instance=instance,
                time_ns=record.time_ns,
                resource=record.resource.attributes,
                body=record.body,
            )
    return tuple(newest[key] for key in sorted(newest))


def arrival(snapshot: Snapshot, engine: Engine, now_ns: int) -> Arrival:
    hot_spans, hot_logs = snapshot.hot.spans, snapshot.hot.logs
    newest = [segment.max_received_ns for segment in snapshot.manifest.segments]
    newest += [pc.max(table["received_ns"]).as_py() for table in (hot_spans, hot_logs) if len(table)]
    since_ns = now_ns - ARRIVAL_S * 1_000_000_000
    count = _received_between(snapshot, engine, since_ns, now_ns)
    return Arrival(last_received_ns=max(newest, default=0), spans_per_second=count / ARRIVAL_S)


def _received_between(snapshot: Snapshot, engine: Engine, after_ns: int, until_ns: int) -> int:
    recent = snapshot.source("spans", received_after_ns=after_ns)
    if not recent.rows:
        return 0
    found = engine.query(
        f"SELECT count(*) AS count FROM {rows_of(recent, ['received_ns'])} "
        "WHERE received_ns > $after AND received_ns <= $until",
        {"after": after_ns, "until": until_ns},
        [recent],
    )
    count: int = found["count"][0].as_py()
    return count


def stats(snapshot: Snapshot) -> StoreStats:
    live, hot = snapshot.manifest, snapshot.hot
    spans, logs = snapshot.segments("spans"), snapshot.segments("logs")
    hot_oldest = [
        pc.min(table[column]).as_py()
        for table, column in ((hot.spans, "start_ns"), (hot.logs, "time_ns"))
        if len(table)
    ]
    damaged = live.damaged + len(snapshot.damaged)
    return StoreStats(
        kind="embedded",
        spans=sum(segment.rows for segment in spans) + len(hot.spans),
        logs=sum(segment.rows for segment in logs) + len(hot.logs),
        bytes=_bytes(snapshot),
        oldest_ns=min([segment.min_ns for segment in (*spans, *logs)] + hot_oldest, default=0),
        duplicates=live.duplicates,
        facts={
            "folder": str(snapshot.layout.data),
            "segments": str(len(spans) + len(logs)),
            "damaged segments set aside": str(damaged),
            "spans not yet in a segment": str(len(hot.spans)),
        },
    )


def _bytes(snapshot: Snapshot) -> int:
    total = 0
    for folder in (snapshot.layout.segments, snapshot.layout.hot):
        if folder.exists():
            for path in folder.iterdir():
                try:
                    total += path.stat().st_size
                except FileNotFoundError:  # merged meanwhile
                    continue
    return total
