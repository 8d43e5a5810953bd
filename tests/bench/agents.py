"""The agents whose cost is compared, each in an environment of its own with the same frameworks: built once, by uv, from
the pinned lists in `requirements/`, under `.tools/bench/`."""

import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from tests.support.agent import REPOSITORY

ENVIRONMENTS = REPOSITORY / ".tools" / "bench"
REQUIREMENTS = Path(__file__).with_name("requirements")


@dataclass(frozen=True, slots=True, kw_only=True)
class Agent:
    name: str
    # Of the requirements, and so of the environment.
    environment: str = "ours"
    # Before the command, beginning with a program of that environment.
    launcher: Sequence[str] = ()
    # `{sink}`: the address that it sends to, `{port}`: the port there.
    environ: Mapping[str, str] = field(default_factory=dict)

    @property
    def programs(self) -> Path:
        return ENVIRONMENTS / self.environment / "bin"

    def command(self, *command: str) -> list[str]:
        first = [str(self.programs / self.launcher[0]), *self.launcher[1:]] if self.launcher else []
        return [*first, str(self.programs / command[0]), *command[1:]]

    def environment_for(self, port: int) -> dict[str, str]:
        return {
            name: value.replace("{sink}", f"http://127.0.0.1:{port}").replace("{port}", str(port))
            for name, value in self.environ.items()
        }


def _ours(name: str, **environ: str) -> Agent:
    sent = {"OTEL_EXPORTER_OTLP_ENDPOINT": "{sink}", "OTEL_SERVICE_NAME": "overhead"}
    return Agent(name=name, launcher=("tracestitch", "run"), environ={**sent, **environ})


_OTLP = {
    "OTEL_EXPORTER_OTLP_ENDPOINT": "{sink}",
    "OTEL_EXPORTER_OTLP_PROTOCOL": "http/protobuf",
    "OTEL_EXPORTER_OTLP_COMPRESSION": "gzip",
    "OTEL_METRICS_EXPORTER": "none",
    "OTEL_SERVICE_NAME": "overhead",
}
BARE = Agent(name="bare")
OURS = _ours("Tracestitch")
# What can be switched, each switched alone, so that its own cost can be read off.
VARIANTS = (
    _ours("Tracestitch, switched off", OTEL_SDK_DISABLED="true"),
    _ours("Tracestitch without log records", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="logging"),
    _ours("Tracestitch without stages", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="stages,caches"),
    _ours("Tracestitch without relations", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="relations"),
    _ours("Tracestitch without transactions", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="transactions"),
    _ours(
        "Tracestitch without commands and threads", OTEL_PYTHON_DISABLED_INSTRUMENTATIONS="commands,threading"
    ),
    _ours("Tracestitch with locals", TRACESTITCH_LOCALS="1"),
    _ours("Tracestitch with the profiler", TRACESTITCH_PROFILER="1"),
    _ours("Tracestitch with compression", OTEL_EXPORTER_OTLP_COMPRESSION="gzip"),
)
OTHERS = (
    Agent(
        name="OpenTelemetry 0.66b1, traces and logs",
        environment="opentelemetry",
        launcher=("opentelemetry-instrument",),
        environ=_OTLP,
    ),
    Agent(
        name="Elastic APM 6.26.2, traces",
        environment="elastic",
        environ={
            "OVERHEAD_AGENT": "elastic",
            "ELASTIC_APM_SERVER_URL": "{sink}",
            "ELASTIC_APM_SERVICE_NAME": "overhead",
        },
    ),
    Agent(
        name="ddtrace 4.16.0, traces",
        environment="ddtrace",
        launcher=("ddtrace-run",),
        environ={"DD_TRACE_AGENT_URL": "{sink}", "DD_INSTRUMENTATION_TELEMETRY_ENABLED": "false"},
    ),
    Agent(
        name="Logfire 5.4.0, traces and logs",
        environment="logfire",
        environ={**_OTLP, "OVERHEAD_AGENT": "logfire"},
    ),
    Agent(
        name="Sentry 2.75.0, all traces and logs",
        environment="sentry",
        environ={"OVERHEAD_AGENT": "sentry", "SENTRY_DSN": "http://key@127.0.0.1:{port}/1"},
    ),
)


def available(agents: Sequence[Agent]) -> list[Agent]:
    """Those whose environment is there or could be made; of each other one a line says why not."""
    reasons = {name: made(name) for name in dict.fromkeys(agent.environment for agent in agents)}
    for name, reason in reasons.items():
        if reason:
            print(f"left out, its environment cannot be made: {name}: {reason}", file=sys.stderr)
    return [agent for agent in agents if not reasons[agent.environment]]


def made(name: str) -> str:
    """Makes an environment unless it is there and of these requirements; gives the reason why that failed."""
    folder, requirements = ENVIRONMENTS / name, REQUIREMENTS / f"{name}.txt"
    mark = folder / "made-of.txt"
    if mark.exists() and mark.read_text() == requirements.read_text():
        return ""
    uv, python = Path(sys.executable).with_name("uv"), folder / "bin" / "python"
    install = [uv, "pip", "install", "-q", "--python", python, "--compile-bytecode"]
    commands = [
        [uv, "venv", "-q", "--clear", "--python", sys.executable, folder],
        [*install, "-r", requirements],
    ]
    if name == "ours":
        commands.append([*install, "--no-deps", "-e", REPOSITORY])
    for command in commands:
        done = subprocess.run([str(part) for part in command], capture_output=True, text=True, check=False)
        if done.returncode:
            return " ".join(done.stderr.split())[-200:]
    mark.write_text(requirements.read_text())
    return ""
