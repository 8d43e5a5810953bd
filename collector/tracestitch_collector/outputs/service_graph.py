"""Who calls whom: CLIENT spans paired with the SERVER spans they caused, PRODUCER with CONSUMER, across
batches and within a bounded time; calls to databases are edges of their own.
"""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
from prometheus_client.core import Metric

from tracestitch_collector.outputs.durations import Group, IdColumns, counted, group, text
from tracestitch_collector.outputs.series import Family

SERVER, CLIENT, PRODUCER, CONSUMER = 2, 3, 4, 5
ERROR = 2

_HALF = pa.schema(
    [
        ("key", pa.uint64()),
        ("service", pa.string()),
        ("messaging", pa.bool_()),
        ("failed", pa.bool_()),
        ("duration_ns", pa.int64()),
        ("trace_id", pa.binary(16)),
        ("span_id", pa.binary(8)),
        ("arrived_ns", pa.int64()),
    ]
)
"""One side of an edge that waits for the other."""

_DATABASE = ("attr.s.db.namespace", "attr.s.db.system.name")
NEEDED = (
    "service_name", "kind", "status_code", "trace_id", "span_id", "parent_span_id", "duration_ns", *_DATABASE,
)  # fmt: skip

_LABELS = ("client", "server", "connection_type")


class ServiceGraph:
    """Not thread-safe: the aggregator holds its lock around every call."""

    def __init__(self, *, max_series: int, idle_ns: int, wait_ns: int, max_waiting: int) -> None:
        families = [Family(labels=_LABELS, max_series=max_series, idle_ns=idle_ns) for _ in range(4)]
        self._requests, self._failed, self._server_s, self._client_s = families
        self._wait_ns = wait_ns
        self._max_waiting = max_waiting
        self._clients = _HALF.empty_table()
        self._servers = _HALF.empty_table()
        self._unpaired = 0
        self._dropped = 0

    def observe(self, spans: pa.Table, now_ns: int) -> None:
        spans = spans.select([name for name in NEEDED if name in spans.column_names])
        kind = spans["kind"]
        calls = pc.is_in(kind, pa.array([CLIENT, PRODUCER], pa.int8()))
        database = _database(spans)
        if database is not None:
            is_database = pc.and_(pc.equal(kind, CLIENT), pc.is_valid(database))
            self._observe_database(spans.filter(is_database), database.filter(is_database), now_ns)
            calls = pc.and_(calls, pc.invert(is_database))
        answers = pc.and_(
            pc.is_in(kind, pa.array([SERVER, CONSUMER], pa.int8())), pc.is_valid(spans["parent_span_id"])
        )
        clients = _half(spans.filter(calls), "span_id", PRODUCER, now_ns)
        servers = _half(spans.filter(answers), "parent_span_id", CONSUMER, now_ns)
        self._pair(
            pa.concat_tables([self._clients, clients]), pa.concat_tables([self._servers, servers]), now_ns
        )

    def metrics(self) -> Iterator[Metric]:
        name = "traces_service_graph"
        yield self._requests.counters(f"{name}_request", "Calls from one service to another.")
        yield self._failed.counters(f"{name}_request_failed", "Calls of which either side ended in an error.")
        yield self._server_s.histograms(
            f"{name}_request_server_seconds", "Duration of calls as the called service saw them."
        )
        yield self._client_s.histograms(
            f"{name}_request_client_seconds", "Duration of calls as the caller saw them."
        )
        for suffix, value, documentation in (
            ("unpaired_spans", self._unpaired, "Spans whose other side did not arrive in time."),
            ("dropped_spans", self._dropped, "Spans not paired because too many were waiting."),
        ):
            metric = Metric(f"{name}_{suffix}", documentation, "counter")
            metric.add_sample(f"{name}_{suffix}_total", {}, value)
            yield metric

    def __len__(self) -> int:
        return sum(len(f) for f in (self._requests, self._failed, self._server_s, self._client_s))

    @property
    def overflowed(self) -> int:
        return self._requests.overflowed

    def _pair(self, clients: pa.Table, servers: pa.Table, now_ns: int) -> None:
        at = pc.index_in(servers["key"], value_set=clients["key"].combine_chunks())
        found = pc.is_valid(at)
        rows = at.filter(found)
        self._count(clients.take(rows), servers.filter(found), now_ns)
        answered = np.zeros(len(clients), dtype=bool)
        answered[rows.to_numpy()] = True
        self._clients = self._waiting(clients.filter(pa.array(~answered)), now_ns)
        self._servers = self._waiting(servers.filter(pc.invert(found)), now_ns)

    def _count(self, clients: pa.Table, servers: pa.Table, now_ns: int) -> None:
        if not len(servers):
            return
        connection = pc.if_else(servers["messaging"], "messaging_system", "")
        labels = dict(zip(_LABELS, (clients["service"], servers["service"], connection), strict=True))
        ids = IdColumns(trace_id=clients["trace_id"], span_id=clients["span_id"])
        failed = pc.or_(clients["failed"], servers["failed"])
        self._add(labels, clients["duration_ns"], failed, ids, now_ns)
        for each in group(labels, servers["duration_ns"], ids):
            _put(self._server_s, each, now_ns)

    def _observe_database(self, calls: pa.Table, database: pa.ChunkedArray, now_ns: int) -> None:
        if not len(calls):
            return
        kind = pa.chunked_array([pa.repeat(pa.scalar("database"), len(calls))])
        labels = dict(zip(_LABELS, (_service(calls), database, kind), strict=True))
        ids = IdColumns(trace_id=calls["trace_id"], span_id=calls["span_id"])
        self._add(labels, calls["duration_ns"], pc.equal(calls["status_code"], ERROR), ids, now_ns)

    def _add(
        self,
        labels: dict[str, pa.ChunkedArray],
        client_ns: pa.ChunkedArray,
        failed: pa.ChunkedArray,
        ids: IdColumns,
        now_ns: int,
    ) -> None:
        for each in group(labels, client_ns, ids):
            _put(self._client_s, each, now_ns)
            self._requests.add(each.labels, each.count, now_ns)
            self._failed.add(each.labels, 0, now_ns)
        for values, count in counted({name: column.filter(failed) for name, column in labels.items()}):
            self._failed.add(values, count, now_ns)

    def _waiting(self, halves: pa.Table, now_ns: int) -> pa.Table:
        """What may still find its other side; the rest is counted."""
        fresh = halves.filter(pc.greater_equal(halves["arrived_ns"], now_ns - self._wait_ns))
        self._unpaired += len(halves) - len(fresh)
        excess = max(0, len(fresh) - self._max_waiting)
        self._dropped += excess
        # Without this the waiting table would keep a chunk, and its batch alive, for each batch received.
        kept: pa.Table = fresh.slice(excess).combine_chunks()
        return kept


def _put(family: Family, each: Group, now_ns: int) -> None:
    family.observe(
        each.labels,
        bucket=each.bucket,
        count=each.count,
        sum_s=each.sum_s,
        exemplar=each.exemplar,
        now_ns=now_ns,
    )


def _half(spans: pa.Table, id_column: str, messaging_kind: int, now_ns: int) -> pa.Table:
    return pa.table(
        [
            pa.array(_keys(spans["trace_id"], spans[id_column])),
            _service(spans).cast(pa.string()),
            pc.equal(spans["kind"], messaging_kind),
            pc.equal(spans["status_code"], ERROR),
            spans["duration_ns"],
            spans["trace_id"],
            spans["span_id"],
            pa.repeat(pa.scalar(now_ns, pa.int64()), len(spans)),
        ],
        schema=_HALF,
    )


def _keys(
    trace_ids: pa.ChunkedArray, span_ids: pa.ChunkedArray
) -> np.ndarray[tuple[int], np.dtype[np.uint64]]:
    """One number for trace and span id; ids are random, so that mixing them by a multiplication is enough."""
    trace = _words(trace_ids, 2)
    mixed: np.ndarray[tuple[int], np.dtype[np.uint64]] = (trace[:, 0] ^ trace[:, 1]) * np.uint64(
        0x9E3779B97F4A7C15
    ) ^ _words(span_ids, 1)[:, 0]
    return mixed


def _words(ids: pa.ChunkedArray, words: int) -> np.ndarray[tuple[int, int], np.dtype[np.uint64]]:
    """Ids as rows of 8-byte numbers, without a Python object for each."""
    array = ids.combine_chunks()
    if isinstance(array, pa.ChunkedArray):  # older pyarrow: an empty column stays chunked
        array = pa.array([], ids.type) if not len(ids) else array.chunk(0)
    if not len(array):
        return np.zeros((0, words), dtype=np.uint64)
    data = np.frombuffer(array.buffers()[1], dtype=np.uint64)
    return data.reshape(-1, words)[array.offset : array.offset + len(array)]


def _service(spans: pa.Table) -> pa.ChunkedArray:
    return text(spans["service_name"], "unknown_service")


def _database(spans: pa.Table) -> pa.ChunkedArray | None:
    """The database's name, its system where it has none, null for other calls."""
    columns = [spans[name] for name in _DATABASE if name in spans.column_names]
    return pc.coalesce(*columns) if columns else None
