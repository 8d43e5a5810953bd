"""The contract of `Store`, first half: what was written is kept as it was sent, once, and durably."""

from __future__ import annotations

import math
from dataclasses import replace

import pytest

from tests.contract.home import OpenStore, StoreHome
from tests.contract.searches import EVERY_FIELD
from tests.support.telemetry import (
    ALWAYS,
    BASE_NS,
    SECOND,
    TRACE_ID,
    batch,
    log,
    span,
)
from tracestitch_collector.model import SpanLink
from tracestitch_collector.store.store import (
    Arrival,
    LogQuery,
    Store,
    TraceQuery,
    Window,
)


class KeepingContract(StoreHome):
    # An empty store

    def test_an_empty_store_answers_with_nothing(self, store: Store, reader: Store) -> None:
        for each in (store, reader):
            assert each.trace(TRACE_ID) is None
            assert each.search(TraceQuery(window=ALWAYS)).traces == ()
            assert each.search_logs(LogQuery(window=ALWAYS)).records == ()
            assert each.values(ALWAYS, "http.route") == ()
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

    def test_a_sync_covers_what_was_written_before_it_began(self, open_store: OpenStore) -> None:
        first = open_store(write=True)
        first.write(batch([span()], request="a", end=100))
        work = first.begin_sync()
        first.write(batch([span(span_id="00000000000000a1")], request="b", start=100, end=250))
        assert work() == {"receiver": 100}
        assert first.covered() == {"receiver": 100}
        assert first.sync() == {"receiver": 250}
        first.close()
        again = open_store(write=True)
        assert again.covered() == {"receiver": 250}
        again.close()

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
