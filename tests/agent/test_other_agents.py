"""Two agents at once: the app works, the other agent's spans go where they go, and ours are there once."""

import json
import re
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import pytest

from tests.support.agent import CLIENT, TRACESTITCH, environment, fake_receiver, read_spans, run_to_end
from tests.support.apart import environ_of, python_of
from tests.support.sink import Sink, sink
from tracestitch.other_agents import other_agents

pytestmark = pytest.mark.processes


def spans_of_otlp(kept: Sink) -> list[str]:
    """Name, kind and whether there is a parent."""
    spans = [span for body in kept.bodies("/v1/traces") for span in read_spans(body)]
    return sorted(f"{span.name} {span.kind} {bool(span.parent_id)}" for span in spans)


def found(pattern: bytes, path: str) -> Callable[[Sink], list[str]]:
    """What the pattern finds in what was sent there."""

    def find(kept: Sink) -> list[str]:
        return sorted(text.decode() for body in kept.bodies(path) for text in re.findall(pattern, body))

    return find


@dataclass(frozen=True, slots=True, kw_only=True)
class Other:
    name: str
    requirements: Sequence[str]
    sent: Callable[[Sink], list[str]]
    environ: Mapping[str, str] = field(default_factory=dict)
    launcher: Sequence[str] = ()


STOCK = Other(
    name="OpenTelemetry",
    requirements=(
        "opentelemetry-distro==0.66b1",
        "opentelemetry-instrumentation-flask==0.66b1",
        "opentelemetry-instrumentation-sqlite3==0.66b1",
        "opentelemetry-exporter-otlp-proto-http==1.45.1",
    ),
    launcher=("opentelemetry-instrument",),
    environ={
        "OTEL_EXPORTER_OTLP_ENDPOINT": "{sink}",
        "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
        "OTEL_METRICS_EXPORTER": "none",
        "OTEL_LOGS_EXPORTER": "none",
    },
    sent=spans_of_otlp,
)
SENTRY = Other(
    name="Sentry",
    requirements=("sentry-sdk==2.75.0",),
    environ={"SETUP": "sentry_setup"},
    sent=found(rb'"transaction":"(\w+)"', "/envelope/"),
)
ELASTIC = Other(
    name="Elastic APM",
    requirements=("elastic-apm[flask]==6.26.2",),
    environ={
        "SETUP": "elastic_setup",
        "ELASTIC_APM_SERVER_URL": "{sink}",
        "ELASTIC_APM_CENTRAL_CONFIG": "false",
        "ELASTIC_APM_METRICS_INTERVAL": "0s",
        "ELASTIC_APM_CLOUD_PROVIDER": "none",
    },
    sent=found(rb'"name": ?"(GET /[^"]*|SELECT[^"]*)"', "/intake/v2/events"),
)
DATADOG = Other(
    name="Datadog",
    requirements=("ddtrace==4.16.0",),
    launcher=("ddtrace-run",),
    environ={
        "DD_TRACE_AGENT_URL": "{sink}",
        "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false",
        "DD_REMOTE_CONFIGURATION_ENABLED": "false",
        "DD_TRACE_API_VERSION": "v0.4",
    },
    sent=found(rb"(flask\.request|sqlite\.query|GET /rooms/<int:number>)", "/traces"),
)
LOGFIRE = Other(
    name="Logfire",
    requirements=("logfire[flask]==5.4.0", "opentelemetry-exporter-otlp-proto-http"),
    environ={"SETUP": "logfire_setup"},
    sent=spans_of_otlp,
)


def in_one_process(other: Other, home: Path, *, observed: bool) -> tuple[str, str, list[str], list[str]]:
    """What the app printed, on both outputs; what the other agent sent; what Tracestitch got."""
    python = python_of("with-" + other.name.replace(" ", "-").lower(), ("flask==3.1.3", *other.requirements))
    with sink() as theirs, fake_receiver() as ours:
        environ = environ_of(python, None, SINK=theirs.url)
        environ.update({name: value.format(sink=theirs.url) for name, value in other.environ.items()})
        run = ["--endpoint", ours.url, "--service", "house"]
        start = ["python", str(home / "tracestitch"), "run", *run] if observed else []
        # OpenTelemetry's launcher runs no sitecustomize but its own, so it comes first.
        around = [*other.launcher, *start] if other is STOCK else [*start, *other.launcher]
        done = run_to_end([*around, "python", "shared_house.py"], environ=environ)
    assert done.returncode == 0, done.stderr
    kept = [f"{span.name} {span.resource['service.name']}" for span in ours.server_spans()]
    queries = [span.name for span in ours.spans if span.kind == CLIENT]
    assert len(queries) <= 1  # one where raw SQL is observed, and never the other agent's beside it
    return done.stdout, done.stderr, other.sent(theirs), kept


@pytest.mark.parametrize(
    "other",
    [
        STOCK,
        SENTRY,
        *(pytest.param(other, marks=pytest.mark.matrix) for other in (ELASTIC, DATADOG, LOGFIRE)),
    ],
    ids=lambda other: other.name,
)
def test_the_other_agents_spans_go_where_they_go_and_ours_are_there_once(other: Other, home: Path) -> None:
    out, said, theirs, _ = in_one_process(other, home, observed=False)
    out_of_both, said_with_both, theirs_of_both, ours = in_one_process(other, home, observed=True)

    assert out_of_both == out
    assert "/rooms/1 200" in out
    assert theirs, "the other agent sent nothing even alone"
    assert theirs_of_both == theirs
    assert sorted(ours) == ["GET /broken house", "GET /rooms/<int:number> house"]
    assert "verriding" not in said_with_both
    assert said_with_both.count("Traceback") == said.count("Traceback")


@pytest.mark.parametrize("instrumented", ["", "1"])
def test_an_app_with_a_provider_of_its_own_exports_the_same_spans(instrumented: str, home: Path) -> None:
    python = python_of("with-opentelemetry", ("flask==3.1.3", *STOCK.requirements))

    def run(*launcher: str, endpoint: str | None) -> tuple[list[dict[str, object]], str]:
        environ = environ_of(python, endpoint, INSTRUMENTED=instrumented)
        done = run_to_end([*launcher, "python", "own_opentelemetry.py"], environ=environ)
        spans = [json.loads(line) for line in done.stdout.splitlines()]
        # Their ids are random, but for that of the caller.
        return [
            {**span, "parent": span["parent"] if span["remote"] else bool(span["parent"])} for span in spans
        ], done.stderr

    bare, _ = run(endpoint=None)
    with fake_receiver() as receiver:
        observed, said = run("python", str(home / "tracestitch"), "run", endpoint=receiver.url)

    assert observed == bare
    assert len(bare) == (3 if instrumented else 2)
    assert "Overriding" not in said
    [server] = receiver.spans
    assert server.name == "GET /"
    assert (server.trace_id, server.parent_id) == ("ab" * 16, "cd" * 8)
    [log] = [log for log in receiver.logs if log.body == "inside"]
    assert log.span_id == server.span_id


def test_a_second_provider_of_the_apps_is_refused_as_ever() -> None:
    script = (
        "from opentelemetry import trace; from opentelemetry.sdk.trace import TracerProvider as P\n"
        "trace.set_tracer_provider(P()); first = trace.get_tracer_provider(); trace.set_tracer_provider(P())\n"
        "print(trace.get_tracer_provider() is first)"
    )

    bare = run_to_end(["python", "-c", script], environ=environment(None))
    observed = run_to_end([*TRACESTITCH, "run", "python", "-c", script], environ=environment(None))

    assert (observed.stdout, observed.stderr) == (bare.stdout, bare.stderr) == ("True\n", bare.stderr)
    assert observed.stderr.count("Overriding") == 1


def test_installing_the_agent_does_not_take_the_place_of_opentelemetrys_own_distro(tmp_path: Path) -> None:
    """Whoever starts an app with `opentelemetry-instrument` and names no distro keeps what that gave."""
    script = "from opentelemetry import trace; print(type(trace.get_tracer_provider()).__module__)"

    done = run_to_end(
        ["opentelemetry-instrument", "python", "-c", script],
        environ=environment(
            None, OTEL_TRACES_EXPORTER="none", OTEL_LOGS_EXPORTER="none", OTEL_METRICS_EXPORTER="none"
        ),
    )

    assert done.stdout == "opentelemetry.sdk.trace\n", done.stderr


def test_other_agents_are_named_by_what_is_loaded_and_by_their_launchers() -> None:
    modules = {"sentry_sdk", "sentry_sdk.client", "flask", "opentelemetry.trace"}

    assert other_agents({}, modules) == ("Sentry",)
    assert other_agents({"PYTHONPATH": "/x/ddtrace/bootstrap:/y"}, ()) == ("Datadog",)
    assert other_agents({}, {"opentelemetry.sdk.trace"}) == ("OpenTelemetry SDK",)
    assert other_agents({"PYTHONPATH": "/srv"}, {"flask", "opentelemetry.trace"}) == ()
