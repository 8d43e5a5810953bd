"""The Prometheus output: request rates, errors and durations, the service graph, log counts and open findings,
computed from the pipeline's tables. `serve` is in exposition.py, the pipeline's own counters in progress.py.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterable, Iterator

import pyarrow as pa
import pyarrow.compute as pc
from prometheus_client.core import Metric
from prometheus_client.registry import Collector

from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.outputs.durations import IdColumns, coded, counted, group, text
from tracestitch_collector.outputs.exposition import serve
from tracestitch_collector.outputs.open_findings import OpenFindings
from tracestitch_collector.outputs.progress import PipelineMetrics
from tracestitch_collector.outputs.series import Family
from tracestitch_collector.outputs.service_graph import NEEDED, ServiceGraph

__all__ = ["Aggregator", "PipelineMetrics", "serve"]

SECOND_NS = 1_000_000_000
MAX_PENDING = 32_768
"""So many spans are counted at once, or those of a second."""

SPAN_KINDS = tuple(
    f"SPAN_KIND_{name}" for name in ("UNSPECIFIED", "INTERNAL", "SERVER", "CLIENT", "PRODUCER", "CONSUMER")
)
STATUS_CODES = tuple(f"STATUS_CODE_{name}" for name in ("UNSET", "OK", "ERROR"))
SEVERITIES = ("UNSPECIFIED", "TRACE", "DEBUG", "INFO", "WARN", "ERROR", "FATAL")

_SPAN_LABELS = ("service_name", "span_name", "span_kind", "status_code")
_LOG_LABELS = ("service_name", "severity")
_NEEDED = ("name", *NEEDED)


class Aggregator(Collector):
    """Turns batches into metrics. `observe` and `collect` may be called from different threads."""

    def __init__(
        self,
        *,
        public_url: str = "",
        version: str = "",
        clock: Callable[[], int] = time.time_ns,
        max_series: int = 2_000,
        idle_ns: int = 3_600 * SECOND_NS,
        pair_within_ns: int = 30 * SECOND_NS,
        max_waiting: int = 50_000,
        finding_expiry_ns: int = 24 * 3_600 * SECOND_NS,
    ) -> None:
        self._build = {"version": version, "public_url": public_url}
        self._clock = clock
        self._lock = threading.Lock()
        self._spans = Family(labels=_SPAN_LABELS, max_series=max_series, idle_ns=idle_ns)
        self._logs = Family(labels=_LOG_LABELS, max_series=max_series, idle_ns=idle_ns)
        self._graph = ServiceGraph(
            max_series=max_series, idle_ns=idle_ns, wait_ns=pair_within_ns, max_waiting=max_waiting
        )
        self._findings = OpenFindings(expiry_ns=finding_expiry_ns)
        self._pending: list[pa.Table] = []
        """Spans that are not counted yet: what each series costs is paid once for many batches."""
        self._pending_since_ns = 0
        self._fault: Exception | None = None
        """Of counting them while somebody asked for the metrics; the next batch tells it."""

    def observe(self, spans: pa.Table, logs: pa.Table, findings: pa.Table) -> None:
        """Count one batch; the tables have the schemas of columns.py and may be empty."""
        now_ns = self._clock()
        with self._lock:
            if len(findings):
                self._findings.observe(findings, now_ns)
            if len(logs):
                self._observe_logs(logs, now_ns)
            if self._pending and not 0 <= now_ns - self._pending_since_ns < SECOND_NS:
                self._count_pending()
            if len(spans):
                self._pend(spans, now_ns)
            fault, self._fault = self._fault, None
        if fault is not None:
            raise fault

    def _pend(self, spans: pa.Table, now_ns: int) -> None:
        if not self._pending:
            self._pending_since_ns = now_ns
        self._pending.append(spans.select([name for name in _NEEDED if name in spans.column_names]))
        if sum(map(len, self._pending)) >= MAX_PENDING:
            self._count_pending()

    def _count_pending(self) -> None:
        """As of the moment when the first of them came, which is less than a second ago."""
        pending, self._pending = self._pending, []
        if not pending:
            return
        spans = pa.concat_tables(pending, promote_options="default")
        self._observe_spans(spans, self._pending_since_ns)
        self._graph.observe(spans, self._pending_since_ns)

    def restore(self, findings: Iterable[Finding]) -> None:
        """What the store knows when the process starts, so that alerts outlive a restart."""
        with self._lock:
            self._findings.restore(findings)

    def collect(self) -> Iterator[Metric]:
        with self._lock:
            try:
                self._count_pending()
            except Exception as error:  # whoever asks is to have the other metrics
                self._fault = error
            metrics = [
                self._spans.counters("traces_span_metrics_calls", "Spans by service, name, kind and status."),
                self._spans.histograms("traces_span_metrics_duration_seconds", "Duration of spans."),
                *self._graph.metrics(),
                self._logs.counters("tracestitch_log_records", "Log records by service and severity."),
                self._findings.metric(self._clock()),
                *self._own_metrics(),
            ]
        yield from metrics

    def _observe_spans(self, spans: pa.Table, now_ns: int) -> None:
        columns = (
            text(spans["service_name"], "unknown_service"),
            pc.fill_null(spans["name"], ""),
            coded(spans["kind"], SPAN_KINDS),
            coded(spans["status_code"], STATUS_CODES),
        )
        labels = dict(zip(_SPAN_LABELS, columns, strict=True))
        ids = IdColumns(trace_id=spans["trace_id"], span_id=spans["span_id"])
        for each in group(labels, spans["duration_ns"], ids):
            self._spans.observe(
                each.labels,
                bucket=each.bucket,
                count=each.count,
                sum_s=each.sum_s,
                exemplar=each.exemplar,
                now_ns=now_ns,
            )

    def _observe_logs(self, logs: pa.Table, now_ns: int) -> None:
        # Our own events (the inventory) are facts about the process, not something its developer logged.
        own = pc.starts_with(pc.fill_null(logs["event_name"], ""), "tracestitch.")
        logs = logs.filter(pc.invert(own))
        number = pc.fill_null(logs["severity_number"], 0)
        level = pc.divide(pc.add(pc.cast(number, pa.int64()), 3), 4)  # 1–4 TRACE … 21–24 FATAL
        columns = (text(logs["service_name"], "unknown_service"), coded(level, SEVERITIES))
        for values, count in counted(dict(zip(_LOG_LABELS, columns, strict=True))):
            self._logs.add(values, count, now_ns)

    def _own_metrics(self) -> Iterator[Metric]:
        build = Metric(
            "tracestitch_build_info",
            "The version, and where people reach the dashboard: alerts link there.",
            "gauge",
        )
        build.add_sample("tracestitch_build_info", self._build, 1)
        yield build
        series = Metric("tracestitch_metric_series", "Series kept by the Prometheus output.", "gauge")
        overflow = Metric(
            "tracestitch_metric_series_overflow", "Items counted in an overflow series.", "counter"
        )
        kept: dict[str, Family | ServiceGraph] = {
            "spans": self._spans,
            "logs": self._logs,
            "service_graph": self._graph,
        }
        for name, family in kept.items():
            series.add_sample("tracestitch_metric_series", {"family": name}, len(family))
            overflow.add_sample(
                "tracestitch_metric_series_overflow_total", {"family": name}, family.overflowed
            )
        yield series
        yield overflow
