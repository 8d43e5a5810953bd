"""How the agent gets into a process, and into which it does not."""

import os
import subprocess
import sys
import venv
from pathlib import Path

import pytest

from tests.support.agent import (
    APPS,
    REPOSITORY,
    TRACESTITCH,
    environment,
    fake_receiver,
    free_port,
    run_to_end,
)
from tracestitch.command import prepare

pytestmark = pytest.mark.processes
RUN = [*TRACESTITCH, "run"]


def test_nothing_is_imported_that_the_app_does_not_use() -> None:
    script = "import sys; print(sorted(set(sys.argv[1:]) & set(sys.modules)))"
    libraries = [
        "django",
        "flask",
        "celery",
        "sqlalchemy",
        "requests",
        "urllib3",
        "httpx",
        "google.protobuf",
        "grpc",
        "opentelemetry.sdk",
    ]

    done = run_to_end([*RUN, "python", "-c", script, *libraries, "tracestitch"], environ=environment(None))

    assert done.stdout == "['tracestitch']\n"


def launched(**more: str) -> dict[str, str]:
    """The environment that `tracestitch run` makes, without the command itself, which is a Python program too."""
    environ = environment(None, **more)
    prepare(environ, None, None, None, str(APPS))
    return environ


def test_the_users_sitecustomize_runs_and_is_the_one_that_is_imported(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("print('the user was here')\nMINE = True\n")
    script = "import sitecustomize, sys; print(sitecustomize.MINE, 'tracestitch' in sys.modules)"

    done = run_to_end(["python", "-c", script], environ=launched(PYTHONPATH=str(tmp_path)))

    assert done.stdout == "the user was here\nTrue True\n"


def test_a_users_sitecustomize_that_breaks_is_told_as_without_the_agent(tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise ValueError('the user broke it')\n")
    command = ["python", "-c", "import sys; print('tracestitch' in sys.modules)"]

    bare = run_to_end(command, environ=environment(None, PYTHONPATH=str(tmp_path)))
    observed = run_to_end(command, environ=launched(PYTHONPATH=str(tmp_path)))

    assert observed.stderr == bare.stderr
    assert "the user broke it" in observed.stderr
    assert observed.stdout == "True\n"


def test_the_path_and_the_arguments_are_as_without_the_agent(tmp_path: Path) -> None:
    script = tmp_path / "show.py"
    script.write_text("import sys; print(sys.path, sys.argv, sys.flags.ignore_environment)\n")

    bare = run_to_end(["python", str(script), "a", "--b"], environ=environment(None))
    observed = run_to_end([*RUN, "python", str(script), "a", "--b"], environ=environment(None))

    assert observed.stdout == bare.stdout


@pytest.mark.parametrize("switch", [{"OTEL_SDK_DISABLED": "true"}, {"TRACESTITCH_ENABLED": "0"}])
def test_a_switched_off_agent_patches_nothing(switch: dict[str, str]) -> None:
    script = (
        "import logging, signal, sys, opentelemetry.trace as t;"
        "print(logging.Logger.callHandlers.__module__, signal.getsignal(signal.SIGTERM).name,"
        " type(t.get_tracer_provider()).__name__, 'wrapt' in sys.modules and bool(sys.meta_path[0]))"
    )

    bare = run_to_end(["python", "-c", script], environ=environment(None))
    switched_off = run_to_end([*RUN, "python", "-c", script], environ=environment(None, **switch))

    assert switched_off.stdout.split()[:3] == bare.stdout.split()[:3]
    assert switched_off.stdout.split()[1] == "SIG_DFL"


def test_children_of_the_command_are_observed_too(tmp_path: Path) -> None:
    inner = "import sys; print('tracestitch.agent' in sys.modules)"
    script = tmp_path / "parent.py"
    script.write_text(f"import subprocess, sys; subprocess.run([sys.executable, '-c', {inner!r}])")

    done = run_to_end([*RUN, "bash", "-c", f"python {script}"], environ=environment(None))

    assert done.stdout == "True\n"


def test_an_interpreter_without_the_agent_runs_as_ever() -> None:
    base = os.path.join(sys.base_prefix, "bin", "python3")

    done = run_to_end([*RUN, base, "-c", "print('fine')"], environ=environment(None))

    assert (done.returncode, done.stdout, done.stderr) == (0, "fine\n", "")


def test_an_app_that_seeds_random_still_gets_ids_of_its_own() -> None:
    script = (
        "import random; from opentelemetry import trace; t = trace.get_tracer('a')\n"
        "for _ in range(2):\n"
        "    random.seed(0)\n"
        "    t.start_span('s').end()\n"
    )
    with fake_receiver() as receiver:
        run_to_end([*RUN, "python", "-c", script], environ=environment(receiver.url))

    assert len({span.trace_id for span in receiver.spans}) == 2


def test_the_sampler_of_the_environment_is_followed() -> None:
    script = "from opentelemetry import trace; trace.get_tracer('a').start_span('s').end()"
    with fake_receiver() as receiver:
        run_to_end(
            [*RUN, "python", "-c", script],
            environ=environment(receiver.url, OTEL_TRACES_SAMPLER="always_off"),
        )

    assert receiver.spans == []


def test_a_plain_opentelemetry_launcher_finds_the_same_agent() -> None:
    script = "from opentelemetry import trace; trace.get_tracer('a').start_span('s').end()"
    with fake_receiver() as receiver:
        run_to_end(
            ["opentelemetry-instrument", "python", "-c", script],
            environ=environment(
                receiver.url, OTEL_PYTHON_DISTRO="tracestitch", OTEL_PYTHON_CONFIGURATOR="tracestitch"
            ),
        )

    assert [span.resource["telemetry.distro.name"] for span in receiver.spans] == ["tracestitch"]


def test_logging_configured_by_dictconfig_and_closed_loggers_is_seen_whole() -> None:
    script = """
import logging, logging.config
early = logging.getLogger("early")
logging.config.dictConfig({"version": 1, "disable_existing_loggers": False, "root": {"level": "INFO"}})
closed = logging.getLogger("closed"); closed.propagate = False
early.info("one"); closed.warning("two %s", "x"); early.debug("not this"); closed.error({"a": 1}); early.info("%d", "no")
try:
    1 / 0
except ZeroDivisionError:
    early.exception("three")
"""
    with fake_receiver() as receiver:
        done = run_to_end([*RUN, "python", "-c", script], environ=environment(receiver.url))

    assert done.returncode == 0
    seen = [(log.scope, log.severity, log.body) for log in receiver.logs]
    assert seen == [
        ("early", "INFO", "one"),
        ("early", "INFO", "%d"),  # the app's mistake, which logging itself tells
        ("early", "ERROR", "three"),
        ("closed", "WARNING", "two x"),
        ("closed", "ERROR", "{'a': 1}"),
    ]
    assert receiver.logs[2].attributes["exception.type"] == "ZeroDivisionError"
    assert '"in_app"' in receiver.logs[2].attributes["tracestitch.exception.frames"]


def test_a_log_argument_of_the_apps_is_never_asked_for_its_repr() -> None:
    script = """
import logging
class Lazy:
    def __repr__(self): raise SystemError("a query ran")
    def __str__(self): return "lazy"
logging.getLogger("a").warning("got %s", Lazy())
"""
    with fake_receiver() as receiver:
        done = run_to_end([*RUN, "python", "-c", script], environ=environment(receiver.url))

    assert done.stderr == "got lazy\n"
    assert receiver.logs[0].attributes["tracestitch.log.arguments"] == ["<Lazy>"]


def test_starting_the_agent_is_quick() -> None:
    """Stock OpenTelemetry takes 1.4 s."""
    environ = environment(None)
    environ.pop("PYTHONDONTWRITEBYTECODE", None)

    def seconds(switch: str) -> float:
        script = "import time, resource; print(resource.getrusage(resource.RUSAGE_SELF).ru_utime)"
        found = [
            float(
                run_to_end(
                    [*RUN, "python", "-c", script], environ={**environ, "TRACESTITCH_ENABLED": switch}
                ).stdout
            )
            for _ in range(4)
        ]
        return min(found)

    added = seconds("1") - seconds("0")

    assert added < 0.5  # measured 0.1 s of processor time


def test_the_wheel_without_extras_observes_an_app(tmp_path: Path) -> None:
    subprocess.run(
        [
            sys.executable,
            "-m",
            "build",
            "--wheel",
            "--no-isolation",
            "--outdir",
            str(tmp_path),
            str(REPOSITORY),
        ],
        check=True,
        capture_output=True,
    )
    [wheel] = tmp_path.glob("*.whl")
    venv.create(tmp_path / "venv", with_pip=True)
    python = tmp_path / "venv" / "bin" / "python"
    subprocess.run(
        [str(python), "-m", "pip", "install", "-q", "--disable-pip-version-check", str(wheel), "flask"],
        check=True,
        capture_output=True,
    )
    script = "import flask_stock; print(flask_stock.app.test_client().get('/stock/a').data)"
    with fake_receiver() as receiver:
        environ = environment(receiver.url)
        environ["PATH"] = os.pathsep.join([str(python.parent), environ["PATH"]])
        done = run_to_end(
            [str(python.parent / "tracestitch"), "run", "python", "-c", script], environ=environ
        )
        dead = run_to_end(
            [str(python.parent / "tracestitch"), "run", "python", "-c", script],
            environ={**environ, "OTEL_EXPORTER_OTLP_ENDPOINT": f"http://127.0.0.1:{free_port()}"},
        )
        serve = run_to_end([str(python.parent / "tracestitch"), "serve"], environ=environ)
        installed = run_to_end([str(python), "-m", "pip", "list"], environ=environ).stdout

    assert done.stdout == dead.stdout
    assert "traceparent" in done.stdout
    assert [span.name for span in receiver.server_spans()] == ["GET /stock/<sku>"]
    assert receiver.server_spans()[0].attributes["code.file.path"] == str(APPS / "flask_stock.py")
    assert [log.body for log in receiver.logs if log.scope == "stock"] == [
        "looking up a with password=REDACTED"
    ]
    assert dead.returncode == 0
    assert serve.returncode == 2
    assert "pip install 'tracestitch[server]'" in serve.stderr
    assert not {"protobuf", "grpcio", "fastapi", "requests", "pyarrow"} & set(installed.split())
