"""Metrics that apps send by OTLP, as a scrape shows them."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import pytest
from opentelemetry.proto.collector.metrics.v1.metrics_service_pb2 import ExportMetricsServiceRequest
from opentelemetry.proto.common.v1.common_pb2 import AnyValue, InstrumentationScope, KeyValue
from opentelemetry.proto.metrics.v1.metrics_pb2 import (
    AggregationTemporality,
    Exemplar,
    ExponentialHistogram,
    ExponentialHistogramDataPoint,
    Gauge,
    Histogram,
    HistogramDataPoint,
    Metric,
    NumberDataPoint,
    ResourceMetrics,
    ScopeMetrics,
    Sum,
    Summary,
    SummaryDataPoint,
)
from opentelemetry.proto.resource.v1.resource_pb2 import Resource
from prometheus_client import CollectorRegistry
from prometheus_client.exposition import generate_latest
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families

from tests.support.prometheus import promtool
from tracestitch_collector.decode.decoder import Request
from tracestitch_collector.model import AttributeValue
from tracestitch_collector.outputs.app_metrics import AppMetrics
from tracestitch_collector.outputs.app_names import labels, metric_name

SECOND_NS = 1_000_000_000
DELTA = AggregationTemporality.AGGREGATION_TEMPORALITY_DELTA
CUMULATIVE = AggregationTemporality.AGGREGATION_TEMPORALITY_CUMULATIVE
SHOP = {"service.name": "shop", "service.instance.id": "shop-1"}


class Clock:
    def __init__(self) -> None:
        self.now_ns = 1_000 * SECOND_NS

    def __call__(self) -> int:
        return self.now_ns


def pairs(attributes: Mapping[str, str]) -> list[KeyValue]:
    return [KeyValue(key=key, value=AnyValue(string_value=value)) for key, value in attributes.items()]


def number(value: float, *, start: int = 1, time: int = 2, **attributes: str) -> NumberDataPoint:
    return NumberDataPoint(
        as_double=value,
        start_time_unix_nano=start,
        time_unix_nano=time,
        attributes=pairs({key.replace("_", "."): value for key, value in attributes.items()}),
    )


def gauge(name: str, *points: NumberDataPoint, unit: str = "") -> Metric:
    return Metric(name=name, unit=unit, gauge=Gauge(data_points=points))


def counter(
    name: str, *points: NumberDataPoint, delta: bool = False, up_only: bool = True, unit: str = ""
) -> Metric:
    temporality = DELTA if delta else CUMULATIVE
    kind = Sum(data_points=points, aggregation_temporality=temporality, is_monotonic=up_only)
    return Metric(name=name, unit=unit, sum=kind)


def request(*metrics: Metric, resource: Mapping[str, str] = SHOP, scope: str = "") -> Request:
    scoped = ScopeMetrics(scope=InstrumentationScope(name=scope), metrics=metrics)
    group = ResourceMetrics(resource=Resource(attributes=pairs(resource)), scope_metrics=[scoped])
    body = ExportMetricsServiceRequest(resource_metrics=[group]).SerializeToString()
    return Request(body=body, digest=bytes(16), received_ns=0)


def exposed(apps: AppMetrics) -> dict[str, float]:
    """Each line of an exposition, but for what the output says of itself."""
    return {
        sample.name + "{" + ",".join(f"{k}={v}" for k, v in sorted(sample.labels.items())) + "}": sample.value
        for metric in apps.collect()
        for sample in metric.samples
        if not sample.name.startswith(("tracestitch_", "target_info"))
    }


def after(*requests: Request, **options: Any) -> dict[str, float]:
    apps = AppMetrics(**options)
    for each in requests:
        apps.observe([each])
    return exposed(apps)


@pytest.mark.parametrize(
    ("name", "unit", "is_counter", "is_gauge", "expected"),
    [
        ("http.server.request.duration", "s", False, False, "http_server_request_duration_seconds"),
        ("http.server.active_requests", "{request}", False, True, "http_server_active_requests"),
        ("process.memory.usage", "By", False, True, "process_memory_usage_bytes"),
        ("system.network.io", "By/s", False, True, "system_network_io_bytes_per_second"),
        ("cpu.utilization", "1", False, True, "cpu_utilization_ratio"),
        ("orders_total", "1", True, False, "orders"),
        ("queue.duration.seconds", "s", False, False, "queue_duration_seconds"),
        ("5xx", "", True, False, "_5xx"),
        ("größe..x", "", False, True, "gr_e_x"),
        ("!!!", "", False, True, ""),
    ],
)
def test_names_and_units_become_prometheus_names(
    name: str, unit: str, is_counter: bool, is_gauge: bool, expected: str
) -> None:
    assert metric_name(name, unit, is_counter=is_counter, is_gauge=is_gauge) == expected


def test_keys_that_become_equal_share_a_label_and_reserved_ones_are_marked() -> None:
    attributes: list[tuple[str, AttributeValue]] = [
        ("a.b", "2"),
        ("a_b", "3"),
        ("le", 1),
        ("__name__", True),
        ("9", ("x", 1)),
    ]
    assert labels(attributes, taken=("le",)) == {
        "a_b": "2;3",
        "exported_le": "1",
        "name_": "true",
        "key_9": '["x", 1]',
    }


def test_a_gauge_is_its_newest_value() -> None:
    metric = gauge("pool.size", number(3, time=5), unit="{connection}")
    assert after(request(metric), request(gauge("pool.size", number(9, time=4)))) == {
        "pool_size{instance=shop-1,job=shop}": 3
    }


def test_deltas_are_added_up_and_cumulative_sums_are_taken_as_they_are() -> None:
    found = after(
        request(counter("orders", number(2, http_route="/a"), delta=True)),
        request(counter("orders", number(3, http_route="/a"), delta=True)),
        request(counter("logins", number(7, time=2)), counter("depth", number(4), up_only=False)),
        request(counter("logins", number(9, time=3)), counter("depth", number(1, time=3), up_only=False)),
    )
    assert found == {
        "orders_total{http_route=/a,instance=shop-1,job=shop}": 5,
        "logins_total{instance=shop-1,job=shop}": 9,
        "depth{instance=shop-1,job=shop}": 1,
    }


def test_a_counter_goes_on_where_its_process_begins_anew() -> None:
    found = after(
        request(counter("orders", number(100, start=1, time=10))),
        request(counter("orders", number(2, start=11, time=12))),
        request(counter("orders", number(3, start=11, time=13))),
    )
    assert found == {"orders_total{instance=shop-1,job=shop}": 103}


def test_workers_that_share_a_series_add_up_instead_of_taking_turns() -> None:
    apps = AppMetrics()
    seen = []
    for turn in range(1, 4):
        for start, value in ((1, 10 * turn), (2, 100 * turn)):
            apps.observe([request(counter("orders", number(value, start=start, time=turn)))])
            seen.append(exposed(apps)["orders_total{instance=shop-1,job=shop}"])
    assert seen == [10, 110, 120, 220, 230, 330]


def test_processes_beyond_what_can_be_told_apart_are_left_out_and_make_no_leap() -> None:
    clock = Clock()
    apps = AppMetrics(clock=clock)
    name = "orders_total{instance=shop-1,job=shop}"
    for start in range(1, 67):
        apps.observe([request(counter("orders", number(10, start=start)))])
    assert exposed(apps)[name] == 640
    assert apps.take_left_out() == {"too many processes in one series": 2}
    clock.now_ns += 601 * SECOND_NS
    apps.observe([request(counter("orders", number(10, start=start))) for start in range(2, 66)])
    assert exposed(apps)[name] == 650  # the first has been silent for long: its word is final


def test_a_histogram_that_widens_takes_more_of_the_room_there_is() -> None:
    apps = AppMetrics(max_lines=20)
    apps.observe([request(histogram([1], [], 1, delta=True))])
    bounds = [float(n) for n in range(30)]
    apps.observe([request(histogram([1] * 31, bounds, 1, delta=True))])
    assert exposed(apps)["http_server_request_duration_seconds_count{instance=shop-1,job=shop}"] == 1


def test_a_counter_that_falls_without_a_new_start_began_anew() -> None:
    found = after(
        request(counter("orders", number(5, start=0, time=1))),
        request(counter("orders", number(1, start=0, time=2))),
        request(counter("orders", number(5, start=0, time=1))),  # late: of before
    )
    assert found == {"orders_total{instance=shop-1,job=shop}": 6}


def histogram(counts: Sequence[int], bounds: Sequence[float], total: float, *, delta: bool) -> Metric:
    point = HistogramDataPoint(
        count=sum(counts),
        sum=total,
        bucket_counts=counts,
        explicit_bounds=bounds,
        time_unix_nano=2,
        exemplars=[Exemplar(as_double=0.3, trace_id=b"\xab" * 16, span_id=b"\xcd" * 8)],
    )
    temporality = DELTA if delta else CUMULATIVE
    kind = Histogram(data_points=[point], aggregation_temporality=temporality)
    return Metric(name="http.server.request.duration", unit="s", histogram=kind)


def test_an_explicit_histogram_has_classic_buckets_and_exemplars() -> None:
    apps = AppMetrics()
    for _ in range(2):
        apps.observe([request(histogram([9, 5, 1], [0.1, 0.5], 2.5, delta=True))])
    name = "http_server_request_duration_seconds"
    sender = "instance=shop-1,job=shop"
    assert exposed(apps) == {
        f"{name}_bucket{{{sender},le=0.1}}": 18,
        f"{name}_bucket{{{sender},le=0.5}}": 28,
        f"{name}_bucket{{{sender},le=+Inf}}": 30,
        f"{name}_count{{{sender}}}": 30,
        f"{name}_sum{{{sender}}}": 5,
    }
    exemplars = [s.exemplar for m in apps.collect() for s in m.samples if s.exemplar]
    assert [(e.labels, e.value) for e in exemplars] == [({"trace_id": "ab" * 16, "span_id": "cd" * 8}, 0.3)]


@pytest.mark.parametrize(("scale", "offset"), [(0, -1), (3, -8), (-2, -1)])
def test_an_exponential_histogram_falls_into_powers_of_two(scale: int, offset: int) -> None:
    counts = [1] * 24
    positive = ExponentialHistogramDataPoint.Buckets(offset=offset, bucket_counts=counts)
    point = ExponentialHistogramDataPoint(
        count=27, sum=9, scale=scale, zero_count=3, positive=positive, time_unix_nano=2
    )
    kind = ExponentialHistogram(data_points=[point], aggregation_temporality=CUMULATIVE)
    found = after(request(Metric(name="sizes", exponential_histogram=kind)))
    buckets = {
        float(key.partition("le=")[2].rstrip("}")): value for key, value in found.items() if "le=" in key
    }
    base = 2 ** (2.0**-scale)
    uppers = [base ** (offset + n + 1) for n in range(24)]
    assert buckets[0.0] == 3
    assert buckets[math.inf] == found["sizes_count{instance=shop-1,job=shop}"] == 27
    for bound, count in buckets.items():
        assert count == 3 + sum(upper <= bound * 1.000001 for upper in uppers) or bound in (0.0, math.inf)
    assert len(buckets) > 4


def test_a_summary_is_shown_as_it_came() -> None:
    quantile = SummaryDataPoint.ValueAtQuantile(quantile=0.5, value=1.5)
    point = SummaryDataPoint(count=9, sum=12, quantile_values=[quantile], time_unix_nano=2)
    assert after(request(Metric(name="rpc", summary=Summary(data_points=[point])))) == {
        "rpc{instance=shop-1,job=shop,quantile=0.5}": 1.5,
        "rpc_count{instance=shop-1,job=shop}": 9,
        "rpc_sum{instance=shop-1,job=shop}": 12,
    }


def test_the_rest_of_the_resource_is_in_target_info() -> None:
    apps = AppMetrics()
    resource = {**SHOP, "service.namespace": "eu", "host.name": "web-7"}
    apps.observe([request(gauge("up.time", number(1)), resource=resource)])
    targets = [s for m in apps.collect() for s in m.samples if s.name == "target_info"]
    assert [(s.labels, s.value) for s in targets] == [
        ({"job": "eu/shop", "instance": "shop-1", "host_name": "web-7"}, 1)
    ]


def test_what_nobody_feeds_is_no_longer_shown_but_goes_on_when_it_comes_back() -> None:
    clock = Clock()
    apps = AppMetrics(clock=clock)
    apps.observe([request(counter("orders", number(5), delta=True))])
    clock.now_ns += 301 * SECOND_NS
    assert exposed(apps) == {}
    apps.observe([request(counter("orders", number(1), delta=True))])
    assert exposed(apps) == {"orders_total{instance=shop-1,job=shop}": 6}
    clock.now_ns += 7_200 * SECOND_NS
    apps.observe([request(gauge("orders", number(1)))])  # the name is free again
    assert exposed(apps) == {"orders{instance=shop-1,job=shop}": 1}


def test_a_name_belongs_to_the_kind_that_came_first() -> None:
    apps = AppMetrics()
    apps.observe([request(gauge("size", number(1)), counter("size", number(1), number(2)))])
    apps.observe([request(histogram([1], [], 1, delta=True))])
    apps.observe([request(gauge("http.server.request.duration.seconds.count", number(1)))])
    assert apps.take_left_out() == {"type conflict": 3}
    assert apps.take_left_out() == {}


def test_an_app_cannot_speak_in_the_name_of_tracestitch() -> None:
    apps = AppMetrics()
    for name in ("tracestitch.findings", "traces_span_metrics.calls", "up", "target.info"):
        apps.observe([request(gauge(name, number(1)))])
    assert apps.take_left_out() == {"a name that is Tracestitch's own": 4}
    assert exposed(apps) == {}


def test_numbers_that_are_none_do_not_spoil_a_counter() -> None:
    apps = AppMetrics()
    apps.observe([request(counter("orders", number(math.nan), number(math.inf), number(2), delta=True))])
    assert exposed(apps) == {"orders_total{instance=shop-1,job=shop}": 2}
    assert apps.take_left_out() == {"not a number": 2}


def test_what_finds_no_room_is_in_the_overflow_of_its_sender() -> None:
    apps = AppMetrics(max_lines=10)
    many = [number(1, user_id=str(n)) for n in range(15)]
    apps.observe([request(counter("orders", *many, delta=True))])
    found = exposed(apps)
    assert len(found) == 11
    assert found["orders_total{job=shop,otel_metric_overflow=true}"] == 5
    apps.observe([request(gauge("others", *many))])
    overflow = [s.value for m in apps.collect() for s in m.samples if s.name.endswith("overflow_total")]
    assert overflow == [20]
    assert len(exposed(apps)) == 11


def test_what_is_no_request_is_handed_back() -> None:
    apps = AppMetrics()
    broken = Request(body=request(gauge("size", number(1))).body[:-3], digest=b"x" * 16, received_ns=0)
    taken, bad = apps.observe([broken, request(gauge("size", number(2)))])
    assert (taken, [item.request for item in bad]) == (1, [broken])


@pytest.mark.server
def test_hostile_metrics_leave_a_scrape_that_prometheus_reads() -> None:
    apps = AppMetrics()
    name = 'a"}\n# EOF\n\x00' + "ü" * 500
    hostile = {"service.name": name, "service.instance.id": name, 'k"\n': name, "": ""}
    apps.observe(
        [
            request(gauge(name, number(1, le="x", quantile='"'), unit=name), resource=hostile, scope=name),
            request(counter("orders", number(1), unit="{\n}"), histogram([1, 2], [0.5], 1, delta=True)),
        ]
    )
    registry = CollectorRegistry()
    registry.register(apps)
    families = text_string_to_metric_families(  # type: ignore[no-untyped-call]  # prometheus-client
        openmetrics.generate_latest(registry).decode()  # type: ignore[no-untyped-call]
    )
    assert {"orders", "http_server_request_duration_seconds"} <= {family.name for family in families}
    code, said = promtool("check", "metrics", stdin=generate_latest(registry))
    assert code in (0, 3), said  # 3: it has a remark on the style of a name
    assert "error" not in said
