"""A small store in memory that answers what pages ask: for tests of pages, not of stores."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field
from itertools import pairwise

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.errors import Unavailable
from tracestitch_collector.model import LogRecord, Span, Trace
from tracestitch_collector.store.store import (
    Arrival,
    AttributeFilter,
    Batch,
    Bucket,
    Dependency,
    Inventory,
    Listed,
    LogPage,
    LogQuery,
    Offsets,
    OperationSummary,
    Part,
    Rejected,
    ServiceSummary,
    StoreStats,
    TracePage,
    TraceQuery,
    TraceSummary,
    Window,
    part_starts,
)

REQUESTS = ("server", "consumer")
BUCKETS = 30


@dataclass(kw_only=True)
class MemoryStore:
    """Holds the contract of `Store` for reading; what is written is put into the lists by the test."""

    spans: list[Span] = field(default_factory=list)
    logs: list[LogRecord] = field(default_factory=list)
    known_findings: list[Finding] = field(default_factory=list)
    known_inventories: list[Inventory] = field(default_factory=list)
    away: str = ""
    """Set: every question is answered with Unavailable and this text."""

    def add(self, trace: Trace) -> None:
        self.spans += trace.spans
        self.logs += trace.logs

    def write(self, batch: Batch) -> tuple[Rejected, ...]:
        raise NotImplementedError("tests put what they need into the lists")

    def sync(self) -> Offsets:
        return {}

    def begin_sync(self) -> Callable[[], Offsets]:
        return dict

    def covered(self) -> Offsets:
        return {}

    def recent_digests(self, since_ns: int) -> frozenset[bytes]:
        return frozenset()

    def trace(self, trace_id: str) -> Trace | None:
        self._answer()
        spans = [span for span in self.spans if span.trace_id == trace_id]
        logs = [record for record in self.logs if record.trace_id == trace_id]
        if not spans and not logs:
            return None
        return Trace(
            trace_id=trace_id,
            spans=tuple(sorted(spans, key=lambda span: (span.start_ns, span.span_id))),
            logs=tuple(sorted(logs, key=lambda record: record.time_ns)),
        )

    def traces(self, trace_ids: Sequence[str]) -> tuple[Trace, ...]:
        found = (self.trace(trace_id) for trace_id in dict.fromkeys(trace_ids))
        return tuple(trace for trace in found if trace is not None)

    def search(self, query: TraceQuery) -> TracePage:
        self._answer()
        ids = {span.trace_id for span in self.spans if _matches(span, query)}
        found = [self._summary(trace_id) for trace_id in ids]
        orders: dict[str, Callable[[TraceSummary], int]] = {
            "newest": lambda summary: -summary.start_ns,
            "slowest": lambda summary: -summary.duration_ns,
            "most_spans": lambda summary: -summary.span_count,
        }
        order = orders[query.order]
        found.sort(key=lambda summary: (order(summary), summary.trace_id))
        skipped = int((query.cursor or "0").partition("-")[0])
        page = found[skipped : skipped + query.limit]
        more = skipped + query.limit < len(found)
        return TracePage(traces=tuple(page), next_cursor=f"{skipped + query.limit}-0" if more else "")

    def _summary(self, trace_id: str) -> TraceSummary:
        spans = sorted((s for s in self.spans if s.trace_id == trace_id), key=lambda span: span.start_ns)
        root = next((span for span in spans if not span.parent_span_id), spans[0])
        services: dict[str, int] = {}
        for span in spans:
            services[span.service] = services.get(span.service, 0) + 1
        return TraceSummary(
            trace_id=trace_id,
            root_service=root.service,
            root_name=root.name,
            start_ns=spans[0].start_ns,
            duration_ns=max(span.end_ns for span in spans) - spans[0].start_ns,
            span_count=len(spans),
            error_count=sum(span.is_error for span in spans),
            log_count=sum(record.trace_id == trace_id for record in self.logs),
            services=dict(sorted(services.items(), key=lambda item: -item[1])),
            has_root=not root.parent_span_id,
            root_duration_ns=0 if root.parent_span_id else root.duration_ns,
        )

    def search_logs(self, query: LogQuery) -> LogPage:
        self._answer()
        found = sorted((r for r in self.logs if _log_matches(r, query)), key=lambda r: -r.time_ns)
        skipped = int((query.cursor or "0").partition("-")[0])
        more = skipped + query.limit < len(found)
        return LogPage(
            records=tuple(found[skipped : skipped + query.limit]),
            next_cursor=f"{skipped + query.limit}-0" if more else "",
        )

    def values(
        self, window: Window, key: str, *, prefix: str = "", service: str = "", limit: int = 20
    ) -> tuple[str, ...]:
        self._answer()
        spans = [span for span in self._within(window) if service in ("", span.service)]
        found = {str(span.attributes[key]) for span in spans if key in span.attributes}
        return tuple(sorted(text for text in found if text.startswith(prefix))[:limit])

    def services(self, window: Window, *, deadline_s: float = 10.0) -> Listed[ServiceSummary]:
        self._answer()
        names = sorted({span.service for span in self._within(window)})
        return Listed.of(self._service(name, window) for name in names)

    def _service(self, name: str, window: Window) -> ServiceSummary:
        spans = [span for span in self._within(window) if span.service == name]
        requests = [span for span in spans if span.kind in REQUESTS]
        width = max((window.end_ns - window.start_ns) // BUCKETS, 1)
        slots = [[0, 0] for _ in range(BUCKETS)]
        for span in requests:
            slot = slots[min((span.start_ns - window.start_ns) // width, BUCKETS - 1)]
            slot[0] += 1
            slot[1] += span.is_error
        p50, p95, p99 = _percentiles(requests)
        return ServiceSummary(
            service=name,
            requests=len(requests),
            errors=sum(span.is_error for span in requests),
            p50_ns=p50,
            p95_ns=p95,
            p99_ns=p99,
            spans=len(spans),
            last_seen_ns=max(span.start_ns for span in spans),
            buckets=tuple(
                Bucket(start_ns=window.start_ns + index * width, requests=total, errors=errors)
                for index, (total, errors) in enumerate(slots)
            ),
        )

    def operations(
        self, window: Window, service: str = "", *, deadline_s: float = 10.0
    ) -> Listed[OperationSummary]:
        self._answer()
        groups: dict[tuple[str, str, str], list[Span]] = {}
        for span in self._within(window):
            if span.kind in REQUESTS and service in ("", span.service):
                groups.setdefault((span.service, span.name, span.kind), []).append(span)
        found = [_operation(key, spans) for key, spans in groups.items()]
        return Listed.of(sorted(found, key=lambda operation: (-operation.total_ns, operation.operation)))

    def history(
        self, window: Window, service: str, operation: str = "", *, parts: int = 30
    ) -> tuple[Part, ...]:
        self._answer()
        found = []
        for start_ns, end_ns in pairwise(part_starts(window, parts)):
            spans = [
                span
                for span in self._within(Window(start_ns=start_ns, end_ns=end_ns))
                if span.kind in REQUESTS and span.service == service and operation in ("", span.name)
            ]
            p50, p95, p99 = _percentiles(spans)
            errors = sum(span.status_code == "error" for span in spans)
            found.append(
                Part(
                    start_ns=start_ns, requests=len(spans), errors=errors, p50_ns=p50, p95_ns=p95, p99_ns=p99
                )
            )
        return tuple(found)

    def dependencies(self, window: Window, *, deadline_s: float = 10.0) -> Listed[Dependency]:
        self._answer()
        by_id = {(span.trace_id, span.span_id): span for span in self.spans}
        tally: dict[tuple[str, str], list[int]] = {}
        for span in self._within(window):
            parent = by_id.get((span.trace_id, span.parent_span_id))
            if parent and span.kind in REQUESTS and parent.kind in ("client", "producer"):
                calls = tally.setdefault((parent.service, span.service), [0, 0])
                calls[0] += 1
                calls[1] += span.is_error
        return Listed.of(
            Dependency(caller=caller, callee=callee, calls=calls, errors=errors)
            for (caller, callee), (calls, errors) in sorted(tally.items())
        )

    def findings(self) -> tuple[Finding, ...]:
        self._answer()
        return tuple(sorted(self.known_findings, key=lambda finding: finding.fingerprint))

    def inventories(self, window: Window) -> tuple[Inventory, ...]:
        self._answer()
        within = [i for i in self.known_inventories if window.start_ns <= i.time_ns < window.end_ns]
        return tuple(sorted(within, key=lambda inventory: (inventory.service, inventory.instance)))

    def arrival(self, now_ns: int) -> Arrival:
        self._answer()
        received = [span.received_ns for span in self.spans]
        recent = sum(now_ns - 10 * 10**9 <= time_ns <= now_ns for time_ns in received)
        return Arrival(last_received_ns=max(received, default=0), spans_per_second=recent / 10)

    def stats(self) -> StoreStats:
        self._answer()
        return StoreStats(
            kind="embedded",
            spans=len(self.spans),
            logs=len(self.logs),
            bytes=40 * len(self.spans),
            oldest_ns=min((span.start_ns for span in self.spans), default=0),
            duplicates=0,
        )

    def close(self) -> None:
        return

    def _within(self, window: Window) -> list[Span]:
        return [span for span in self.spans if window.start_ns <= span.start_ns < window.end_ns]

    def _answer(self) -> None:
        if self.away:
            raise Unavailable(self.away)


def _percentiles(spans: Sequence[Span]) -> tuple[int, int, int]:
    durations = sorted(span.duration_ns for span in spans)
    if not durations:
        return 0, 0, 0
    p50, p95, p99 = (durations[min(int(len(durations) * q), len(durations) - 1)] for q in (0.5, 0.95, 0.99))
    return p50, p95, p99


def _operation(key: tuple[str, str, str], spans: Sequence[Span]) -> OperationSummary:
    p50, p95, p99 = _percentiles(spans)
    return OperationSummary(
        service=key[0],
        operation=key[1],
        kind=key[2],
        requests=len(spans),
        errors=sum(span.is_error for span in spans),
        p50_ns=p50,
        p95_ns=p95,
        p99_ns=p99,
        total_ns=sum(span.duration_ns for span in spans),
    )


def _matches(span: Span, query: TraceQuery) -> bool:
    return (
        query.window.start_ns <= span.start_ns < query.window.end_ns
        and query.service in ("", span.service)
        and query.operation in ("", span.name, span.text("http.route"))
        and (query.min_duration_ns is None or span.duration_ns >= query.min_duration_ns)
        and (query.max_duration_ns is None or span.duration_ns <= query.max_duration_ns)
        and query.error in (None, span.is_error)
        and not (query.roots_only and span.parent_span_id)
        and all(_meets(span, condition) for condition in query.attributes)
        and (not query.text or _contains(query.text, [span.name, *map(str, span.attributes.values())]))
    )


def _meets(span: Span, condition: AttributeFilter) -> bool:
    """As much as the pages' tests need: equality and presence."""
    value = span.attributes.get(condition.key, span.resource.attributes.get(condition.key))
    if condition.operator == "exists":
        return value is not None
    return (str(value) == condition.value) == (condition.operator == "=")


def _log_matches(record: LogRecord, query: LogQuery) -> bool:
    return (
        query.window.start_ns <= record.time_ns < query.window.end_ns
        and query.service in ("", record.service)
        and record.severity_number >= query.min_severity
        and query.trace_id in ("", record.trace_id)
        and (
            record.event_name == query.event_name
            if query.event_name
            else not record.event_name.startswith("tracestitch.")
        )
        and (not query.text or _contains(query.text, [str(record.body)]))
    )


def _contains(wanted: str, texts: Iterable[str]) -> bool:
    return any(wanted.lower() in text.lower() for text in texts)
