"""The Prometheus output: what the series say after batches of spans, logs and findings."""

from __future__ import annotations

import http.client
import socket
from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path

import pytest
from prometheus_client import CollectorRegistry
from prometheus_client.openmetrics.exposition import generate_latest
from prometheus_client.openmetrics.parser import text_string_to_metric_families
from prometheus_client.samples import Sample

from tests.support.prometheus import (
    NO_FINDINGS,
    NO_LOGS,
    NO_SPANS,
    finding,
    findings,
    logs,
    promtool,
    span,
    spans,
)
from tracestitch_collector.checks.finding import Finding, Fix, Impact
from tracestitch_collector.outputs.prometheus import Aggregator, PipelineMetrics, serve

SECOND_NS = 1_000_000_000
CLIENT, SERVER, PRODUCER, CONSUMER = 3, 2, 4, 5


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_000 * SECOND_NS

    def __call__(self) -> int:
        return self.now_ns


def samples(aggregator: Aggregator, name: str) -> list[Sample]:
    return [sample for metric in aggregator.collect() for sample in metric.samples if sample.name == name]


def values(aggregator: Aggregator, name: str, *labels: str) -> Mapping[tuple[str, ...], float]:
    return {tuple(s.labels.get(label, "") for label in labels): s.value for s in samples(aggregator, name)}


def test_calls_are_counted_by_service_name_kind_and_status() -> None:
    aggregator = Aggregator()
    aggregator.observe(spans(span(), span(span_id=2), span(span_id=3, status_code=2)), NO_LOGS, NO_FINDINGS)
    aggregator.observe(spans(span(span_id=4)), NO_LOGS, NO_FINDINGS)
    labels = ("service_name", "span_name", "span_kind", "status_code")
    assert values(aggregator, "traces_span_metrics_calls_total", *labels) == {
        ("inventory", "GET /stock", "SPAN_KIND_SERVER", "STATUS_CODE_UNSET"): 3,
        ("inventory", "GET /stock", "SPAN_KIND_SERVER", "STATUS_CODE_ERROR"): 1,
    }


def test_texts_that_come_as_dictionaries_count_like_others() -> None:
    rows = (
        span(service_name="a"),
        span(span_id=2, service_name=""),
        span(span_id=3, service_name=None),
        span(span_id=4),
    )
    plain = spans(*rows)
    column = plain.column_names.index("service_name")
    aggregators = Aggregator(), Aggregator()
    aggregators[0].observe(plain, NO_LOGS, NO_FINDINGS)
    encoded = plain.set_column(column, "service_name", plain["service_name"].dictionary_encode())
    aggregators[1].observe(encoded, NO_LOGS, NO_FINDINGS)
    counts = [values(each, "traces_span_metrics_calls_total", "service_name") for each in aggregators]
    assert counts[0] == counts[1] == {("a",): 1, ("unknown_service",): 2, ("inventory",): 1}


def test_a_duration_falls_into_the_first_bucket_that_holds_it() -> None:
    aggregator = Aggregator()
    durations = (5_000_000, 5_000_001, 60 * SECOND_NS, -7)
    rows = [span(span_id=n + 1, duration_ns=duration) for n, duration in enumerate(durations)]
    aggregator.observe(spans(*rows), NO_LOGS, NO_FINDINGS)
    buckets = values(aggregator, "traces_span_metrics_duration_seconds_bucket", "le")
    assert buckets[("0.005",)] == 2  # the bound itself, and the clock that went backwards
    assert buckets[("0.01",)] == 3
    assert buckets[("10.0",)] == 3
    assert buckets[("+Inf",)] == 4
    assert values(aggregator, "traces_span_metrics_duration_seconds_sum")[()] == pytest.approx(60.010000001)
    assert values(aggregator, "traces_span_metrics_duration_seconds_count")[()] == 4


def test_a_bucket_carries_the_ids_of_its_latest_span_as_exemplar() -> None:
    aggregator = Aggregator()
    aggregator.observe(spans(span(trace=7, span_id=1), span(trace=8, span_id=2)), NO_LOGS, NO_FINDINGS)
    exemplars = [
        s.exemplar for s in samples(aggregator, "traces_span_metrics_duration_seconds_bucket") if s.exemplar
    ]
    assert [e.labels for e in exemplars] == [{"trace_id": f"{8:032x}", "span_id": f"{2:016x}"}]
    assert exemplars[0].value == pytest.approx(0.03)


def call(
    trace: int, client: int, server: int, status_code: int = 0
) -> tuple[dict[str, object], dict[str, object]]:
    return (
        span(trace, client, None, kind=CLIENT, service_name="storefront", duration_ns=50_000_000),
        span(trace, server, client, status_code=status_code),
    )


EDGE = ("client", "server", "connection_type")


def test_a_call_whose_two_sides_arrive_apart_is_one_edge() -> None:
    aggregator = Aggregator()
    for trace in (1, 2):
        client, server = call(trace, 10, 11)
        first, second = (client, server) if trace == 1 else (server, client)
        aggregator.observe(spans(first), NO_LOGS, NO_FINDINGS)
        assert values(aggregator, "traces_service_graph_request_total", *EDGE) == (
            {} if trace == 1 else {("storefront", "inventory", ""): 1}
        )
        aggregator.observe(spans(second), NO_LOGS, NO_FINDINGS)
    assert values(aggregator, "traces_service_graph_request_total", *EDGE) == {
        ("storefront", "inventory", ""): 2
    }
    assert values(aggregator, "traces_service_graph_request_failed_total", *EDGE) == {
        ("storefront", "inventory", ""): 0
    }
    assert values(aggregator, "traces_service_graph_request_client_seconds_sum", *EDGE) == {
        ("storefront", "inventory", ""): pytest.approx(0.1)
    }
    assert values(aggregator, "traces_service_graph_request_server_seconds_sum", *EDGE) == {
        ("storefront", "inventory", ""): pytest.approx(0.06)
    }


def test_equal_span_ids_in_two_traces_are_two_calls() -> None:
    aggregator = Aggregator()
    client, _ = call(1, 10, 11)
    _, stranger = call(2, 10, 11)
    aggregator.observe(spans(client, stranger), NO_LOGS, NO_FINDINGS)
    assert values(aggregator, "traces_service_graph_request_total", *EDGE) == {}


def test_an_edge_fails_when_either_side_failed() -> None:
    aggregator = Aggregator()
    aggregator.observe(spans(*call(1, 10, 11, status_code=2)), NO_LOGS, NO_FINDINGS)
    assert values(aggregator, "traces_service_graph_request_failed_total", *EDGE) == {
        ("storefront", "inventory", ""): 1
    }


def test_a_message_is_an_edge_of_its_own_kind() -> None:
    aggregator = Aggregator()
    aggregator.observe(
        spans(
            span(1, 1, kind=PRODUCER, service_name="storefront"),
            span(1, 2, 1, kind=CONSUMER, service_name="worker"),
        ),
        NO_LOGS,
        NO_FINDINGS,
    )
    assert values(aggregator, "traces_service_graph_request_total", *EDGE) == {
        ("storefront", "worker", "messaging_system"): 1
    }


def test_a_query_is_an_edge_to_the_database() -> None:
    aggregator = Aggregator()
    named = {"db.system.name": "postgresql", "db.namespace": "shop"}
    aggregator.observe(
        spans(
            span(1, 1, attributes=named, kind=CLIENT),
            span(1, 2, attributes={"db.system.name": "redis"}, kind=CLIENT, status_code=2),
        ),
        NO_LOGS,
        NO_FINDINGS,
    )
    assert values(aggregator, "traces_service_graph_request_total", *EDGE) == {
        ("inventory", "shop", "database"): 1,
        ("inventory", "redis", "database"): 1,
    }
    assert values(aggregator, "traces_service_graph_request_failed_total", "server")[("redis",)] == 1


def test_a_call_that_is_never_answered_is_counted_as_unpaired() -> None:
    clock = Clock()
    aggregator = Aggregator(clock=clock, pair_within_ns=10 * SECOND_NS)
    client, server = call(1, 10, 11)
    aggregator.observe(spans(client), NO_LOGS, NO_FINDINGS)
    clock.now_ns += 11 * SECOND_NS
    aggregator.observe(spans(span(9, 9)), NO_LOGS, NO_FINDINGS)
    assert values(aggregator, "traces_service_graph_unpaired_spans_total")[()] == 1
    aggregator.observe(spans(server), NO_LOGS, NO_FINDINGS)
    assert values(aggregator, "traces_service_graph_request_total", *EDGE) == {}


def test_too_many_waiting_calls_drop_the_oldest() -> None:
    aggregator = Aggregator(max_waiting=3)
    calls = [call(trace, 10, 11) for trace in range(1, 6)]
    for client, _ in calls:
        aggregator.observe(spans(client), NO_LOGS, NO_FINDINGS)
    assert values(aggregator, "traces_service_graph_request_total", *EDGE) == {}  # asked, they are counted
    aggregator.observe(spans(*(server for _, server in calls)), NO_LOGS, NO_FINDINGS)
    assert values(aggregator, "traces_service_graph_request_total", *EDGE) == {
        ("storefront", "inventory", ""): 3
    }
    assert values(aggregator, "traces_service_graph_dropped_spans_total")[()] == 2


def test_log_records_are_counted_by_severity_without_our_own_events() -> None:
    aggregator = Aggregator()
    rows = [
        {"service_name": "pricing", "severity_number": number, "event_name": event}
        for number, event in (
            (9, ""),
            (10, None),
            (17, ""),
            (24, ""),
            (0, ""),
            (99, ""),
            (9, "tracestitch.inventory"),
        )
    ]
    aggregator.observe(NO_SPANS, logs(*rows), NO_FINDINGS)
    assert values(aggregator, "tracestitch_log_records_total", "service_name", "severity") == {
        ("pricing", "INFO"): 2,
        ("pricing", "ERROR"): 1,
        ("pricing", "FATAL"): 1,
        ("pricing", "UNSPECIFIED"): 2,
    }


def test_an_open_finding_is_one_until_it_is_quiet_suppressed_or_forgotten() -> None:
    clock = Clock()
    aggregator = Aggregator(clock=clock, finding_expiry_ns=60 * SECOND_NS)
    kept, suppressed = (finding(f"{n:016x}", last_seen_ns=clock.now_ns) for n in (1, 2))
    aggregator.observe(NO_SPANS, NO_LOGS, findings(kept, suppressed))
    assert len(samples(aggregator, "tracestitch_findings")) == 2
    gone = finding(f"{1:016x}", evaluated_ns=2, state="quiet", last_seen_ns=clock.now_ns)
    aggregator.observe(NO_SPANS, NO_LOGS, findings(gone))
    assert len(samples(aggregator, "tracestitch_findings")) == 1
    aggregator.observe(NO_SPANS, NO_LOGS, findings(kept))
    later = finding(f"{2:016x}", evaluated_ns=2, suppressed_by="known", last_seen_ns=clock.now_ns)
    aggregator.observe(NO_SPANS, NO_LOGS, findings(later))
    labels = ("check", "pitfall", "severity", "service_name", "fingerprint")
    assert values(aggregator, "tracestitch_findings", *labels) == {
        ("missing-timeout", "P7", "important", "pricing", f"{1:016x}"): 1
    }
    clock.now_ns += 61 * SECOND_NS
    assert values(aggregator, "tracestitch_findings", *labels) == {}


def test_findings_of_the_store_are_open_after_a_restart() -> None:
    clock = Clock()
    known = Finding(
        fingerprint="ab" * 8,
        check="missing-timeout",
        pitfall="P7",
        severity="important",
        tier="A",
        title="",
        service="pricing",
        operation="",
        location=None,
        evidence=(),
        affected=1,
        eligible=1,
        impact=Impact(ms_per_day=0.0, requests_share=0.0, text=""),
        fix=Fix(text="", before="", after=""),
        first_seen_ns=0,
        last_seen_ns=clock.now_ns,
    )
    aggregator = Aggregator(clock=clock)
    suppressed = replace(known, fingerprint="cd" * 8, suppressed_by="known")
    aggregator.restore([known, suppressed, replace(known, fingerprint="ef" * 8, state="quiet")])
    labels = ("check", "severity", "service_name", "fingerprint")
    assert values(aggregator, "tracestitch_findings", *labels) == {
        ("missing-timeout", "important", "pricing", "ab" * 8): 1
    }


def test_the_build_says_where_alerts_link_to() -> None:
    aggregator = Aggregator(public_url="https://traces.example", version="1.2.3")
    assert values(aggregator, "tracestitch_build_info", "version", "public_url") == {
        ("1.2.3", "https://traces.example"): 1
    }


def test_findings_beyond_a_thousand_are_one_sum() -> None:
    clock = Clock()
    aggregator = Aggregator(clock=clock)
    rows = [finding(f"{n:016x}", last_seen_ns=clock.now_ns) for n in range(1_003)]
    aggregator.observe(NO_SPANS, NO_LOGS, findings(*rows))
    found = samples(aggregator, "tracestitch_findings")
    assert len(found) == 1_001
    assert [s.value for s in found if s.labels.get("otel_metric_overflow")] == [3]


def test_unbounded_span_names_end_in_the_overflow_of_their_service() -> None:
    aggregator = Aggregator(max_series=20)
    rows = [span(span_id=n, name=f"GET /{n}") for n in range(1, 31)]
    aggregator.observe(spans(*rows), NO_LOGS, NO_FINDINGS)
    found = samples(aggregator, "traces_span_metrics_calls_total")
    assert len(found) == 21
    assert sum(s.value for s in found) == 30
    overflow = next(s for s in found if "span_name" not in s.labels)
    assert (overflow.labels, overflow.value) == (
        {"service_name": "inventory", "otel_metric_overflow": "true"},
        10,
    )
    assert values(aggregator, "tracestitch_metric_series_overflow_total", "family")[("spans",)] == 10


def test_series_nobody_feeds_make_room_for_new_ones() -> None:
    clock = Clock()
    aggregator = Aggregator(clock=clock, max_series=2, idle_ns=60 * SECOND_NS)
    aggregator.observe(spans(span(name="a"), span(name="b")), NO_LOGS, NO_FINDINGS)
    clock.now_ns += 61 * SECOND_NS
    aggregator.observe(spans(span(name="c")), NO_LOGS, NO_FINDINGS)
    assert values(aggregator, "traces_span_metrics_calls_total", "span_name") == {("c",): 1}


def test_hostile_names_survive_the_openmetrics_exposition() -> None:
    aggregator = Aggregator()
    name = 'a"} 1\n# EOF\n\\' + "é\x00" + "x" * 500
    aggregator.observe(spans(span(name=name, service_name="")), NO_LOGS, NO_FINDINGS)
    registry = CollectorRegistry()
    registry.register(aggregator)
    families = text_string_to_metric_families(  # type: ignore[no-untyped-call]  # prometheus-client
        generate_latest(registry).decode()  # type: ignore[no-untyped-call]
    )
    found = [s for f in families for s in f.samples if s.name == "traces_span_metrics_calls_total"]
    assert [(s.labels["span_name"], s.labels["service_name"]) for s in found] == [
        (name[:200], "unknown_service")
    ]


def test_the_pipeline_tells_what_each_output_did() -> None:
    progress = PipelineMetrics()
    progress.sent("store", "traces", 5)
    progress.sent("store", "traces", 2)
    progress.sent("store", "logs", 1)
    progress.lag(2.5)
    progress.lag(0.5)
    found = {
        (sample.name, *sample.labels.values()): sample.value
        for metric in progress.collect()
        for sample in metric.samples
    }
    assert found == {
        ("tracestitch_output_sent_total", "store", "traces"): 7,
        ("tracestitch_output_sent_total", "store", "logs"): 1,
        ("tracestitch_pipeline_lag_seconds",): 0.5,
    }


@pytest.fixture
def full() -> Aggregator:
    aggregator = Aggregator()
    database = span(1, 20, attributes={"db.system.name": "sqlite"}, kind=CLIENT)
    aggregator.observe(
        spans(*call(1, 10, 11), database),
        logs({"service_name": "pricing", "severity_number": 9}),
        findings(finding(last_seen_ns=2**62)),
    )
    return aggregator


def get(socket_path: Path, path: str, accept: str) -> tuple[int, str, bytes]:
    connection = http.client.HTTPConnection("localhost")
    connection.sock = socket.socket(socket.AF_UNIX)
    connection.sock.settimeout(30)
    connection.sock.connect(str(socket_path))
    connection.request("GET", path, headers={"Accept": accept})
    answer = connection.getresponse()
    result = answer.status, answer.headers["Content-Type"], answer.read()
    connection.close()
    return result


def test_the_exposition_negotiates_openmetrics_over_a_unix_socket(full: Aggregator, tmp_path: Path) -> None:
    path = tmp_path / "run" / "metrics.sock"
    for _ in range(2):  # the second time over the socket file of the first
        stop = serve(path, full, PipelineMetrics())
        status, content_type, plain = get(path, "/metrics", "*/*")
        assert (status, content_type.partition(";")[0]) == (200, "text/plain")
        assert b"trace_id" not in plain
        accept = "application/openmetrics-text;version=1.0.0,text/plain;version=0.0.4;q=0.5"
        _, content_type, body = get(path, "/metrics", accept)
        assert content_type.startswith("application/openmetrics-text")
        assert body.endswith(b"# EOF\n")
        assert b'# {span_id="000000000000000b",trace_id="' in body
        assert get(path, "/", "*/*")[0] == 404
        stop()
        path.touch()


@pytest.mark.server
def test_promtool_finds_nothing_to_say_about_the_exposition(full: Aggregator, tmp_path: Path) -> None:
    progress = PipelineMetrics()
    progress.sent("store", "traces", 5)
    progress.failed("store", "traces", 1)
    progress.dead_letter("store", "logs", "mapping")
    progress.dropped("metrics", "not stored")
    progress.lag(0.2)
    progress.backlog_bytes(100)
    progress.queue_bytes("store", 100)
    stop = serve(tmp_path / "metrics.sock", full, progress)
    _, _, body = get(tmp_path / "metrics.sock", "/metrics", "text/plain")
    stop()
    assert b"tracestitch_output_dead_letter_total" in body
    assert promtool("check", "metrics", stdin=body) == (0, "")
