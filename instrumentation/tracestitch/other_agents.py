"""Which other agents observe this process too, told by what is loaded and by what its environment asks for."""

from collections.abc import Container, Mapping
from dataclasses import dataclass
from types import FrameType


@dataclass(frozen=True, slots=True, kw_only=True)
class _Traces:
    name: str
    # A module that is loaded only where the agent works, not by everything that looks whether it is there.
    modules: tuple[str, ...]
    # What its launcher puts on PYTHONPATH.
    launcher: str = ""


_KNOWN = (
    _Traces(
        name="OpenTelemetry",
        modules=("opentelemetry.instrumentation.auto_instrumentation._load",),
        launcher="opentelemetry/instrumentation/auto_instrumentation",
    ),
    _Traces(name="OpenTelemetry SDK", modules=("opentelemetry.sdk.trace",)),
    _Traces(name="Sentry", modules=("sentry_sdk.client",)),
    _Traces(
        name="Datadog", modules=("ddtrace._trace.tracer", "ddtrace.tracer"), launcher="ddtrace/bootstrap"
    ),
    _Traces(name="Elastic APM", modules=("elasticapm.base",), launcher="elasticapm/instrumentation/wrapper"),
    _Traces(name="Logfire", modules=("logfire._internal.config",)),
    _Traces(name="New Relic", modules=("newrelic.api.application",), launcher="newrelic/bootstrap"),
    _Traces(name="AppSignal", modules=("appsignal.client",)),
    _Traces(name="Scout", modules=("scout_apm.core",)),
    _Traces(name="SkyWalking", modules=("skywalking.agent",), launcher="skywalking/bootstrap"),
    _Traces(name="Instana", modules=("instana.collector",)),
)


def other_agents(environ: Mapping[str, str], modules: Container[str]) -> tuple[str, ...]:
    """Their names, in the order of the table; `modules` is `sys.modules`."""
    path = environ.get("PYTHONPATH", "").replace("\\", "/")
    return tuple(
        agent.name
        for agent in _KNOWN
        if any(name in modules for name in agent.modules) or (agent.launcher and agent.launcher in path)
    )


# Where other agents send from; their wrappers around the app's own code are not among them.
_SENDERS = (
    *(
        "appsignal.",
        "ddtrace.internal.",
        "elasticapm.transport.",
        "instana.agent.",
        "logfire._internal.exporters.",
    ),
    *("newrelic.common.", "scout_apm.core.", "sentry_sdk.transport", "skywalking.agent."),
)


def is_sending(frame: FrameType | None) -> bool:
    """Whether this stack is that of another agent that sends what it has gathered."""
    while frame is not None:
        if str(frame.f_globals.get("__name__")).startswith(_SENDERS):
            return True
        frame = frame.f_back
    return False
