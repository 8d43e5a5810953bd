"""The ways into a process: `tracestitch run`, the environment's own switch, one import, one line of a Dockerfile."""

import os
import pkgutil
import re
import sys
import zipfile
from pathlib import Path

import pytest

from tests.support.agent import REPOSITORY, fake_receiver, run_to_end
from tests.support.apart import build_wheel, environ_of, install, python_of
from tracestitch.interpreter import is_enabled, is_own_program

pytestmark = pytest.mark.processes

SPAN = "from opentelemetry import trace; trace.get_tracer('a').start_span('by hand').end()"
IS_THERE = "import sys; print('tracestitch.agent' in sys.modules)"
ENABLED = {"TRACESTITCH_ENABLED": "1"}


@pytest.fixture(scope="module")
def wheel(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return build_wheel(tmp_path_factory.mktemp("wheel"))


@pytest.fixture(scope="module")
def python(wheel: Path) -> Path:
    """The interpreter of an app's environment in which the wheel is installed."""
    interpreter = python_of("ways-in", ("flask==3.1.3", "opentelemetry-distro==0.66b1"))
    install(wheel, "--python", str(interpreter), "--reinstall-package", "tracestitch")
    return interpreter


def test_the_wheel_carries_both_files_that_interpreters_look_for(wheel: Path) -> None:
    with zipfile.ZipFile(wheel) as archive:
        pth, start = (archive.read(f"tracestitch.{kind}").decode() for kind in ("pth", "start"))

    # Python before 3.15 executes lines that begin with `import `; one line, since each is executed by itself.
    assert re.fullmatch(r"import os; .*TRACESTITCH_ENABLED.*\n", pth)
    # PEP 829: `pkg.mod:callable` a line, called without arguments.
    assert callable(pkgutil.resolve_name(start.strip()))
    assert start == "tracestitch.interpreter:start_if_enabled\n"


def test_an_environment_that_is_not_asked_to_start_imports_nothing(python: Path) -> None:
    script = "import sys; print([name for name in sys.modules if name.partition('.')[0] == 'tracestitch'])"
    for more in ({}, {"TRACESTITCH_ENABLED": ""}, {"TRACESTITCH_ENABLED": "0"}):
        done = run_to_end(["python", "-c", script], environ=environ_of(python, None, **more))
        assert (done.stdout, done.stderr) == ("[]\n", "")


@pytest.mark.parametrize("flag", ["-I", "-E", "-s", "-P", "-B", "-O"])
def test_the_environments_switch_works_whatever_the_interpreter_ignores(python: Path, flag: str) -> None:
    with fake_receiver() as receiver:
        done = run_to_end(["python", flag, "-c", SPAN], environ=environ_of(python, receiver.url, **ENABLED))

    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")
    assert [span.name for span in receiver.spans] == ["by hand"]


@pytest.mark.parametrize("flag", ["-I", "-E"])
def test_run_reaches_an_isolated_interpreter_whose_environment_has_the_agent(
    home: Path, python: Path, flag: str
) -> None:
    command = ["python", str(home / "tracestitch"), "run", "python", flag, "-c", IS_THERE]

    assert run_to_end(command, environ=environ_of(python, None)).stdout == "True\n"


@pytest.mark.parametrize("flag", ["-S", "-IS"])
def test_an_interpreter_without_site_is_left_alone(python: Path, flag: str) -> None:
    done = run_to_end(["python", flag, "-c", IS_THERE], environ=environ_of(python, None, **ENABLED))

    assert (done.returncode, done.stdout, done.stderr) == (0, "False\n", "")


def test_one_import_starts_the_agent_and_observes_what_is_imported_before_and_after(python: Path) -> None:
    script = (
        "import flask\nimport tracestitch.auto\nimport flask_stock\n"
        "print(flask_stock.app.test_client().get('/stock/a').status)"
    )
    with fake_receiver() as receiver:
        done = run_to_end(["python", "-c", script], environ=environ_of(python, receiver.url))

    assert done.stdout == "200 OK\n", done.stderr
    assert [span.name for span in receiver.server_spans()] == ["GET /stock/<sku>"]


def test_all_ways_at_once_are_one_agent(home: Path, python: Path) -> None:
    """The launcher from beside, the environment's switch, and the import: each span and record comes once."""
    script = "import tracestitch.auto, flask_stock; flask_stock.app.test_client().get('/stock/a')"
    command = ["python", str(home / "tracestitch"), "run", "python", "-c", script]
    with fake_receiver() as receiver:
        done = run_to_end(command, environ=environ_of(python, receiver.url, **ENABLED))

    assert done.returncode == 0, done.stderr
    assert len(receiver.server_spans()) == 1
    assert len([log for log in receiver.logs if log.scope == "stock"]) == 1
    assert len({span.resource["service.instance.id"] for span in receiver.spans}) == 1


def test_the_switch_waits_for_the_users_sitecustomize(python: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text(
        "import sys; print('site', 'tracestitch.agent' in sys.modules); MINE = True\n"
    )
    script = (
        "import sitecustomize; print(sitecustomize.MINE, sitecustomize.__spec__.loader.__class__.__name__)"
    )
    environ = environ_of(python, None, PYTHONPATH=str(tmp_path), **ENABLED)

    done = run_to_end(["python", "-c", f"{script}; {IS_THERE}"], environ=environ)

    assert done.stdout == "site False\nTrue SourceFileLoader\nTrue\n", done.stderr


def test_a_sitecustomize_that_breaks_is_told_as_without_the_switch(python: Path, tmp_path: Path) -> None:
    (tmp_path / "sitecustomize.py").write_text("raise ValueError('the user broke it')\n")
    environ = environ_of(python, None, PYTHONPATH=str(tmp_path))

    bare = run_to_end(["python", "-c", IS_THERE], environ=environ)
    done = run_to_end(["python", "-c", IS_THERE], environ={**environ, **ENABLED})

    assert (bare.stdout, done.stdout) == ("False\n", "True\n")
    assert done.stderr == bare.stderr


def test_a_usercustomize_runs_after_all(tmp_path: Path) -> None:
    """Python asks for one only outside virtual environments, where the agent can only lie beside."""
    (tmp_path / "usercustomize.py").write_text("print('the user was here')\n")
    base = os.path.realpath(sys.executable)
    environ = environ_of(Path(base), None, PYTHONPATH=str(tmp_path))

    done = run_to_end(
        [sys.executable, "-m", "tracestitch", "run", base, "-c", "print('and then the app')"],
        environ={
            **environ,
            "PYTHONPATH": os.pathsep.join([str(tmp_path), str(REPOSITORY / "instrumentation")]),
        },
    )

    assert done.stdout == "the user was here\nand then the app\n", done.stderr


def test_a_path_that_is_added_late_starts_the_agent_there_and_then(python: Path) -> None:
    """An app may call site.addsitedir itself, long after the interpreter's start."""
    packages = python.parents[1] / "lib/python3.11/site-packages"
    bare = python_of("apart-empty", ("colorama==0.4.6",))

    done = run_to_end(
        ["python", "-c", f"import site; site.addsitedir({str(packages)!r}); {IS_THERE}"],
        environ=environ_of(bare, None, **ENABLED),
    )

    assert (done.stdout, done.stderr) == ("True\n", "")


def test_what_starts_for_itself_is_not_observed() -> None:
    for own in (
        ["/v/bin/python", "/v/bin/tracestitch", "serve"],
        ["python", "-m", "tracestitch", "run"],
        ["python", "-X", "dev", "-m", "tracestitch_collector.receive"],
        ["python", "/opt/tracestitch/tracestitch", "run", "app"],
    ):
        assert is_own_program(own), own
    for other in (
        ["python"],
        ["python", "-c", "tracestitch"],
        ["python", "-m", "gunicorn", "tracestitch"],
        ["python", "-m", "tracestitch_demo.run"],
        ["/v/bin/python", "manage.py", "tracestitch"],
        ["python", "-m"],
    ):
        assert not is_own_program(other), other


@pytest.mark.parametrize(("value", "enabled"), [("1", True), (" TRUE ", True), ("0", False), ("no", False)])
def test_the_switch_takes_the_usual_words(value: str, enabled: bool) -> None:
    assert is_enabled({"TRACESTITCH_ENABLED": value}) is enabled


def test_the_start_file_of_later_pythons_looks_at_the_switch_itself(python: Path) -> None:
    start = (REPOSITORY / "instrumentation" / "tracestitch.start").read_text().strip()
    script = f"import pkgutil; pkgutil.resolve_name({start!r})(); {IS_THERE}"

    off = run_to_end(["python", "-c", script], environ=environ_of(python, None))
    # The .pth file has been there before: that is one agent, too.
    on = run_to_end(["python", "-c", script], environ=environ_of(python, None, **ENABLED))

    assert (off.stdout, on.stdout) == ("False\n", "True\n")


def test_the_container_lines_of_the_documentation_name_what_is_there(home: Path) -> None:
    """No container runs here: the paths and names of the lines are held against what is installed."""
    page = (REPOSITORY / "docs" / "agent-install.md").read_text()
    [launch] = set(re.findall(r"PYTHONPATH=/opt/tracestitch/(\S+)", page))

    assert (home / launch / "sitecustomize.py").is_file()
    assert "pip install --target /opt/tracestitch tracestitch" in page
    assert "ENV TRACESTITCH_ENABLED=1" in page
    stages = (REPOSITORY / "stack" / "Dockerfile").read_text()
    assert re.search(r"^FROM \S+ AS agent$", stages, re.MULTILINE)
    assert "--target /opt/tracestitch" in stages
    assert re.findall(r"^FROM (?!.* AS )", stages, re.MULTILINE), "the last stage is the server's"


def test_a_program_of_many_ways_pays_once(python: Path) -> None:
    """Imports of the agent, as Python itself counts them."""
    done = run_to_end(
        ["python", "-X", "importtime", "-c", "import tracestitch.auto"],
        environ=environ_of(python, None, **ENABLED),
    )

    assert len(re.findall(r"\btracestitch\.agent$", done.stderr, re.MULTILINE)) == 1
