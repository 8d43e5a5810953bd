"""What the doctor finds in the environment alone, and in the packages of an environment."""

import pytest

from tracestitch.doctor import environment, versions
from tracestitch.doctor.condition import Finding, met, printable
from tracestitch.doctor.conditions import CONDITIONS, FOREIGN_COLLECTOR, WRONG_PORT
from tracestitch.doctor.report import Report, as_text
from tracestitch.doctor.versions import Pin


def names(**environ: str) -> list[str]:
    return [finding.name for finding in environment.look(environ)]


def test_an_empty_environment_is_well() -> None:
    assert names() == []


@pytest.mark.parametrize(
    ("environ", "found"),
    [
        ({"OTEL_SDK_DISABLED": "true"}, ["disabled"]),
        ({"TRACESTITCH_ENABLED": "0"}, ["disabled"]),
        ({"OTEL_TRACES_SAMPLER": "always_off"}, ["sampling-drops-all"]),
        ({"OTEL_TRACES_SAMPLER": "parentbased_always_off"}, ["sampling-drops-all"]),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0"}, ["sampling-drops-all"]),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "0.1"}, ["sampling-drops-some"]),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "1"}, []),
        ({"OTEL_TRACES_SAMPLER": "traceidratio", "OTEL_TRACES_SAMPLER_ARG": "10%"}, ["setting-ignored"]),
        ({"OTEL_TRACES_SAMPLER": "sometimes"}, ["setting-ignored"]),
        ({"OTEL_TRACES_EXPORTER": "none"}, ["signal-off"]),
        ({"OTEL_LOGS_EXPORTER": "none"}, ["signal-off"]),
        ({"OTEL_TRACES_EXPORTER": "otlp", "OTEL_LOGS_EXPORTER": "otlp"}, []),
        ({"OTEL_TRACES_EXPORTER": "console"}, ["setting-ignored"]),
        ({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"}, ["setting-ignored"]),
        ({"OTEL_EXPORTER_OTLP_COMPRESSION": "deflate"}, ["setting-ignored"]),
        ({"OTEL_BSP_SCHEDULE_DELAY": "soon"}, ["setting-ignored"]),
        ({"OTEL_CONFIG_FILE": "otel.yaml"}, ["setting-ignored"]),
        ({"OTEL_PROPAGATORS": "b3"}, ["propagator-missing"]),
        ({"OTEL_PROPAGATORS": "tracecontext,b3"}, []),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "flask"}, ["instrumentation-disabled"]),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "djang"}, ["setting-ignored"]),
        ({"OTEL_PYTHON_DISABLED_INSTRUMENTATIONS": "pymongo"}, []),
    ],
)
def test_what_is_set_is_named(environ: dict[str, str], found: list[str]) -> None:
    assert names(**environ) == found


def test_the_remedy_names_the_variable_and_the_value_that_is_wrong() -> None:
    [found] = environment.look({"OTEL_EXPORTER_OTLP_PROTOCOL": "grpc"})

    assert found.text == "OTEL_EXPORTER_OTLP_PROTOCOL=grpc is not followed."
    assert "Unset OTEL_EXPORTER_OTLP_PROTOCOL" in found.remedy


def test_every_condition_has_a_name_of_its_own_and_one_line_to_do() -> None:
    assert len({condition.name for condition in CONDITIONS}) == len(CONDITIONS) >= 15
    assert all(condition.remedy and "\n" not in condition.remedy for condition in CONDITIONS)


def test_what_others_wrote_cannot_reach_the_terminal_as_it_is() -> None:
    assert printable("a\x1b[31m\r\nb\u202e") == "a [31m b"
    finding = met(WRONG_PORT, "x", suggestion="\x1b]0;owned\x07{suggestion}")
    assert "\x1b" not in finding.remedy


def found_in(packages: dict[str, str], *pins: Pin) -> list[Finding]:
    return list(versions.look(packages, pins, "python"))


@pytest.mark.parametrize(
    ("packages", "condition"),
    [
        ({"opentelemetry-api": "1.15.0"}, "opentelemetry-too-old"),
        ({"wrapt": "1.13.3"}, "wrapt-too-old"),
        ({"django": "3.2.25"}, "framework-too-old"),
        ({"flask": "2.2.5"}, "framework-too-old"),
        ({"sqlalchemy": "1.3.24"}, "framework-too-old"),
    ],
)
def test_packages_that_are_too_old(packages: dict[str, str], condition: str) -> None:
    [finding] = found_in(packages)

    assert finding.name == condition
    [(name, _)] = packages.items()
    assert name in finding.remedy


def test_the_oldest_that_are_tested_are_well() -> None:
    assert (
        found_in({"opentelemetry-api": "1.16.0", "wrapt": "1.14.0", "django": "4.2", "flask": "2.3.0"}) == []
    )


def test_a_mixed_set_of_opentelemetry_is_told_by_what_its_packages_ask_for() -> None:
    packages = {"opentelemetry-api": "1.40.0", "opentelemetry-sdk": "1.45.2"}
    pin = Pin(package="opentelemetry-sdk", wants="opentelemetry-api", version="1.45.2")

    [finding] = found_in(packages, pin)

    assert finding.name == "opentelemetry-mixed"
    assert finding.text == "opentelemetry-sdk 1.45.2 wants opentelemetry-api 1.45.2, and 1.40.0 is there."
    assert finding.remedy.endswith("--upgrade opentelemetry-api opentelemetry-sdk.")
    assert found_in({**packages, "opentelemetry-api": "1.45.2"}, pin) == []


def test_a_report_says_well_only_where_there_is_nothing_to_note() -> None:
    problem, note = met(WRONG_PORT, "A.", suggestion="b"), met(FOREIGN_COLLECTOR, "C.", trace_id="d")

    assert as_text(Report(steps=["done."], findings=[])) == "ok    done.\n\nAll is well.\n"
    assert as_text(Report(steps=[], findings=[note])).endswith("Nothing wrong was found; see the notes.\n")
    both = as_text(Report(steps=[], findings=[note, problem]))
    assert both.startswith(
        "wrong A.\n      → Use the collector's OTLP/HTTP port, usually b.  [wrong-port]\nnote  C."
    )
    assert both.endswith("1 thing to put right.\n")
