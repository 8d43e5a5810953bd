"""The contract of `Store`, second half: what is asked across traces is answered."""

from __future__ import annotations

from dataclasses import replace

import pytest

from tests.contract.home import StoreHome
from tests.contract.searches import LOG_CASES, LOGS, SPANS, TRACE_CASES, LogCase, TraceCase
from tests.support.telemetry import (
    ALWAYS,
    BASE_NS,
    MILLISECOND,
    SECOND,
    batch,
    finding,
    log,
    resource,
    span,
)
from tracestitch_collector.model import Span
from tracestitch_collector.store.store import (
    Arrival,
    Bucket,
    Dependency,
    LogQuery,
    OperationSummary,
    Store,
    TraceQuery,
    TraceSummary,
    Window,
)


class AskingContract(StoreHome):
    # Search

    @pytest.fixture
    def filled(self, store: Store) -> Store:
        half = len(SPANS) // 2
        self.write(store, batch(SPANS[:half], LOGS[:2], request="first", end=500))
        store.sync()
        self.write(store, batch(SPANS[half:], LOGS[2:], request="second", start=500, end=1000))
        return store

    def test_a_search_finds_what_the_table_says(self, filled: Store, reader: Store) -> None:
        wrong = [
            f"{case.caption}: found {found}, not {case.finds}"
            for case in TRACE_CASES
            if (found := _found(reader, case)) != case.finds
        ]
        assert wrong == []

    def test_a_log_search_finds_what_the_table_says(self, filled: Store, reader: Store) -> None:
        wrong = [
            f"{case.caption}: found {found}, not {case.finds}"
            for case in LOG_CASES
            if (found := _found_logs(reader, case)) != case.finds
        ]
        assert wrong == []

    def test_a_summary_is_of_the_whole_trace(self, filled: Store) -> None:
        (found,) = filled.search(TraceQuery(window=ALWAYS, operation="SELECT stock_item")).traces
        assert found == TraceSummary(
            trace_id="a" * 32,
            root_service="storefront",
            root_name="POST /checkout",
            start_ns=BASE_NS + 10 * SECOND,
            duration_ns=200 * MILLISECOND,
            span_count=4,
            error_count=1,
            log_count=2,
            services={"inventory": 2, "storefront": 2},
            root_duration_ns=200 * MILLISECOND,
        )

    def test_a_trace_without_its_root_is_named_by_its_earliest_span(self, filled: Store) -> None:
        (found,) = filled.search(TraceQuery(window=ALWAYS, operation="INSERT receipt")).traces
        assert found == TraceSummary(
            trace_id="c" * 32,
            root_service="worker",
            root_name="process send_receipt",
            start_ns=BASE_NS + 5 * SECOND,
            duration_ns=4 * SECOND,
            span_count=2,
            error_count=0,
            log_count=0,
            services={"worker": 2},
            has_root=False,
        )

    def test_the_earliest_root_names_a_trace_that_has_two(self, store: Store) -> None:
        roots = [
            span(span_id="0000000000000001", name="later", start_ns=BASE_NS + 2),
            span(span_id="0000000000000002", name="earlier", start_ns=BASE_NS + 1),
            span(
                span_id="0000000000000003", parent_span_id="0000000000000009", name="child", start_ns=BASE_NS
            ),
        ]
        self.write(store, batch(roots))
        (found,) = store.search(TraceQuery(window=ALWAYS)).traces
        assert (found.root_name, found.start_ns, found.has_root) == ("earlier", BASE_NS, True)

    def test_services_of_a_summary_come_most_spans_first(self, store: Store) -> None:
        services = ("b", "b", "a", "c", "c", "c")
        spans = [span(span_id=f"{n:016x}", service=service) for n, service in enumerate(services, 1)]
        self.write(store, batch(spans))
        (found,) = store.search(TraceQuery(window=ALWAYS)).traces
        assert list(found.services.items()) == [("c", 3), ("b", 2), ("a", 1)]

    def test_pages_visit_each_trace_once_while_data_arrives(self, store: Store, reader: Store) -> None:
        ids = [f"{n:032x}" for n in range(1, 24)]
        # Several share a start, so that ties must be kept apart.
        self.write(store, batch([_root(trace_id, n // 3) for n, trace_id in enumerate(ids)]))
        query, seen, page_number = TraceQuery(window=ALWAYS, limit=5), [], 0
        while True:
            page = reader.search(query)
            seen += [found.trace_id for found in page.traces]
            if not page.next_cursor:
                break
            page_number += 1
            newer = _root(f"{1000 + page_number:032x}", 500)
            self.write(store, batch([newer], request=f"newer {page_number}"))
            query = replace(query, cursor=page.next_cursor)
        assert seen == sorted(ids, key=lambda trace_id: (-((int(trace_id, 16) - 1) // 3), trace_id))

    def test_the_last_page_is_empty_handed(self, store: Store) -> None:
        self.write(store, batch([_root("1" * 32, 0), _root("2" * 32, 1)]))
        assert store.search(TraceQuery(window=ALWAYS, limit=2)).next_cursor == ""

    def test_a_limit_beyond_any_page_is_no_error(self, store: Store) -> None:
        self.write(store, batch([_root("1" * 32, 0), _root("2" * 32, 1)], [log()]))
        assert len(store.search(TraceQuery(window=ALWAYS, limit=100_000)).traces) == 2
        assert len(store.search(TraceQuery(window=ALWAYS, limit=100_000, order="slowest")).traces) == 2
        assert len(store.search_logs(LogQuery(window=ALWAYS, limit=100_000)).records) == 1

    def test_a_cursor_that_is_none_of_ours_finds_from_the_start(self, store: Store) -> None:
        self.write(store, batch([_root("1" * 32, 0)], [log()]))
        assert len(store.search(TraceQuery(window=ALWAYS, cursor="' OR 1=1")).traces) == 1
        assert len(store.search_logs(LogQuery(window=ALWAYS, cursor="' OR 1=1")).records) == 1

    def test_pages_visit_each_log_record_once_while_data_arrives(self, store: Store, reader: Store) -> None:
        records = [log(time_ns=BASE_NS + n // 3, body=str(n)) for n in range(23)]
        self.write(store, batch(logs=records))
        query, seen, page_number = LogQuery(window=ALWAYS, limit=5), [], 0
        while True:
            page = reader.search_logs(query)
            seen += [str(record.body) for record in page.records]
            if not page.next_cursor:
                break
            page_number += 1
            self.write(store, batch(logs=[log(time_ns=BASE_NS + SECOND)], request=f"newer {page_number}"))
            query = replace(query, cursor=page.next_cursor)
        assert sorted(seen, key=int) == [str(n) for n in range(23)]
        assert [int(body) // 3 for body in seen] == sorted((int(body) // 3 for body in seen), reverse=True)

    def test_a_search_past_its_deadline_answers_with_what_it_has(self, filled: Store, reader: Store) -> None:
        hurried = reader.search(TraceQuery(window=ALWAYS, deadline_s=0))
        whole = reader.search(TraceQuery(window=ALWAYS))
        assert whole.partial == ""
        assert hurried.partial or hurried.traces == whole.traces
        assert {item.trace_id for item in hurried.traces} <= {item.trace_id for item in whole.traces}

    def test_a_log_search_past_its_deadline_answers_with_what_it_has(
        self, filled: Store, reader: Store
    ) -> None:
        hurried = reader.search_logs(LogQuery(window=ALWAYS, deadline_s=0))
        whole = reader.search_logs(LogQuery(window=ALWAYS))
        assert whole.partial == ""
        assert hurried.partial or hurried.records == whole.records
        assert all(record in whole.records for record in hurried.records)

    def test_lists_past_their_deadline_hold_what_was_counted_until_then(
        self, filled: Store, reader: Store
    ) -> None:
        for ask in (reader.services, reader.operations, reader.dependencies):
            whole, hurried = ask(ALWAYS), ask(ALWAYS, deadline_s=0)
            assert whole
            assert whole.partial == ""
            assert hurried.partial or hurried == whole

    def test_values_complete_what_somebody_types(self, filled: Store, reader: Store) -> None:
        assert reader.values(ALWAYS, "http.route") == ("/checkout", "/stock/<sku>")
        assert reader.values(ALWAYS, "http.route", prefix="/st") == ("/stock/<sku>",)
        assert reader.values(ALWAYS, "http.route", service="storefront") == ("/checkout",)
        assert reader.values(ALWAYS, "http.response.status_code") == ("200", "404", "502")
        assert reader.values(ALWAYS, "http.response.status_code", prefix="4") == ("404",)
        assert reader.values(ALWAYS, "deployment.environment.name") == ("staging",)
        assert len(reader.values(ALWAYS, "http.route", limit=1)) == 1
        assert reader.values(ALWAYS, "nothing") == ()
        assert reader.values(ALWAYS, "cart.note", prefix="100% _") == ("100% _sure_",)
        before = Window(start_ns=ALWAYS.start_ns, end_ns=BASE_NS)
        assert reader.values(before, "http.route") == ()

    # Services

    def test_services_are_summed_up_from_their_requests(self, filled: Store, reader: Store) -> None:
        found = {item.service: item for item in reader.services(ALWAYS)}
        assert list(found) == ["inventory", "storefront", "worker"]
        inventory = found["inventory"]
        assert (inventory.requests, inventory.errors, inventory.spans) == (2, 0, 3)
        assert inventory.last_seen_ns == BASE_NS + 20 * SECOND
        assert inventory.p99_ns == pytest.approx(80 * MILLISECOND, rel=0.1)
        assert (found["storefront"].requests, found["storefront"].errors) == (1, 1)
        assert found["storefront"].p50_ns == pytest.approx(200 * MILLISECOND, rel=0.01)
        assert (found["worker"].requests, found["worker"].spans) == (1, 3)

    def test_a_service_without_requests_has_no_durations(self, store: Store) -> None:
        self.write(store, batch([span(kind="client")]))
        (found,) = store.services(ALWAYS)
        assert (found.requests, found.spans, found.p50_ns, found.p95_ns, found.p99_ns) == (0, 1, 0, 0, 0)

    def test_buckets_part_the_window_in_thirty(self, store: Store) -> None:
        window = Window(start_ns=BASE_NS, end_ns=BASE_NS + 300 * SECOND)
        spans = [
            span(span_id="0000000000000001", start_ns=BASE_NS),
            span(span_id="0000000000000002", start_ns=BASE_NS + 10 * SECOND - 1, status_code="error"),
            span(span_id="0000000000000003", start_ns=BASE_NS + 299 * SECOND),
            span(span_id="0000000000000004", start_ns=BASE_NS + 300 * SECOND),
        ]
        self.write(store, batch(spans))
        (found,) = store.services(window)
        assert len(found.buckets) == 30
        assert found.buckets[0] == Bucket(start_ns=BASE_NS, requests=2, errors=1)
        assert found.buckets[29] == Bucket(start_ns=BASE_NS + 290 * SECOND, requests=1, errors=0)
        assert sum(bucket.requests for bucket in found.buckets) == found.requests == 3

    def test_operations_come_by_total_time(self, filled: Store, reader: Store) -> None:
        every = reader.operations(ALWAYS)
        assert [(item.service, item.operation) for item in every] == [
            ("worker", "process send_receipt"),
            ("storefront", "POST /checkout"),
            ("inventory", "GET /stock/<sku>"),
        ]
        (found,) = reader.operations(ALWAYS, "storefront")
        assert replace(found, p50_ns=0, p95_ns=0, p99_ns=0) == OperationSummary(
            service="storefront",
            operation="POST /checkout",
            kind="server",
            requests=1,
            errors=1,
            p50_ns=0,
            p95_ns=0,
            p99_ns=0,
            total_ns=200 * MILLISECOND,
        )

    def test_the_history_of_a_service_and_of_an_operation(self, store: Store, reader: Store) -> None:
        minute = BASE_NS // (60 * SECOND) * 60 * SECOND
        window = Window(start_ns=minute, end_ns=minute + 60 * 60 * SECOND)
        starts = (0, 1, 119, 3599, 3600)
        spans = [
            span(
                span_id=f"{at + 1:016x}",
                start_ns=minute + at * SECOND,
                name="GET /slow" if at == 119 else "GET /quick",
                duration_ns=(900 if at == 119 else 10) * MILLISECOND,
                status_code="error" if at == 1 else "unset",
            )
            for at in starts
        ]
        for synced in (False, True):
            if synced:
                store.sync()
            else:
                self.write(store, batch(spans))
            found = reader.history(window, "inventory")
            assert [part.start_ns for part in found] == [minute + n * 120 * SECOND for n in range(30)]
            counted = {n: (part.requests, part.errors) for n, part in enumerate(found) if part.requests}
            assert counted == {0: (3, 1), 29: (1, 0)}
            assert found[0].p50_ns == pytest.approx(10 * MILLISECOND, rel=0.05)
            assert found[0].p99_ns == pytest.approx(900 * MILLISECOND, rel=0.05)
            assert (found[1].p50_ns, found[1].p99_ns) == (0, 0)
            slow = reader.history(window, "inventory", "GET /slow", parts=2)
            assert [part.requests for part in slow] == [1, 0]
            assert not any(part.requests for part in reader.history(window, "nobody"))

    def test_no_part_of_a_history_is_shorter_than_a_minute(self, store: Store) -> None:
        minute = BASE_NS // (60 * SECOND) * 60 * SECOND
        self.write(store, batch([span(start_ns=minute + 61 * SECOND)]))
        window = Window(start_ns=minute, end_ns=minute + 180 * SECOND)
        assert [part.requests for part in store.history(window, "inventory")] == [0, 1, 0]
        within = Window(start_ns=minute + 60 * SECOND, end_ns=minute + 62 * SECOND)
        assert [part.requests for part in store.history(within, "inventory")] == [1]
        assert store.history(Window(start_ns=5, end_ns=5), "inventory") == ()

    def test_percentiles_are_near_the_truth(self, store: Store) -> None:
        spans = [span(span_id=f"{n:016x}", duration_ns=n * MILLISECOND) for n in range(1, 101)]
        self.write(store, batch(spans))
        (found,) = store.operations(ALWAYS)
        assert found.p50_ns == pytest.approx(50 * MILLISECOND, rel=0.05)
        assert found.p95_ns == pytest.approx(95 * MILLISECOND, rel=0.05)
        assert found.p99_ns == pytest.approx(99 * MILLISECOND, rel=0.05)

    def test_dependencies_are_calls_between_services(self, store: Store, reader: Store) -> None:
        spans = [
            *_call("1", "storefront", "inventory", "client", "server"),
            *_call("2", "storefront", "inventory", "client", "server", status_code="error"),
            *_call("3", "storefront", "worker", "producer", "consumer"),
            *_call("4", "inventory", "inventory", "client", "server"),
            *_call("5", "storefront", "pricing", "internal", "server"),
        ]
        self.write(store, batch(spans[::2], request="callers"), batch(spans[1::2], request="callees"))
        assert reader.dependencies(ALWAYS) == (
            Dependency(caller="storefront", callee="inventory", calls=2, errors=1),
            Dependency(caller="storefront", callee="worker", calls=1, errors=0),
        )

    # Findings, inventories, arrival, stats

    def test_the_newest_state_of_a_finding_is_kept_with_its_first_sight(
        self, store: Store, reader: Store
    ) -> None:
        old = finding(title="old", first_seen_ns=BASE_NS, last_seen_ns=BASE_NS)
        new = finding(title="new", first_seen_ns=BASE_NS + 5, last_seen_ns=BASE_NS + 9)
        other = finding(fingerprint="0000000000000001")
        self.write(store, batch(findings=[new, other], evaluated_ns=BASE_NS + 9))
        store.sync()
        self.write(store, batch(findings=[old], evaluated_ns=BASE_NS + 1, start=1000, end=2000))
        assert reader.findings() == (other, new.seen_since(BASE_NS))
        store.sync()
        assert reader.findings() == (other, new.seen_since(BASE_NS))

    def test_a_finding_written_twice_is_one(self, store: Store) -> None:
        self.write(store, batch(findings=[finding()]), batch(findings=[finding()], start=1000, end=2000))
        assert store.findings() == (finding(),)

    def test_the_newest_inventory_of_each_process_is_found(self, store: Store, reader: Store) -> None:
        def event(instance: str, time_ns: int, version: str, service: str = "inventory") -> object:
            return log(
                time_ns=BASE_NS + time_ns,
                event_name="tracestitch.inventory",
                body={"python": {"version": version}, "packages": {}},
                resource=resource(
                    service, service__instance__id=instance, deployment__environment__name="demo"
                ),
            )

        events = [
            event("b", 1, "3.11"),
            event("a", 1, "3.11"),
            event("a", 2, "3.12"),
            event("z", 1, "3.13", "cart"),
        ]
        self.write(store, batch(logs=events))  # type: ignore[arg-type]  # they are log records
        found = reader.inventories(ALWAYS)
        assert [(item.service, item.instance, item.time_ns - BASE_NS) for item in found] == [
            ("cart", "z", 1),
            ("inventory", "a", 2),
            ("inventory", "b", 1),
        ]
        assert found[1].body == {"python": {"version": "3.12"}, "packages": {}}
        assert found[1].environment == "demo"
        assert found[1].resource["service.instance.id"] == "a"

    def test_arrival_counts_the_last_ten_seconds(self, store: Store, reader: Store) -> None:
        spans = [
            span(span_id=f"{n:016x}", received_ns=BASE_NS - seconds * SECOND)
            for n, seconds in enumerate((11, 9, 5, 0), 1)
        ]
        self.write(store, batch(spans[:2], request="a"))
        store.sync()
        self.write(store, batch(spans[2:], [log(received_ns=BASE_NS)], request="b", start=1000, end=2000))
        assert reader.arrival(BASE_NS) == Arrival(last_received_ns=BASE_NS, spans_per_second=0.3)

    def test_stats_count_what_is_there(self, filled: Store, reader: Store) -> None:
        found = reader.stats()
        assert (found.spans, found.logs) == (len(SPANS), len(LOGS))
        assert found.bytes > 0
        assert found.oldest_ns == BASE_NS - 1800 * SECOND


def _found(store: Store, case: TraceCase) -> tuple[str, ...]:
    return tuple(found.trace_id for found in store.search(case.query).traces)


def _found_logs(store: Store, case: LogCase) -> tuple[int, ...]:
    times = [record.time_ns for record in LOGS]
    return tuple(times.index(record.time_ns) for record in store.search_logs(case.query).records)


def _root(trace_id: str, seconds: int) -> Span:
    return span(trace_id=trace_id, start_ns=BASE_NS + seconds * SECOND)


def _call(digit: str, caller: str, callee: str, out: str, into: str, **fields: object) -> tuple[Span, Span]:
    """A call in a trace of its own: the caller's span and the callee's beneath it."""
    outgoing = span(trace_id=digit * 32, span_id=f"000000000000000{digit}", service=caller, kind=out)
    incoming = span(
        trace_id=digit * 32,
        span_id=f"f00000000000000{digit}",
        parent_span_id=outgoing.span_id,
        service=callee,
        kind=into,
        **fields,
    )
    return outgoing, incoming
