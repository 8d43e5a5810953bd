"""What the agent is told by its environment: one frozen value, built once from a mapping.

Precedence: a flag of `tracestitch run` (which sets the OTEL_ variable), OTEL_*, TRACESTITCH_*, default.
"""

import os
from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import quote, unquote, urlsplit

DEFAULT_ENDPOINT = "http://127.0.0.1:4318"
_THIS_MACHINE = frozenset({"127.0.0.1", "localhost", "::1"})
# Ways for log records: to the collector, to standard output as ECS JSON, or both.
OTLP, STDOUT, BOTH = LOGS_WAYS = ("otlp", "stdout-ecs", "both")
_TRUE = frozenset({"1", "true", "yes", "on"})


@dataclass(frozen=True, slots=True, kw_only=True)
class Target:
    """Where one signal goes."""

    url: str
    headers: Mapping[str, str]
    gzip: bool = False


@dataclass(frozen=True, slots=True, kw_only=True)
class AgentSettings:
    service_name: str | None
    resource: Mapping[str, str]
    app_root: str
    # None: the signal is switched off (OTEL_TRACES_EXPORTER=none).
    traces: Target | None
    logs: Target | None
    agent: Target
    timeout_s: float
    certificate: str | None
    batch_delay_s: float
    queue_items: int
    queue_bytes: int
    exit_budget_s: float
    disabled: frozenset[str]
    # Where log records go: otlp, stdout-ecs or both.
    logs_way: str
    # The user's variables at an exception, and the stacks of slow requests.
    locals: bool
    profiler: bool
    profiler_threshold_s: float
    profiler_interval_s: float
    # What was set and cannot be followed; said once at the first export.
    complaints: tuple[str, ...]


def disabled_by(environ: Mapping[str, str]) -> bool:
    return (
        environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        or environ.get("TRACESTITCH_ENABLED", "1").strip().lower() not in _TRUE
    )


def with_flags(environ: Mapping[str, str]) -> dict[str, str]:
    """The environment as the flags of `tracestitch run` have it. They come in variables of the agent's own: an app
    that uses OpenTelemetry by itself reads OTEL_* too, and its telemetry goes where it goes without the agent."""
    told = dict(environ)
    if service := told.get("TRACESTITCH_RUN_SERVICE"):
        told["OTEL_SERVICE_NAME"] = service
    if endpoint := told.get("TRACESTITCH_RUN_ENDPOINT"):
        told["OTEL_EXPORTER_OTLP_ENDPOINT"] = endpoint
        for signal in ("TRACES", "LOGS"):
            told.pop(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT", None)
    if environment := told.get("TRACESTITCH_RUN_ENVIRONMENT"):
        given = told.get("OTEL_RESOURCE_ATTRIBUTES", "").split(",")
        kept = [pair for pair in given if pair and not pair.strip().startswith("deployment.environment")]
        kept.append(f"deployment.environment.name={quote(environment)}")
        told["OTEL_RESOURCE_ATTRIBUTES"] = ",".join(kept)
    return told


def from_environment(environ: Mapping[str, str], working_folder: str) -> AgentSettings:
    environ = with_flags(environ)
    resource = _pairs(environ.get("OTEL_RESOURCE_ATTRIBUTES", ""))
    environment = resource.pop("deployment.environment", None)  # the old name
    environment = resource.get("deployment.environment.name", environment) or environ.get(
        "TRACESTITCH_ENVIRONMENT"
    )
    if environment:
        resource["deployment.environment.name"] = environment
    service_name = (
        environ.get("OTEL_SERVICE_NAME")
        or resource.pop("service.name", None)
        or environ.get("TRACESTITCH_SERVICE")
    )
    base = (
        environ.get("OTEL_EXPORTER_OTLP_ENDPOINT") or environ.get("TRACESTITCH_ENDPOINT") or DEFAULT_ENDPOINT
    ).rstrip("/")
    return AgentSettings(
        service_name=service_name or None,
        resource=resource,
        app_root=environ.get("TRACESTITCH_APP_ROOT") or working_folder,
        traces=_target(environ, "TRACES", base),
        logs=_target(environ, "LOGS", base),
        agent=Target(url=f"{base}/agent", headers=_headers(environ, "OTEL_EXPORTER_OTLP_HEADERS")),
        timeout_s=_number(environ, "OTEL_EXPORTER_OTLP_TIMEOUT", 5.0),
        certificate=environ.get("OTEL_EXPORTER_OTLP_CERTIFICATE") or None,
        batch_delay_s=_number(environ, "OTEL_BSP_SCHEDULE_DELAY", _batch_delay_ms(environ)) / 1000,
        queue_items=max(64, int(_number(environ, "OTEL_BSP_MAX_QUEUE_SIZE", 8192))),
        queue_bytes=16 * 1024 * 1024,
        exit_budget_s=0.5,
        disabled=frozenset(_list(environ.get("OTEL_PYTHON_DISABLED_INSTRUMENTATIONS", ""))),
        logs_way=_logs_way(environ),
        locals=_switch(environ, "TRACESTITCH_LOCALS"),
        profiler=_switch(environ, "TRACESTITCH_PROFILER"),
        profiler_threshold_s=_number(environ, "TRACESTITCH_PROFILER_THRESHOLD_MS", 500.0) / 1000,
        profiler_interval_s=max(0.001, _number(environ, "TRACESTITCH_PROFILER_INTERVAL_MS", 20.0) / 1000),
        complaints=tuple(_complaints(environ)),
    )


def _batch_delay_ms(environ: Mapping[str, str]) -> float:
    """Shorter in the child of a reloader: when somebody ends the parent, the parent kills the child, and what the
    child has not sent by then is lost."""
    reloaded = "true" in (environ.get("RUN_MAIN"), environ.get("WERKZEUG_RUN_MAIN"))
    return 50.0 if reloaded else 200.0


def app_packages(environ: Mapping[str, str]) -> list[str]:
    """The packages that are the app's own even where they are installed like a library."""
    settings_package = environ.get("DJANGO_SETTINGS_MODULE", "").partition(".")[0]
    return [*_list(environ.get("TRACESTITCH_APP_PACKAGES", "")), *_list(settings_package)]


_GENERIC_NAMES = frozenset(
    {
        "app",
        "application",
        "apps",
        "backend",
        "code",
        "conf",
        "config",
        "core",
        "django",
        "flask",
        "main",
        "manage",
    }
    | {
        "project",
        "root",
        "server",
        "settings",
        "site",
        "src",
        "srv",
        "usr",
        "web",
        "website",
        "wsgi",
        "asgi",
        "",
    }
)


def default_service_name(candidates: tuple[str, ...], app_root: str) -> str:
    """The first name that says something: of the framework's own names, then of the project's folders."""
    tops = [name.partition(".")[0] for name in candidates if name != "__main__"]
    folders = [part for part in reversed(app_root.split(os.sep)) if part][:2]
    for name in [*tops, *folders]:
        if name.lower() not in _GENERIC_NAMES:
            return name
    return next((name for name in [*tops, *folders] if name), "python-app")


def _target(environ: Mapping[str, str], signal: str, base: str) -> Target | None:
    if environ.get(f"OTEL_{signal}_EXPORTER", "otlp").strip().lower() == "none":
        return None
    headers = _headers(environ, "OTEL_EXPORTER_OTLP_HEADERS")
    headers.update(_headers(environ, f"OTEL_EXPORTER_OTLP_{signal}_HEADERS"))
    url = environ.get(f"OTEL_EXPORTER_OTLP_{signal}_ENDPOINT") or f"{base}/v1/{signal.lower()}"
    return Target(url=url, headers=headers, gzip=_compresses(environ, url))


def _compresses(environ: Mapping[str, str], url: str) -> bool:
    """On the way to the same machine, compressing costs more than the bytes do."""
    asked = environ.get("OTEL_EXPORTER_OTLP_COMPRESSION", "").strip().lower()
    return asked == "gzip" if asked else urlsplit(url).hostname not in _THIS_MACHINE


def _headers(environ: Mapping[str, str], name: str) -> dict[str, str]:
    headers = {key.lower(): value for key, value in _pairs(environ.get(name, "")).items()}
    token = environ.get("TRACESTITCH_TOKEN")
    if token and "authorization" not in headers:
        headers["authorization"] = f"Bearer {token}"
    return headers


def _logs_way(environ: Mapping[str, str]) -> str:
    asked = environ.get("TRACESTITCH_LOGS", "").strip().lower()
    return asked if asked in LOGS_WAYS else OTLP


def _complaints(environ: Mapping[str, str]) -> list[str]:
    said = []
    way = environ.get("TRACESTITCH_LOGS", "").strip()
    if way and way.lower() not in LOGS_WAYS:
        said.append(
            f"TRACESTITCH_LOGS={way[:40]} is not followed, log records go by OTLP: say one of {', '.join(LOGS_WAYS)}."
        )
    protocol = environ.get("OTEL_EXPORTER_OTLP_PROTOCOL", "")
    if protocol not in ("", "http/protobuf"):
        said.append(
            f"OTEL_EXPORTER_OTLP_PROTOCOL={protocol} is not followed: the agent always sends http/protobuf. "
            "Point OTEL_EXPORTER_OTLP_ENDPOINT at the OTLP/HTTP port (usually 4318)."
        )
    return said


def _pairs(text: str) -> dict[str, str]:
    pairs = (part.partition("=") for part in text.split(","))
    return {key.strip(): unquote(value.strip()) for key, equals, value in pairs if key.strip() and equals}


def _list(text: str) -> list[str]:
    return [part.strip() for part in text.split(",") if part.strip()]


def _switch(environ: Mapping[str, str], name: str) -> bool:
    return environ.get(name, "").strip().lower() in _TRUE


def _number(environ: Mapping[str, str], name: str, default: float) -> float:
    try:
        value = float(environ.get(name, "") or default)
    except ValueError:
        return default
    return value if value > 0 else default
