"""What is set in the environment that keeps telemetry from being sent, or that the agent does not follow. Pure."""

from collections.abc import Iterator, Mapping
from difflib import get_close_matches

from tracestitch.doctor import conditions
from tracestitch.doctor.condition import Finding, met, printable
from tracestitch.foreign import REPLACED
from tracestitch.instrumentations import INSTRUMENTATIONS
from tracestitch.settings import disabled_by

_SAMPLERS = (
    *("always_on", "always_off", "traceidratio"),
    *("parentbased_always_on", "parentbased_always_off", "parentbased_traceidratio"),
)
_OTHER_NAMES = ("logging", "*")
_NUMBERS = (
    *("OTEL_BSP_SCHEDULE_DELAY", "OTEL_BSP_MAX_QUEUE_SIZE", "OTEL_EXPORTER_OTLP_TIMEOUT"),
    *("TRACESTITCH_PROFILER_THRESHOLD_MS", "TRACESTITCH_PROFILER_INTERVAL_MS"),
)


def look(environ: Mapping[str, str]) -> Iterator[Finding]:
    """`environ` has the flags of the command in it already."""
    for rule in (
        _switched_off,
        _sampling,
        _signals,
        _protocol,
        _exporters,
        _numbers,
        _propagators,
        _disabled,
    ):
        yield from rule(environ)


def _switched_off(environ: Mapping[str, str]) -> Iterator[Finding]:
    if disabled_by(environ):
        sdk = environ.get("OTEL_SDK_DISABLED", "").strip().lower() == "true"
        variable = "OTEL_SDK_DISABLED" if sdk else "TRACESTITCH_ENABLED"
        text = f"{variable}={_value(environ, variable)} switches the agent off."
        yield met(conditions.DISABLED, text, variable=variable)


def _sampling(environ: Mapping[str, str]) -> Iterator[Finding]:
    name = environ.get("OTEL_TRACES_SAMPLER", "").strip().lower()
    if name and name not in _SAMPLERS:
        known = ", ".join(_SAMPLERS)
        yield _ignored(environ, "OTEL_TRACES_SAMPLER", f"Set OTEL_TRACES_SAMPLER to one of {known}.")
        return
    if name.endswith("always_off"):
        yield met(
            conditions.SAMPLING_DROPS_ALL, f"OTEL_TRACES_SAMPLER={name} records no request{_roots(name)}."
        )
    if not name.endswith("traceidratio"):
        return
    given = environ.get("OTEL_TRACES_SAMPLER_ARG", "").strip()
    try:
        rate = float(given or "1")
        is_rate = 0 <= rate <= 1
    except ValueError:
        rate, is_rate = 1.0, False
    if not is_rate:
        yield _ignored(
            environ, "OTEL_TRACES_SAMPLER_ARG", "Set OTEL_TRACES_SAMPLER_ARG to a number from 0 to 1."
        )
    elif rate == 0:
        text = f"OTEL_TRACES_SAMPLER={name} with OTEL_TRACES_SAMPLER_ARG={given} records no request{_roots(name)}."
        yield met(conditions.SAMPLING_DROPS_ALL, text)
    elif rate < 1:
        yield met(
            conditions.SAMPLING_DROPS_SOME, f"OTEL_TRACES_SAMPLER={name} records {rate:.3g} of the requests."
        )


def _roots(sampler: str) -> str:
    return " that begins here" if sampler.startswith("parentbased") else ""


def _signals(environ: Mapping[str, str]) -> Iterator[Finding]:
    for signal, lost in (("TRACES", "span"), ("LOGS", "log record or inventory")):
        variable = f"OTEL_{signal}_EXPORTER"
        if environ.get(variable, "").strip().lower() == "none":
            yield met(conditions.SIGNAL_OFF, f"{variable}=none: no {lost} is sent.", variable=variable)


def _protocol(environ: Mapping[str, str]) -> Iterator[Finding]:
    for variable in (
        "OTEL_EXPORTER_OTLP_PROTOCOL",
        "OTEL_EXPORTER_OTLP_TRACES_PROTOCOL",
        "OTEL_EXPORTER_OTLP_LOGS_PROTOCOL",
    ):
        if environ.get(variable, "") not in ("", "http/protobuf"):
            advice = (
                f"Unset {variable} and name the OTLP/HTTP port (usually 4318): the agent sends http/protobuf."
            )
            yield _ignored(environ, variable, advice)
    compression = environ.get("OTEL_EXPORTER_OTLP_COMPRESSION", "").strip().lower()
    if compression not in ("", "gzip", "none"):
        advice = "Set OTEL_EXPORTER_OTLP_COMPRESSION to gzip or none."
        yield _ignored(environ, "OTEL_EXPORTER_OTLP_COMPRESSION", advice)


def _exporters(environ: Mapping[str, str]) -> Iterator[Finding]:
    for variable in ("OTEL_TRACES_EXPORTER", "OTEL_LOGS_EXPORTER"):
        if environ.get(variable, "").strip().lower() not in ("", "none", "otlp", "otlp_proto_http"):
            advice = f"Unset {variable}: the agent sends OTLP over HTTP, or nothing where it says none."
            yield _ignored(environ, variable, advice)
    if environ.get("OTEL_CONFIG_FILE") or environ.get("OTEL_EXPERIMENTAL_CONFIG_FILE"):
        variable = "OTEL_CONFIG_FILE" if environ.get("OTEL_CONFIG_FILE") else "OTEL_EXPERIMENTAL_CONFIG_FILE"
        yield _ignored(environ, variable, "Say in OTEL_* or TRACESTITCH_* variables what that file says.")


def _numbers(environ: Mapping[str, str]) -> Iterator[Finding]:
    for variable in _NUMBERS:
        given = environ.get(variable, "").strip()
        try:
            usable = not given or float(given) > 0
        except ValueError:
            usable = False
        if not usable:
            yield _ignored(environ, variable, f"Set {variable} to a number above 0, or unset it.")


def _propagators(environ: Mapping[str, str]) -> Iterator[Finding]:
    given = environ.get("OTEL_PROPAGATORS", "").strip()
    names = {name.strip().lower() for name in given.split(",")}
    if given and "tracecontext" not in names:
        text = f"OTEL_PROPAGATORS={printable(given, 80)}: traceparent is neither read nor sent."
        yield met(conditions.PROPAGATOR_MISSING, text)


def _disabled(environ: Mapping[str, str]) -> Iterator[Finding]:
    variable = "OTEL_PYTHON_DISABLED_INSTRUMENTATIONS"
    names = [name.strip() for name in environ.get(variable, "").split(",") if name.strip()]
    known = {row.name for row in INSTRUMENTATIONS} | set(_OTHER_NAMES)
    off = [name for name in names if name in known]
    if off:
        shown = ", ".join(off)
        yield met(conditions.INSTRUMENTATION_DISABLED, f"{variable} leaves {shown} unobserved.", names=shown)
    for name in names:
        meant = get_close_matches(name, known, 1, 0.8) if name not in known | REPLACED else []
        if meant:  # a name that resembles none may be one of OpenTelemetry's own instrumentations
            yield _ignored(environ, variable, f"Write {meant[0]} instead of {name} in {variable}.")


def _ignored(environ: Mapping[str, str], variable: str, advice: str) -> Finding:
    text = f"{variable}={_value(environ, variable)} is not followed."
    return met(conditions.SETTING_IGNORED, text, advice=advice)


def _value(environ: Mapping[str, str], variable: str) -> str:
    return printable(environ.get(variable, ""), 80)
