"""What each of Grafana's dashboards shows: tables of panels and their expressions. grafana.py writes them to files."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass


@dataclass(frozen=True, slots=True, kw_only=True)
class Panel:
    title: str
    width: int
    """Of 24."""
    queries: Mapping[str, str]
    """Legend to expression."""
    kind: str = "timeseries"
    unit: str = "short"
    about: str = ""
    links: tuple[tuple[str, str], ...] = ()
    """Title and address of what a click leads to."""
    exemplars: bool = False
    height: int = 8


@dataclass(frozen=True, slots=True, kw_only=True)
class Board:
    uid: str
    title: str
    about: str
    panels: Sequence[Panel]
    choices: Mapping[str, str]
    """Label to the query of its values."""


CALLS, SECONDS = "traces_span_metrics_calls_total", "traces_span_metrics_duration_seconds"
EDGES = "traces_service_graph_request"
SERVED = 'service_name=~"$service",span_kind=~"SPAN_KIND_(SERVER|CONSUMER)"'
FAILED = f'{SERVED},status_code="STATUS_CODE_ERROR"'
CALL = 'client=~"$client",server=~"$server"'
SEEN = "$__rate_interval"
# Where people reach the dashboard is a variable, whose values are what the collectors say of themselves.
SERVICE_PAGE = (
    "Open the service in Tracestitch",
    "${public_url:raw}/services/${__field.labels.service_name}",
)
FINDING_PAGE = (
    "Open the finding in Tracestitch",
    '${public_url:raw}/findings/${__data.fields["fingerprint"]}',
)


def rate(metric: str, matchers: str, by: str, wrapped: str = "sum") -> str:
    return f"{wrapped} by ({by}) (rate({metric}{{{matchers}}}[{SEEN}]))"


def share(part: str, whole: str) -> str:
    """0 where nothing failed, and nothing where nothing was asked."""
    return f"({part} or 0 * {whole}) / ({whole} > 0)"


def quantile(of: float, metric: str, matchers: str, by: str) -> str:
    return f"histogram_quantile({of}, {rate(f'{metric}_bucket', matchers, f'{by}, le')})"


def counted(metric: str, by: str) -> str:
    """A counter that has no series until something happens: then 0."""
    return f"sum by ({by}) (rate({metric}[{SEEN}])) or vector(0)"


RED = Board(
    uid="tracestitch-red",
    title="Tracestitch: rate, errors, duration",
    about="What each service served: requests and tasks, how many failed, how long they took.",
    choices={"service": f"label_values({CALLS}, service_name)"},
    panels=(
        Panel(
            title="Requests",
            width=8,
            unit="reqps",
            queries={"{{service_name}}": rate(CALLS, SERVED, "service_name")},
            links=(SERVICE_PAGE,),
        ),
        Panel(
            title="Failed",
            width=8,
            unit="percentunit",
            queries={
                "{{service_name}}": share(
                    rate(CALLS, FAILED, "service_name"), rate(CALLS, SERVED, "service_name")
                )
            },
            links=(SERVICE_PAGE,),
        ),
        Panel(
            title="95 % took less than",
            about="Each dot is a request: a click on it opens its trace.",
            width=8,
            unit="s",
            exemplars=True,
            queries={"{{service_name}}": quantile(0.95, SECONDS, SERVED, "service_name")},
        ),
        Panel(
            title="Half, 95 % and 99 % took less than",
            width=12,
            unit="s",
            exemplars=True,
            queries={
                f"{name} {{{{service_name}}}}": quantile(of, SECONDS, SERVED, "service_name")
                for name, of in (("p50", 0.5), ("p95", 0.95), ("p99", 0.99))
            },
        ),
        Panel(
            title="Log records",
            width=12,
            queries={
                "{{service_name}} {{severity}}": (
                    "sum by (service_name, severity) (rate(tracestitch_log_records_total"
                    f'{{service_name=~"$service"}}[{SEEN}]))'
                )
            },
        ),
        Panel(
            title="Slowest operations, 95 %",
            kind="table",
            width=12,
            unit="s",
            queries={"": f"topk(20, {quantile(0.95, SECONDS, SERVED, 'service_name, span_name')})"},
        ),
        Panel(
            title="Operations that fail most",
            kind="table",
            width=12,
            unit="reqps",
            queries={"": f"topk(20, {rate(CALLS, FAILED, 'service_name, span_name')})"},
        ),
    ),
)

GRAPH = Board(
    uid="tracestitch-service-graph",
    title="Tracestitch: service graph",
    about="Who calls whom, how often, how long it takes and how often it fails; databases and queues too.",
    choices={
        "client": f"label_values({EDGES}_total, client)",
        "server": f"label_values({EDGES}_total, server)",
    },
    panels=(
        Panel(
            title="Who calls whom",
            about="What Tracestitch counts from the traces themselves.",
            kind="nodeGraph",
            width=24,
            height=12,
            queries={},
        ),
        Panel(
            title="Calls",
            width=12,
            unit="reqps",
            queries={"{{client}} → {{server}}": rate(f"{EDGES}_total", CALL, "client, server")},
        ),
        Panel(
            title="Failed calls",
            width=12,
            unit="percentunit",
            queries={
                "{{client}} → {{server}}": share(
                    rate(f"{EDGES}_failed_total", CALL, "client, server"),
                    rate(f"{EDGES}_total", CALL, "client, server"),
                )
            },
        ),
        Panel(
            title="As the caller saw it, 95 %",
            width=12,
            unit="s",
            exemplars=True,
            queries={
                "{{client}} → {{server}}": quantile(0.95, f"{EDGES}_client_seconds", CALL, "client, server")
            },
        ),
        Panel(
            title="As the called service saw it, 95 %",
            about="The difference to the caller's is the network, the queue, the pool. Databases have no side of theirs.",
            width=12,
            unit="s",
            exemplars=True,
            queries={
                "{{client}} → {{server}}": quantile(0.95, f"{EDGES}_server_seconds", CALL, "client, server")
            },
        ),
        Panel(
            title="Databases and queues",
            kind="table",
            width=12,
            unit="reqps",
            queries={
                "": rate(f"{EDGES}_total", f'{CALL},connection_type!=""', "client, server, connection_type")
            },
        ),
        Panel(
            title="Spans whose other side did not arrive",
            about="Uninstrumented peers, or a hop that loses the trace context: see broken-trace-context.",
            width=12,
            queries={
                "unpaired": f"sum(rate(traces_service_graph_unpaired_spans_total[{SEEN}]))",
                "dropped": f"sum(rate(traces_service_graph_dropped_spans_total[{SEEN}]))",
            },
        ),
    ),
)

HEALTH = Board(
    uid="tracestitch-collector",
    title="Tracestitch: collector health",
    about="Whether anything is refused, dropped, late or waiting. The page /status says more.",
    choices={"instance": "label_values(tracestitch_pipeline_up, instance)"},
    panels=(
        Panel(
            title="Collectors that answer",
            kind="stat",
            width=6,
            height=4,
            queries={"": 'sum(tracestitch_pipeline_up{instance=~"$instance"})'},
        ),
        Panel(
            title="Outputs that take data",
            kind="stat",
            width=6,
            height=4,
            queries={"{{output}}": 'min by (output) (tracestitch_output_up{instance=~"$instance"})'},
        ),
        Panel(
            title="Log filled",
            kind="stat",
            width=6,
            height=4,
            unit="percentunit",
            queries={
                "": 'max(tracestitch_receiver_log_bytes{instance=~"$instance"}'
                " / tracestitch_receiver_log_max_bytes)"
            },
        ),
        Panel(
            title="Oldest that waits",
            kind="stat",
            width=6,
            height=4,
            unit="s",
            queries={"": 'max(tracestitch_pipeline_lag_seconds{instance=~"$instance"})'},
        ),
        Panel(
            title="Accepted",
            width=12,
            queries={
                "{{signal}}": rate("tracestitch_receiver_accepted_total", 'instance=~"$instance"', "signal")
            },
        ),
        Panel(
            title="Refused and dropped",
            about="Anything but zero has an alert, and a reason on /status.",
            width=12,
            queries={
                "refused {{signal}} {{reason}}": counted(
                    "tracestitch_receiver_refused_total", "signal, reason"
                ),
                "dropped {{signal}} {{reason}}": counted(
                    "tracestitch_receiver_dropped_total", "signal, reason"
                ),
                "left out {{signal}} {{reason}}": counted(
                    "tracestitch_pipeline_dropped_total", "signal, reason"
                ),
            },
        ),
        Panel(
            title="Sent",
            width=12,
            queries={
                "{{output}} {{signal}}": rate(
                    "tracestitch_output_sent_total", 'instance=~"$instance"', "output, signal"
                )
            },
        ),
        Panel(
            title="Tried again, dead letters",
            width=12,
            queries={
                "tried again {{output}}": counted("tracestitch_output_failed_total", "output"),
                "dead {{output}} {{reason}}": counted(
                    "tracestitch_output_dead_letter_total", "output, reason"
                ),
            },
        ),
        Panel(
            title="Waiting",
            width=12,
            unit="bytes",
            queries={
                "{{instance}}": 'tracestitch_pipeline_backlog_bytes{instance=~"$instance"}',
                "log {{instance}}": 'tracestitch_receiver_log_bytes{instance=~"$instance"}',
            },
        ),
        Panel(
            title="Series, and what found no room",
            width=12,
            queries={
                "{{family}}": 'sum by (family) (tracestitch_metric_series{instance=~"$instance"})',
                "over the limit {{family}}": rate(
                    "tracestitch_metric_series_overflow_total", 'instance=~"$instance"', "family"
                ),
            },
        ),
    ),
)

# A finding is known to every collector on one Elasticsearch: it is counted once.
FINDINGS = (
    "max by (check, pitfall, severity, service_name, fingerprint) "
    '(tracestitch_findings{service_name=~"$service"})'
)

PITFALLS = Board(
    uid="tracestitch-pitfalls",
    title="Tracestitch: pitfalls",
    about="Open findings of the checks, each with a link to its traces, its line of code and its fix.",
    choices={"service": "label_values(tracestitch_findings, service_name)"},
    panels=(
        Panel(title="Open", kind="stat", width=6, height=6, queries={"": f"sum({FINDINGS})"}),
        Panel(
            title="By severity",
            kind="bargauge",
            width=9,
            height=6,
            queries={"{{severity}}": f"sum by (severity) ({FINDINGS})"},
        ),
        Panel(
            title="By check",
            kind="bargauge",
            width=9,
            height=6,
            queries={"{{check}}": f"sum by (check) ({FINDINGS})"},
        ),
        Panel(
            title="Open findings",
            about="A click on one opens its page.",
            kind="table",
            width=24,
            height=10,
            queries={"": FINDINGS},
            links=(FINDING_PAGE,),
        ),
        Panel(
            title="Over time",
            width=24,
            queries={"{{service_name}}": f"sum by (service_name) ({FINDINGS})"},
        ),
    ),
)

BOARDS = (RED, GRAPH, HEALTH, PITFALLS)
