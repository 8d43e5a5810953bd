"""The text of an exposition: what Prometheus' own client library would write, in a fraction of its time."""

from __future__ import annotations

import math
import time
from collections.abc import Iterator
from typing import Any

import pytest
from prometheus_client import CollectorRegistry, exposition
from prometheus_client.core import Metric
from prometheus_client.openmetrics import exposition as openmetrics
from prometheus_client.openmetrics.parser import text_string_to_metric_families as parse_openmetrics
from prometheus_client.parser import text_string_to_metric_families as parse_text
from prometheus_client.registry import Collector
from prometheus_client.samples import Exemplar

from tests.support.prometheus import NO_FINDINGS, NO_LOGS, promtool, span, spans
from tracestitch_collector.outputs.prometheus import Aggregator
from tracestitch_collector.outputs.rendering import render

HOSTILE = 'a"} 1\n# EOF\n\\\\n\\' + "é\x00\ud800"


class Fixed(Collector):
    def __init__(self, *metrics: Metric) -> None:
        self._metrics = metrics

    def collect(self) -> Iterator[Metric]:
        yield from self._metrics


def metric(name: str, kind: str, *samples: tuple[str, dict[str, str], float]) -> Metric:
    made = Metric(name, f"About {name}: {HOSTILE[:-1]}", kind)
    for suffix, labels, value in samples:
        made.add_sample(name + suffix, labels, value)
    return made


def examples() -> list[Metric]:
    histogram = metric("seconds", "histogram", ("_count", {}, 3), ("_sum", {}, 1.5))
    exemplar = Exemplar({"trace_id": "ab" * 16, "span_id": "cd" * 8}, 0.25)
    histogram.add_sample("seconds_bucket", {"le": "0.5"}, 2, exemplar=exemplar)
    histogram.add_sample("seconds_bucket", {"le": "+Inf"}, 3)
    return [
        metric("plain", "gauge", ("", {}, 1), ("", {"a": "x", "b": ""}, -0.0)),
        metric("numbers", "gauge", *(("", {"n": str(n)}, n) for n in (math.inf, -math.inf, 1e300, 2**60))),
        metric("hostile", "counter", ("_total", {"name": HOSTILE[:-1]}, 7)),
        histogram,
        metric("quantiles", "summary", ("", {"quantile": "0.5"}, 1), ("_count", {}, 2), ("_sum", {}, 3)),
        metric("empty", "gauge"),
    ]


def families(parsed: Any) -> list[Any]:
    return [
        (
            each.name,
            each.type,
            each.documentation,
            sorted(each.samples, key=lambda s: (s.name, str(s.labels))),
        )
        for each in parsed
    ]


@pytest.mark.parametrize("open_format", [False, True])
def test_it_says_what_the_library_would_say(open_format: bool) -> None:
    registry = CollectorRegistry()
    registry.register(Fixed(*examples()))
    encode: Any = openmetrics.generate_latest if open_format else exposition.generate_latest
    parse: Any = parse_openmetrics if open_format else parse_text
    ours = render(examples(), openmetrics=open_format).decode()
    assert families(parse(ours)) == families(parse(encode(registry).decode()))


def test_what_is_not_a_number_or_no_text_is_written_all_the_same() -> None:
    text = render([metric("odd", "gauge", ("", {"name": HOSTILE}, math.nan))], openmetrics=True).decode()
    assert text.splitlines()[-2].endswith('é\x00?"} NaN')


@pytest.fixture(scope="module")
def large() -> Aggregator:
    """50,000 lines and more, as 3,000 operations make them."""
    aggregator = Aggregator(max_series=3_000)
    for batch in range(3):
        rows = [
            span(span_id=n, name=f"GET /things/{n}", duration_ns=n % 14 * 10_000_000)
            for n in range(batch * 1_000 + 1, batch * 1_000 + 1_001)
        ]
        aggregator.observe(spans(*rows), NO_LOGS, NO_FINDINGS)
    return aggregator


@pytest.mark.parametrize("open_format", [False, True])
def test_a_scrape_of_fifty_thousand_series_takes_less_than_a_second(
    large: Aggregator, open_format: bool
) -> None:
    taken = []
    for _ in range(3):
        began = time.thread_time()
        text = render(large.collect(), openmetrics=open_format)
        taken.append(time.thread_time() - began)
    assert text.count(b"\n") > 50_000
    assert min(taken) < 1.0  # of processor time; 0.25 s where nothing else runs


@pytest.mark.server
def test_prometheus_reads_a_large_exposition(large: Aggregator) -> None:
    assert promtool("check", "metrics", stdin=render(large.collect(), openmetrics=False)) == (0, "")
