"""The command line, as people type it."""

import os
import tomllib
from pathlib import Path

import pytest

from tests.support.agent import REPOSITORY, TRACESTITCH, environment, run_to_end
from tracestitch import __version__
from tracestitch.command import LAUNCH_FOLDER, dispatch, prepare
from tracestitch.settings import from_environment


def test_help_lists_the_commands_and_three_lines_to_start_with(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["--help"]) == 0

    text = capsys.readouterr().out
    for name in ("run", "serve", "check", "traces", "findings", "elasticsearch"):
        assert name in text
    assert "tracestitch run --service shop python manage.py runserver" in text


def test_no_command_is_wrong_usage(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch([]) == 2
    assert "usage:" in capsys.readouterr().out


def test_the_version_is_the_distributions(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["--version"]) == 0

    project = tomllib.loads((REPOSITORY / "pyproject.toml").read_text())["project"]
    assert capsys.readouterr().out == f"tracestitch {project['version']}\n"
    assert __version__ == project["version"]


def test_an_unknown_command_names_the_known_ones(capsys: pytest.CaptureFixture[str]) -> None:
    assert dispatch(["sevre"]) == 2

    said = capsys.readouterr().err
    assert "'sevre'" in said
    assert "serve" in said


def test_run_explains_itself_and_its_variables() -> None:
    done = run_to_end([*TRACESTITCH, "run", "--help"], environ=environment(None))

    assert done.returncode == 0
    for name in ("OTEL_SERVICE_NAME", "TRACESTITCH_APP_PACKAGES", "OTEL_SDK_DISABLED", "runserver"):
        assert name in done.stdout


@pytest.mark.parametrize(
    ("arguments", "code", "said"),
    [(["run"], 2, "which command"), (["run", "no-such-program-here"], 127, "not found on PATH")],
)
def test_a_command_that_cannot_be_started_is_told(arguments: list[str], code: int, said: str) -> None:
    done = run_to_end([*TRACESTITCH, *arguments], environ=environment(None))

    assert done.returncode == code
    assert said in done.stderr


def test_run_ends_as_the_command_ends() -> None:
    done = run_to_end(
        [*TRACESTITCH, "run", "--", "python", "-c", "import sys; print(sys.argv[1:]); sys.exit(7)", "--help"],
        environ=environment(None),
    )

    assert (done.returncode, done.stdout, done.stderr) == (7, "['--help']\n", "")


@pytest.mark.parametrize(
    "endpoint", ["nonsense", "collector:4318", "grpc://u:secret@c:1", "http://", "http://c:x"]
)
def test_an_endpoint_that_is_none_is_said_once_and_the_app_runs(endpoint: str) -> None:
    script = (
        "import subprocess, sys; subprocess.run([sys.executable, '-c', 'print(1)'], check=True); print(2)"
    )
    done = run_to_end(
        [*TRACESTITCH, "run", "--endpoint", endpoint, "python", "-c", script], environ=environment(None)
    )

    assert (done.returncode, done.stdout) == (0, "1\n2\n")
    assert done.stderr.count("is no http:// or https:// address") == 1
    assert "secret" not in done.stderr


def test_the_environment_is_prepared_for_children() -> None:
    """And what OpenTelemetry in the app reads there stays as it is."""
    theirs = {
        "OTEL_EXPORTER_OTLP_TRACES_ENDPOINT": "http://old:1/v1/traces",
        "OTEL_RESOURCE_ATTRIBUTES": "service.version=1,deployment.environment.name=old",
        "OTEL_PYTHON_DISTRO": "another",
    }
    environ = {"PYTHONPATH": os.pathsep.join([LAUNCH_FOLDER, "/mine"]), **theirs}

    prepare(environ, "shop", "staging, eu", "http://collector:4318", "/srv")

    assert environ == {
        **theirs,
        "PYTHONPATH": os.pathsep.join([LAUNCH_FOLDER, "/mine"]),
        "TRACESTITCH_RUN_SERVICE": "shop",
        "TRACESTITCH_RUN_ENDPOINT": "http://collector:4318",
        "TRACESTITCH_RUN_ENVIRONMENT": "staging, eu",
        "TRACESTITCH_APP_ROOT": "/srv",
        "TRACESTITCH_ENABLED": "1",
    }
    settings = from_environment(environ, "/tmp")
    assert settings.service_name == "shop"
    assert settings.resource == {"service.version": "1", "deployment.environment.name": "staging, eu"}
    assert settings.traces is not None
    assert settings.traces.url == "http://collector:4318/v1/traces"


def test_a_script_may_be_named_without_python(tmp_path: Path) -> None:
    (tmp_path / "hello.py").write_text("print('hello')\n")

    done = run_to_end([*TRACESTITCH, "run", "./hello.py"], environ=environment(None), folder=tmp_path)

    assert done.stdout == "hello\n"
