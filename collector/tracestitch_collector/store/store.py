"""The store: what is asked of the place of truth, whichever it is. The contract stands here and only here;
`tests/contract/` holds every implementation to it.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Literal, Protocol, Self, TypeAlias, TypeVar

import pyarrow as pa

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.model import AttributeValue, LogRecord, Trace

Item = TypeVar("Item")

Offsets: TypeAlias = Mapping[str, int]
"""How far each write-ahead log (by its folder's name) is covered: the position after the last covered record."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Batch:
    """What the pipeline hands to the store in one go. Tables have the schemas of columns.py and may be empty;
    a request is never spread over batches, and batches follow each other without gaps in the logs."""

    spans: pa.Table
    logs: pa.Table
    findings: pa.Table
    start: Offsets
    """Where in each log the batch begins."""
    end: Offsets
    """Where it ends: covered once the batch is durable."""
    digests: tuple[bytes, ...] = ()
    """Identities of the requests in the batch (16 bytes each)."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Rejected:
    """One item that the store could not take and that no retry would help."""

    signal: Literal["traces", "logs", "findings"]
    reason: str
    document: str
    identity: str = ""
    """Where the store would have put it: with it the same item can be given to the store once more."""


@dataclass(frozen=True, slots=True, kw_only=True)
class Window:
    """Times in [start_ns, end_ns)."""

    start_ns: int
    end_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class AttributeFilter:
    """One condition on an attribute of the span (or log record) or, failing that, of its resource.

    `=` and `!=` compare as text for strings, as numbers for numbers, as true/false for booleans; `!=` also
    matches where the attribute is absent. `<`, `<=`, `>`, `>=` compare numbers. `contains` is a
    case-insensitive substring of a string. `exists` ignores the value.
    """

    key: str
    operator: Literal["=", "!=", "<", "<=", ">", ">=", "contains", "exists"]
    value: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceQuery:
    """Which traces: those with at least one span that meets every condition at once."""

    window: Window
    """On the matching span's start."""
    service: str = ""
    operation: str = ""
    """The span's name or its http.route, exactly."""
    min_duration_ns: int | None = None
    max_duration_ns: int | None = None
    error: bool | None = None
    attributes: tuple[AttributeFilter, ...] = ()
    text: str = ""
    """Case-insensitive, in the span's name, any string attribute or the status message."""
    roots_only: bool = False
    """Only spans without a parent may match."""
    order: Literal["newest", "slowest", "most_spans"] = "newest"
    limit: int = 20
    cursor: str = ""
    """The `next_cursor` of the page before; only with order newest."""
    deadline_s: float = 10.0
    """After so long the search answers with what it has found, and says so in `partial`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class TraceSummary:
    """One line of a search result. Counts are of distinct span ids of the whole trace, not only of the matches."""

    trace_id: str
    root_service: str
    """Of the earliest root; of the earliest span where no root arrived."""
    root_name: str
    start_ns: int
    duration_ns: int
    """From the first start to the last end of all spans."""
    span_count: int
    error_count: int
    log_count: int
    services: Mapping[str, int]
    """Spans by service name, most first, then by name."""
    has_root: bool = True
    root_duration_ns: int = 0
    """Of the root that names it: how long the caller waited. 0 where no root arrived."""

    @property
    def answered_ns(self) -> int:
        """How long the caller waited, as far as is known: what ran on after the answer is not in it."""
        return self.root_duration_ns or self.duration_ns


@dataclass(frozen=True, slots=True, kw_only=True)
class TracePage:
    traces: tuple[TraceSummary, ...]
    next_cursor: str = ""
    """Empty on the last page."""
    partial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogQuery:
    window: Window
    service: str = ""
    min_severity: int = 0
    text: str = ""
    """Case-insensitive phrase in the body."""
    trace_id: str = ""
    event_name: str = ""
    """Empty: every record that is not one of our own events (names that begin with `tracestitch.`)."""
    attributes: tuple[AttributeFilter, ...] = ()
    limit: int = 100
    cursor: str = ""
    deadline_s: float = 10.0
    """As in `TraceQuery`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class LogPage:
    """Newest first."""

    records: tuple[LogRecord, ...]
    next_cursor: str = ""
    partial: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Bucket:
    start_ns: int
    requests: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class ServiceSummary:
    """One service over the window, from its SERVER and CONSUMER spans (requests)."""

    service: str
    requests: int
    errors: int
    p50_ns: int
    p95_ns: int
    p99_ns: int
    """0 when there was no request."""
    spans: int
    """Of any kind."""
    last_seen_ns: int
    buckets: tuple[Bucket, ...]
    """The window in 30 equal parts, oldest first."""


@dataclass(frozen=True, slots=True, kw_only=True)
class OperationSummary:
    service: str
    operation: str
    """The span's name."""
    kind: str
    requests: int
    errors: int
    p50_ns: int
    p95_ns: int
    p99_ns: int
    total_ns: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Part:
    """Requests of a part of a window."""

    start_ns: int
    requests: int
    errors: int
    p50_ns: int
    p95_ns: int
    p99_ns: int
    """0 when there was no request."""


MAX_LISTED = 10_000


class Listed(tuple[Item, ...]):
    """Answers in order, at most `MAX_LISTED` of them."""

    partial: str = ""
    """What is missing, where something is."""

    @classmethod
    def of(cls, items: Iterable[Item], partial: str = "") -> Self:
        whole = tuple(items)
        found = cls(whole[:MAX_LISTED])
        if len(whole) > MAX_LISTED:
            partial = (
                partial or f"only the first {MAX_LISTED:,} of {len(whole):,} are listed; choose a service"
            )
        found.partial = partial
        return found


SHORTEST_PART_NS = 60_000_000_000


def part_starts(window: Window, parts: int) -> list[int]:
    """Where the equal parts of the window begin, none shorter than a minute, and where the last one ends."""
    length = window.end_ns - window.start_ns
    count = max(min(parts, length // SHORTEST_PART_NS), 1)
    return [window.start_ns + length * part // count for part in range(count + 1)]


@dataclass(frozen=True, slots=True, kw_only=True)
class Dependency:
    """Calls from one service to another: CLIENT or PRODUCER spans whose child is a SERVER or CONSUMER span of
    another service; one is an error when either span is."""

    caller: str
    callee: str
    calls: int
    errors: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Inventory:
    """The newest inventory event of one process (docs/attributes.md)."""

    service: str
    environment: str
    instance: str
    time_ns: int
    resource: Mapping[str, AttributeValue]
    body: Mapping[str, AttributeValue]


@dataclass(frozen=True, slots=True, kw_only=True)
class Arrival:
    """Is data arriving?"""

    last_received_ns: int
    """0 when nothing ever arrived."""
    spans_per_second: float
    """Over the last 10 s before `now_ns`."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoreStats:
    kind: str
    """`embedded` or `elasticsearch`."""
    spans: int
    logs: int
    bytes: int
    oldest_ns: int
    duplicates: int
    facts: Mapping[str, str] = field(default_factory=dict)
    """Whatever else the store has to tell, label to text."""


class Sink(Protocol):
    """The part of a store that the pipeline writes to; its contract stands at `Store`."""

    def write(self, batch: Batch) -> tuple[Rejected, ...]: ...

    def sync(self) -> Offsets: ...

    def begin_sync(self) -> Callable[[], Offsets]: ...

    def covered(self) -> Offsets: ...

    def recent_digests(self, since_ns: int) -> frozenset[bytes]: ...

    def close(self) -> None: ...


class Store(Protocol):
    """Where telemetry lives. One process writes; any number of processes read, without locks.

    Every read sees all batches written at most one second before. Reads never raise on odd data: what was
    sent is returned as it was sent. They raise `Unavailable` when the store cannot answer now.
    Windows select by the item's own time. An empty store answers with empty results, never with an error.

    Identity: a row with a (request_digest, request_index) that was written before is the same row and is
    kept once. Equal spans under different digests are both kept as rows, and read as one `Span` with
    `copies`; equal ids with different content are read as two spans, both `conflicting`.
    """

    def write(self, batch: Batch) -> tuple[Rejected, ...]:
        """Makes the batch visible to readers. Returns what can never be stored; raises `Unavailable` when
        trying the same batch again later would help (nothing of it is then lost, parts may be stored)."""
        ...

    def sync(self) -> Offsets:
        """Makes everything written so far durable and returns what the logs need no longer keep. Raises
        `Unavailable` when it could not; nothing is lost then and the next sync makes up for it."""
        ...

    def begin_sync(self) -> Callable[[], Offsets]:
        """`sync` in two steps: returns at once with what makes durable everything written until now, to be called
        once, from any thread, while batches go on being written. One at a time."""
        ...

    def covered(self) -> Offsets:
        """What is durable, as the store itself recorded it: where the pipeline resumes after a crash."""
        ...

    def recent_digests(self, since_ns: int) -> frozenset[bytes]:
        """Identities of durable requests received since then, so that a resent request can be skipped; empty
        where the store recognises rows by itself."""
        ...

    def trace(self, trace_id: str) -> Trace | None:
        """The whole trace with its log records; None where no span of it arrived or the id is malformed. Ids are
        taken in either case."""
        ...

    def traces(self, trace_ids: Sequence[str]) -> tuple[Trace, ...]:
        """What `trace` answers for each of the ids, in their order and without those that are not there;
        cheaper than asking one after the other."""
        ...

    def search(self, query: TraceQuery) -> TracePage:
        """Newest by the trace's earliest matching start, ties by trace id; pages are stable while data arrives.
        A cursor that is none of ours is as good as none."""
        ...

    def search_logs(self, query: LogQuery) -> LogPage: ...

    def values(
        self, window: Window, key: str, *, prefix: str = "", service: str = "", limit: int = 20
    ) -> tuple[str, ...]:
        """Values of the spans' attribute, for completing what somebody types: text that begins with the prefix as it
        is, numbers and booleans as text, by text. Where there are more than the limit, any of them; of attributes
        that are lists, none. A resource's attribute counts where no span has one of that key."""
        ...

    def services(self, window: Window, *, deadline_s: float = 10.0) -> Listed[ServiceSummary]:
        """By name. After so many seconds these, the operations and the dependencies tell of what was counted until
        then, and say so in `partial`. Of a window longer than a quarter of an hour these, the operations and the dependencies may count
        the whole minutes at its edges; percentiles are within 5 %."""
        ...

    def operations(
        self, window: Window, service: str = "", *, deadline_s: float = 10.0
    ) -> Listed[OperationSummary]:
        """SERVER and CONSUMER operations of one service or of all, by total time, largest first."""
        ...

    def history(
        self, window: Window, service: str, operation: str = "", *, parts: int = 30
    ) -> tuple[Part, ...]:
        """The requests of a service, or of one of its operations, over the window in equal parts, oldest first;
        as `part_starts` has it. A request may count where its whole minute begins."""
        ...

    def dependencies(self, window: Window, *, deadline_s: float = 10.0) -> Listed[Dependency]:
        """By caller, callee."""
        ...

    def findings(self) -> tuple[Finding, ...]:
        """The newest state of every finding, by fingerprint; `first_seen_ns` is the earliest ever written."""
        ...

    def inventories(self, window: Window) -> tuple[Inventory, ...]:
        """The newest per (service, instance), by service, instance."""
        ...

    def arrival(self, now_ns: int) -> Arrival: ...

    def stats(self) -> StoreStats: ...

    def close(self) -> None:
        """Frees everything; what was written and not synced is still in the logs."""
        ...
