"""The contract of `Store` as tests: subclass `StoreContract`, give it an `open_store` fixture, and every
sentence of the Protocol is checked against that store.
"""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from dataclasses import replace
from typing import Protocol

import pytest

from tests.contract.searches import EVERY_FIELD, LOG_CASES, LOGS, SPANS, TRACE_CASES, LogCase, TraceCase
from tests.support.telemetry import (
    ALWAYS,
    BASE_NS,
    MILLISECOND,
    SECOND,
    TRACE_ID,
    batch,
    finding,
    log,
    resource,
    span,
)
from tracestitch_collector.model import Span, SpanLink
from tracestitch_collector.store.store import (
    Arrival,
    Batch,
    Bucket,
    Dependency,
    LogQuery,
    OperationSummary,
    Store,
    TraceQuery,
    TraceSummary,
    Window,
)


class OpenStore(Protocol):
    """Opens the one home of the test again, for writing or only for reading."""

    def __call__(self, *, write: bool) -> Store: ...


class StoreContract:
    visible_after_seconds = 0.0
    """How long the store may take until a batch is seen; at most a second."""

    @pytest.fixture
    def store(self, open_store: OpenStore) -> Iterator[Store]:
        store = open_store(write=True)
        yield store
        store.close()

    @pytest.fixture
    def reader(self, store: Store, open_store: OpenStore) -> Iterator[Store]:
        """Another process's view of the same home."""
        reader = open_store(write=False)
        yield reader
        reader.close()

    def write(self, store: Store, *batches: Batch) -> None:
        for item in batches:
            assert store.write(item) == ()
        time.sleep(self.visible_after_seconds)

    # An empty store

    def test_an_empty_store_answers_with_nothing(self, store: Store, reader: Store) -> None:
        for each in (store, reader):
            assert each.trace(TRACE_ID) is None
            assert each.search(TraceQuery(window=ALWAYS)).traces == ()
            assert each.search_logs(LogQuery(window=ALWAYS)).records == ()
            assert each.services(ALWAYS) == ()
            assert each.operations(ALWAYS) == ()
            assert each.dependencies(ALWAYS) == ()
            assert each.findings() == ()
            assert each.inventories(ALWAYS) == ()
            assert each.arrival(BASE_NS) == Arrival(last_received_ns=0, spans_per_second=0.0)
            assert (each.stats().spans, each.stats().logs) == (0, 0)
        assert dict(store.covered()) == {}
        assert store.recent_digests(0) == frozenset()

    def test_an_empty_batch_is_written(self, store: Store) -> None:
        self.write(store, batch(end=70))
        assert store.sync() == {"receiver": 70}
        assert store.search(TraceQuery(window=ALWAYS)).traces == ()

    # What was sent is returned as it was sent

    def test_a_span_is_read_as_it_was_written(self, store: Store, reader: Store) -> None:
        link = SpanLink(
            trace_id=EVERY_FIELD.trace_id,
            span_id=EVERY_FIELD.span_id,
            trace_state="a=b",
            flags=0x100,
            attributes={"why": "itself"},
            dropped_attributes_count=1,
        )
        written = replace(EVERY_FIELD, links=(link,))
        self.write(store, batch([written]))
        trace = reader.trace(written.trace_id)
        assert trace is not None
        assert trace.spans == (written,)
        assert [type(value) for value in trace.spans[0].attributes.values()] == [
            type(written.attributes[key]) for key in trace.spans[0].attributes
        ]

    def test_a_span_is_the_same_after_sync(self, store: Store, reader: Store) -> None:
        self.write(store, batch([EVERY_FIELD]))
        store.sync()
        trace = reader.trace(EVERY_FIELD.trace_id)
        assert trace is not None
        assert trace.spans == (EVERY_FIELD,)

    def test_several_traces_are_what_each_is_alone_in_the_order_asked(self, store: Store) -> None:
        ids = [f"{number:032x}" for number in (1, 2, 3)]
        for trace_id in ids:
            self.write(store, batch([span(trace_id=trace_id)], [log(trace_id=trace_id)], request=trace_id))
        asked = [ids[2], "f" * 32, ids[0], "no id", ids[2]]
        assert store.traces(asked) == (store.trace(ids[2]), store.trace(ids[0]))
        assert store.traces([]) == ()

    def test_a_number_that_is_none_survives(self, store: Store) -> None:
        self.write(store, batch([span(attributes={"ratio": math.nan, "list": (math.inf,)})]))
        trace = store.trace(TRACE_ID)
        assert trace is not None
        ratio = trace.spans[0].attributes["ratio"]
        assert isinstance(ratio, float)
        assert math.isnan(ratio)
        assert trace.spans[0].attributes["list"] == (math.inf,)

    def test_times_at_the_edges_survive(self, store: Store) -> None:
        odd = [
            span(span_id="0000000000000001", start_ns=0, duration_ns=0),
            span(span_id="0000000000000002", start_ns=2**63 - 1, duration_ns=0),
            span(span_id="0000000000000003", start_ns=2**63 - 1, duration_ns=-(2**63 - 1)),
            span(span_id="0000000000000004", start_ns=0, duration_ns=2**63 - 1),
        ]
        self.write(store, batch(odd, [log(time_ns=0, observed_ns=2**63 - 1)]))
        trace = store.trace(TRACE_ID)
        assert trace is not None
        assert {item.span_id: item for item in trace.spans} == {item.span_id: item for item in odd}
        assert store.search(TraceQuery(window=Window(start_ns=0, end_ns=2**63 - 1))).traces[0].span_count == 4
        assert store.services(ALWAYS) == ()

    def test_a_log_record_is_read_as_it_was_written(self, store: Store, reader: Store) -> None:
        written = [
            log(
                time_ns=BASE_NS + index,
                observed_ns=BASE_NS + 7,
                severity_number=21,
                severity_text="fatal ☃",
                body=body,
                event_name="user.event",
                trace_id=TRACE_ID,
                span_id="b7ad6b7169203331",
                flags=1,
                attributes={"a": 1, "b": ("x", None), "c": b"\x00", "d": 1.0, "e": True},
                duplicate_attributes=(("a", "again"),),
                dropped_attributes_count=2,
            )
            for index, body in enumerate(
                ("text", "", "[1]", None, 1, 2.0, True, b"x", ("a", 1), {"k": {"n": 1}})
            )
        ]
        self.write(store, batch(logs=written))
        read = reader.search_logs(LogQuery(window=ALWAYS)).records
        assert read == tuple(reversed(written))
        assert [type(item.body) for item in read] == [type(item.body) for item in reversed(written)]

    def test_many_attribute_keys_survive(self, store: Store) -> None:
        written = span(attributes={f"key.{number}": number for number in range(300)})
        self.write(store, batch([written]))
        trace = store.trace(TRACE_ID)
        assert trace is not None
        assert trace.spans[0].attributes == written.attributes

    def test_one_key_may_have_a_type_per_span(self, store: Store) -> None:
        values = ("1", 1, 1.0, True, (1,), b"1")
        written = [
            span(span_id=f"{number:016x}", start_ns=BASE_NS + number, attributes={"mixed": value})
            for number, value in enumerate(values, 1)
        ]
        for number, item in enumerate(written):
            self.write(store, batch([item], request=str(number)))
        trace = store.trace(TRACE_ID)
        assert trace is not None
        assert [(type(item.attributes["mixed"]), item.attributes["mixed"]) for item in trace.spans] == [
            (type(value), value) for value in values
        ]

    # Identity

    def test_writing_a_request_twice_keeps_one(self, store: Store, reader: Store) -> None:
        once = batch([span()], [log(trace_id=TRACE_ID)], request="same")
        self.write(store, once, replace(once, start={"receiver": 1000}, end={"receiver": 2000}))
        trace = reader.trace(TRACE_ID)
        assert trace is not None
        assert trace.spans == (span(),)
        assert len(trace.logs) == 1
        assert len(reader.search_logs(LogQuery(window=ALWAYS)).records) == 1
        assert reader.services(ALWAYS)[0].requests == 1

    def test_a_request_written_again_after_a_restart_is_kept_once(self, open_store: OpenStore) -> None:
        first = open_store(write=True)
        self.write(first, batch([span()], [log()], request="same"))
        first.sync()
        first.close()
        second = open_store(write=True)
        self.write(second, batch([span()], [log()], request="same", start=1000, end=2000))
        trace = second.trace(TRACE_ID)
        records = second.search_logs(LogQuery(window=ALWAYS)).records
        second.close()
        assert trace is not None
        assert trace.spans == (span(),)
        assert len(records) == 1

    def test_equal_spans_of_one_request_are_two_rows_and_read_as_one(self, store: Store) -> None:
        self.write(store, batch([span(), span()]))
        trace = store.trace(TRACE_ID)
        assert trace is not None
        assert trace.spans == (span(copies=2),)

    def test_equal_spans_of_different_requests_are_read_as_one_with_copies(
        self, store: Store, reader: Store
    ) -> None:
        self.write(
            store,
            batch([span()], request="one"),
            batch([span(received_ns=BASE_NS + 9 * SECOND)], request="two", start=1000, end=2000),
        )
        trace = reader.trace(TRACE_ID)
        assert trace is not None
        assert trace.spans == (span(copies=2),)
        assert reader.search(TraceQuery(window=ALWAYS)).traces[0].span_count == 1

    def test_spans_of_one_id_and_different_content_are_both_kept_and_marked(self, store: Store) -> None:
        self.write(store, batch([span(name="a")], request="one"), batch([span(name="b")], request="two"))
        trace = store.trace(TRACE_ID)
        assert trace is not None
        assert trace.spans == (span(name="a", conflicting=True), span(name="b", conflicting=True))
        assert store.search(TraceQuery(window=ALWAYS)).traces[0].span_count == 1

    # Durability

    def test_sync_returns_what_is_covered_and_a_restart_remembers(self, open_store: OpenStore) -> None:
        first = open_store(write=True)
        self.write(first, batch([span()], end=500))
        covered = first.sync()
        first.close()
        second = open_store(write=True)
        remembered, trace = second.covered(), second.trace(TRACE_ID)
        second.close()
        assert covered == remembered == {"receiver": 500}
        assert trace is not None

    def test_logs_are_covered_each_for_itself(self, store: Store) -> None:
        self.write(
            store,
            replace(batch(request="a"), start={"receiver": 0}, end={"receiver": 10}),
            replace(
                batch(request="b"), start={"receiver": 10, "checks": 0}, end={"receiver": 10, "checks": 5}
            ),
        )
        assert store.sync() == {"receiver": 10, "checks": 5}

    def test_what_was_not_synced_may_be_written_again_after_a_crash(self, open_store: OpenStore) -> None:
        first = open_store(write=True)
        self.write(first, batch([span()], request="a", end=500))
        first.sync()
        self.write(first, batch([span(span_id="00000000000000bb")], [log()], request="b", start=500, end=900))
        first.close()
        second = open_store(write=True)
        assert second.covered()["receiver"] in (500, 900)
        self.write(
            second, batch([span(span_id="00000000000000bb")], [log()], request="b", start=500, end=950)
        )
        assert second.sync() == {"receiver": 950}
        trace, records = second.trace(TRACE_ID), second.search_logs(LogQuery(window=ALWAYS)).records
        second.close()
        assert trace is not None
        assert [(item.span_id, item.copies) for item in trace.spans] == [
            ("00000000000000bb", 1),
            ("b7ad6b7169203331", 1),
        ]
        assert len(records) == 1

    def test_recent_digests_are_those_received_since(self, store: Store) -> None:
        item = batch([span(received_ns=BASE_NS)])
        self.write(store, item)
        store.sync()
        assert store.recent_digests(BASE_NS) in (frozenset(item.digests), frozenset())
        assert store.recent_digests(BASE_NS + 1) == frozenset()

    # One trace

    @pytest.mark.parametrize(
        "trace_id", ["", "xyz", "0af7", "../../etc/passwd", "é" * 32, "0" * 32, TRACE_ID + "00"]
    )
    def test_a_malformed_or_unknown_id_is_no_trace(self, store: Store, trace_id: str) -> None:
        self.write(store, batch([span()]))
        assert store.trace(trace_id) is None

    def test_a_trace_id_may_be_in_capitals(self, store: Store) -> None:
        self.write(store, batch([span()]))
        trace = store.trace(TRACE_ID.upper())
        assert trace is not None
        assert trace.trace_id == TRACE_ID

    def test_a_trace_is_gathered_from_everything_written(self, store: Store, reader: Store) -> None:
        spans = [span(span_id=f"{n:016x}", start_ns=BASE_NS + (n * 7 % 10) * SECOND) for n in range(1, 10)]
        logs = [log(trace_id=TRACE_ID, time_ns=BASE_NS + (n * 3 % 10), body=str(n)) for n in range(10)]
        for number, (item, record) in enumerate(zip(spans, logs, strict=False)):
            self.write(
                store, batch([item], [record], request=str(number), start=number * 10, end=number * 10 + 10)
            )
            if number % 3 == 0:
                store.sync()
        self.write(store, batch([], logs[9:], request="last", start=90, end=100))
        trace = reader.trace(TRACE_ID)
        assert trace is not None
        assert trace.spans == tuple(sorted(spans, key=lambda item: (item.start_ns, item.span_id)))
        assert trace.logs == tuple(sorted(logs, key=lambda record: record.time_ns))

    def test_log_records_alone_are_no_trace(self, store: Store) -> None:
        self.write(store, batch(logs=[log(trace_id=TRACE_ID)]))
        assert store.trace(TRACE_ID) is None

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
