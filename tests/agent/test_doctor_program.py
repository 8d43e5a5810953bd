"""Which interpreter a command comes down to: through `env`, launchers, first lines and shells."""

import os
import sys
from pathlib import Path

import pytest

from tracestitch.doctor.launching import without_run
from tracestitch.doctor.log_levels import calls_in, effective, settings_module
from tracestitch.doctor.program import Program, find, python_flags

PYTHON = sys.executable


def script(folder: Path, name: str, text: str) -> str:
    path = folder / name
    path.write_text(text)
    path.chmod(0o755)
    return str(path)


def of(folder: Path, *command: str) -> Program:
    return find(command, {"PATH": os.environ["PATH"]}, str(folder), PYTHON)


def test_python_itself_with_its_flags(tmp_path: Path) -> None:
    found = of(tmp_path, PYTHON, "-I", "-X", "dev", "-m", "flask", "-E")

    assert (found.kind, found.interpreter, found.flags) == ("python", (PYTHON,), ("-I", "-X", "dev"))
    assert found.rest == ("-m", "flask", "-E")


@pytest.mark.parametrize(
    ("words", "flags", "rest"),
    [
        (["-Im", "flask", "run"], ["-I"], ["-m", "flask", "run"]),
        (["-ISc", "pass"], ["-IS"], ["-c", "pass"]),
        (["-W", "error", "-u", "app.py", "-I"], ["-W", "error", "-u"], ["app.py", "-I"]),
    ],
)
def test_flags_end_where_the_program_begins(words: list[str], flags: list[str], rest: list[str]) -> None:
    assert python_flags(words) == (tuple(flags), tuple(rest))


@pytest.mark.parametrize(
    ("first_line", "flags"),
    [
        (f"#!{PYTHON}", ()),
        (f"#!{PYTHON} -E", ("-E",)),
        (f"#!/usr/bin/env -S {PYTHON} -I", ("-I",)),
        (f"#!/bin/sh\n'''exec' {PYTHON} \"$0\" \"$@\"\n' '''", ()),
    ],
)
def test_a_console_script_runs_on_the_python_of_its_first_line(
    tmp_path: Path, first_line: str, flags: tuple[str, ...]
) -> None:
    path = script(tmp_path, "gunicorn", f"{first_line}\nprint(1)\n")

    found = of(tmp_path, path, "shop.wsgi")

    assert (found.kind, found.interpreter, found.flags) == ("python", (PYTHON,), flags)
    assert found.rest == (path, "shop.wsgi")


def test_words_in_front_are_looked_through(tmp_path: Path) -> None:
    words = ["env", "A=1", "nohup", "timeout", "5", "ddtrace-run", "opentelemetry-instrument"]

    found = of(tmp_path, *words, PYTHON, "app.py")

    assert found.interpreter == (PYTHON,)
    assert found.launchers == ("ddtrace-run", "opentelemetry-instrument")
    assert found.variables == {"A": "1"}


@pytest.mark.parametrize(
    ("command", "kind"),
    [
        (["no-such-program"], "missing"),
        (["/bin/cat"], "other"),
        (["env", "-i", PYTHON, "app.py"], "fresh"),
        (["sudo", PYTHON, "app.py"], "fresh"),
        (["docker", "compose", "up"], "elsewhere"),
        (["sh", "-c", f"exec {PYTHON} app.py"], "python"),
        (["sh", "-c", "cd /srv && python app.py"], "shell"),
        (["sh", "-c", "cd /srv && PYTHONPATH=/srv python app.py"], "fresh"),
        (["sh", "-c", "cd /srv && PYTHONPATH=/srv:$PYTHONPATH python app.py"], "shell"),
    ],
)
def test_what_it_is_when_it_is_not_simply_python(tmp_path: Path, command: list[str], kind: str) -> None:
    assert of(tmp_path, *command).kind == kind


def test_a_script_that_drops_the_environment_is_told_from_one_that_does_not(tmp_path: Path) -> None:
    script(tmp_path, "good.sh", "#!/bin/sh\n# sudo is for others\nexec python app.py\n")
    script(tmp_path, "bad.sh", "#!/bin/sh\nexec sudo -u shop python app.py\n")

    assert of(tmp_path, "./good.sh").kind == "shell"
    assert of(tmp_path, "./bad.sh").kind == "fresh"


def test_a_runner_is_asked_for_its_python(tmp_path: Path) -> None:
    found = of(tmp_path, "uv", "run", "--frozen", "python", "-I", "manage.py")

    assert (found.interpreter, found.flags) == (("uv", "run", "--frozen", "python"), ("-I",))


def test_tracestitch_run_itself_may_stand_in_front() -> None:
    assert without_run(["tracestitch", "run", "--service", "shop", "--", "flask", "run"]) == ["flask", "run"]
    assert without_run(["flask", "run"]) == ["flask", "run"]


def test_django_settings_are_found_in_manage_py_and_in_the_wsgi_module(tmp_path: Path) -> None:
    said = "os.environ.setdefault('DJANGO_SETTINGS_MODULE', 'shop.settings')\n"
    (tmp_path / "manage.py").write_text(said)
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "wsgi.py").write_text(said.replace("settings')", "production')"))

    assert settings_module(["manage.py", "runserver"], {}, str(tmp_path)) == "shop.settings"
    assert settings_module(["/bin/gunicorn", "shop.wsgi:app"], {}, str(tmp_path)) == "shop.production"
    assert settings_module(["worker.py"], {"DJANGO_SETTINGS_MODULE": "a.b"}, str(tmp_path)) == "a.b"


def test_calls_that_log_at_info_are_found_in_the_projects_own_source(tmp_path: Path) -> None:
    (tmp_path / "shop").mkdir()
    (tmp_path / "shop" / "views.py").write_text(
        "import logging\nlogger.info('hello')\nlogger.warning('no')\n"
    )
    (tmp_path / "shop" / "comments.py").write_text("# logger.info('no')\n")
    (tmp_path / "gunicorn.py").write_text("import logging\ndef hook(worker):\n    worker.log.info('no')\n")
    (tmp_path / "catalogue.py").write_text("catalog.info('no')\n")
    (tmp_path / "venv").mkdir()
    (tmp_path / "venv" / "theirs.py").write_text("logger.info('no')\n")

    [call] = calls_in(str(tmp_path))

    assert (call.file, call.line, call.module) == ("shop/views.py", 2, "shop.views")


def test_the_nearest_logger_with_a_level_decides() -> None:
    levels = {"": 30, "shop": 20, "shop.quiet": 40}

    assert effective("shop.views", levels) == ("shop", 20)
    assert effective("shop.quiet.views", levels) == ("shop.quiet", 40)
    assert effective("other", levels) == ("", 30)
