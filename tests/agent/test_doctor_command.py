"""Would this command be observed? Real interpreters, environments and projects, started as the doctor starts them."""

import json
import shutil
import subprocess
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import pytest

from tests.support.agent import (
    APPS,
    TRACESTITCH,
    FakeReceiver,
    environment,
    fake_receiver,
    free_port,
    running,
)
from tests.support.doctor import Diagnosis, diagnose
from tracestitch.doctor.probe import MARK

pytestmark = pytest.mark.processes


def examined(
    *command: str, folder: Path = APPS, launcher: Sequence[str] = TRACESTITCH, **environ: str
) -> Diagnosis:
    """Without what is said of the way to the collector."""
    with fake_receiver() as receiver:
        found = diagnose(receiver.url, "--", *command, folder=folder, launcher=launcher, **environ)
    said = {name: text for name, text in found.texts.items() if name != "dashboard-unreachable"}
    return Diagnosis(
        code=found.code,
        remedies={name: found.remedies[name] for name in said},
        texts=said,
        steps=found.steps[2:],
    )


@dataclass(frozen=True, slots=True, kw_only=True)
class Elsewhere:
    """An app's environment without the agent, and the doctor from where the agent lies beside it."""

    python: str
    packages: Path
    launcher: Sequence[str]

    def examined(self, *words: str, **environ: str) -> Diagnosis:
        return examined(self.python, *words, folder=APPS, launcher=self.launcher, **environ)


@pytest.fixture
def elsewhere(home: Path, tmp_path: Path) -> Elsewhere:
    subprocess.run([sys.executable, "-m", "venv", "--without-pip", tmp_path / "venv"], check=True)
    [packages] = (tmp_path / "venv" / "lib").glob("python*/site-packages")
    return Elsewhere(
        python=str(tmp_path / "venv" / "bin" / "python"),
        packages=packages,
        launcher=(str(tmp_path / "venv" / "bin" / "python"), str(home / "tracestitch")),
    )


def test_a_command_that_is_observed_is_said_to_be() -> None:
    found = examined("python", "app.py")

    assert (found.names, found.code) == ([], 0)
    assert found.steps[0].startswith("app.py runs on ")
    assert "the agent starts in it" in found.steps[0]


def test_the_command_itself_is_not_started(tmp_path: Path) -> None:
    (tmp_path / "app.py").write_text("open('started', 'w')\n")

    assert examined("python", "app.py", folder=tmp_path).code == 0
    assert not (tmp_path / "started").exists()


@pytest.mark.parametrize("flag", ["-S", "-IS"])
def test_python_without_site(flag: str) -> None:
    found = examined("python", flag, "app.py")

    assert found.names == ["python-flag"]
    assert "import tracestitch.auto" in found.remedies["python-flag"]


@pytest.mark.parametrize("flag", ["-I", "-E"])
def test_python_that_does_not_look_at_its_path_in_an_environment_without_the_agent(
    elsewhere: Elsewhere, flag: str
) -> None:
    hidden = elsewhere.examined(flag, "app.py")
    beside = elsewhere.examined("app.py")

    assert hidden.names == ["python-flag"]
    assert f"{elsewhere.python} -m pip install tracestitch" in hidden.remedies["python-flag"]
    assert beside.code == 0
    assert "nothing is installed in its environment" in beside.steps[-1]


def test_a_python_that_is_too_old(tmp_path: Path) -> None:
    """No such interpreter is at hand, so this one says what the probe says in one."""
    told = {"version": [3, 9, 19], "executable": "/usr/bin/python3.9", "active": False, "no_site": False}
    told |= {"isolated": False, "ignores_environment": False, "why": "", "sitecustomize": ""}
    told |= {"packages": {}, "pins": [], "modules": []}
    old = tmp_path / "python3.9"
    old.write_text(f"#!/bin/sh\ncat <<'END'\n{MARK}{json.dumps(told)}\nEND\n")
    old.chmod(0o755)

    found = examined(str(old), "app.py")

    assert found.names == ["python-too-old"]
    assert "/usr/bin/python3.9 is Python 3.9.19" in found.texts["python-too-old"]


def test_a_program_that_is_no_python_and_one_that_is_not_there() -> None:
    assert examined("/bin/cat", "x").names == ["not-python"]
    assert examined("no-such-program", "x").names == ["command-not-found"]


def test_what_resets_the_environment_or_goes_elsewhere() -> None:
    dropped = examined("env", "-i", "python", "app.py")

    assert dropped.remedies["environment-dropped"].startswith("Put `tracestitch run` behind env -i")
    assert examined("docker", "run", "shop").names == ["other-machine"]
    assert examined("sh", "-c", "cd /srv && python app.py").names == ["shell-script"]


def test_an_agent_in_the_environment_that_does_not_load(elsewhere: Elsewhere) -> None:
    """The one beside the app is started in its place."""
    hollow = elsewhere.packages / "tracestitch" / "__init__.py"
    hollow.parent.mkdir()
    hollow.touch()

    found = elsewhere.examined("app.py")

    assert (found.names, found.code) == (["agent-unusable"], 0)
    assert str(hollow) in found.texts["agent-unusable"]
    assert "nothing is installed" not in found.steps[-1]


def test_an_agent_that_loads_nowhere(elsewhere: Elsewhere, home: Path, tmp_path: Path) -> None:
    shutil.copytree(home, tmp_path / "damaged")
    (tmp_path / "damaged" / "tracestitch" / "agent.py").write_text("import no_such_module\n")

    found = examined(
        elsewhere.python, "app.py", launcher=(elsewhere.python, str(tmp_path / "damaged" / "tracestitch"))
    )

    assert found.names == ["agent-cannot-load"]
    assert "No module named 'no_such_module'" in found.texts["agent-cannot-load"]


def test_a_command_that_sets_its_path_anew(elsewhere: Elsewhere) -> None:
    found = examined("env", "PYTHONPATH=/srv", elsewhere.python, "app.py", launcher=elsewhere.launcher)

    assert found.names == ["environment-dropped"]


def test_an_interpreter_that_does_not_start(tmp_path: Path) -> None:
    broken = tmp_path / "python"
    broken.write_text("#!/bin/sh\necho 'cannot open shared object file' >&2\nexit 127\n")
    broken.chmod(0o755)

    found = examined(str(broken), "app.py")

    assert found.names == ["interpreter-fails"]
    assert "cannot open shared object file" in found.texts["interpreter-fails"]


def test_a_sitecustomize_that_fails(elsewhere: Elsewhere) -> None:
    (elsewhere.packages / "sitecustomize.py").write_text("raise RuntimeError('no')\n")

    found = elsewhere.examined("app.py")

    assert found.names == ["sitecustomize-fails"]
    assert "RuntimeError: no" in found.texts["sitecustomize-fails"]


def test_another_agents_launcher_and_its_order() -> None:
    stock = examined("opentelemetry-instrument", "python", "app.py")
    assert "opentelemetry-instrument tracestitch run python app.py" in stock.remedies["launcher-order"]
    assert "other-agent" in stock.names

    datadog = examined("ddtrace-run", "python", "app.py")
    assert datadog.names == ["other-agent"]
    assert "Datadog" in datadog.texts["other-agent"]
    assert datadog.code == 0


def test_a_reloader_is_a_note() -> None:
    assert examined("python", "manage.py", "runserver").names == ["reloader"]
    assert examined("python", "manage.py", "runserver", "--noreload").names == []


def test_the_switch_that_an_interpreter_does_not_follow(elsewhere: Elsewhere) -> None:
    found = elsewhere.examined("app.py", TRACESTITCH_ENABLED="1")

    assert (found.names, found.code) == (["pth-missing"], 0)


def test_packages_that_do_not_fit_in_the_commands_environment(elsewhere: Elsewhere) -> None:
    """As pip leaves them: metadata is what counts."""
    for name, version, wants in (
        ("opentelemetry_sdk", "1.45.2", "opentelemetry-api==1.45.2"),
        ("opentelemetry_api", "1.40.0", ""),
        ("django", "3.2.25", ""),
    ):
        folder = elsewhere.packages / f"{name}-{version}.dist-info"
        folder.mkdir()
        required = f"Requires-Dist: {wants}\n" if wants else ""
        (folder / "METADATA").write_text(
            f"Metadata-Version: 2.1\nName: {name}\nVersion: {version}\n{required}"
        )

    found = elsewhere.examined("app.py")

    assert found.names == ["opentelemetry-mixed", "framework-too-old"]
    assert "django is 3.2.25" in found.texts["framework-too-old"]


PROJECT = """\
import os, sys
if __name__ == "__main__":
    os.environ.setdefault("DJANGO_SETTINGS_MODULE", "settings")
"""


def test_records_that_are_below_the_level_of_a_django_project(tmp_path: Path) -> None:
    (tmp_path / "manage.py").write_text(PROJECT)
    (tmp_path / "settings.py").write_text("SECRET_KEY = 'x'\n")
    (tmp_path / "views.py").write_text(
        "import logging\nlog = logging.getLogger(__name__)\nlog.info('sold')\n"
    )

    quiet = examined("python", "manage.py", "check", folder=tmp_path)
    (tmp_path / "settings.py").write_text(
        "SECRET_KEY = 'x'\nLOGGING = {'version': 1, 'disable_existing_loggers': False, 'root': {'level': 'INFO'}}\n"
    )
    loud = examined("python", "manage.py", "check", folder=tmp_path)

    assert quiet.names == ["logs-below-level"]
    assert quiet.texts["logs-below-level"].startswith(
        "views.py:3 logs at INFO, and the root logger is at WARNING"
    )
    assert "LOGGING in settings.py" in quiet.remedies["logs-below-level"]
    assert loud.names == []


def test_an_older_uwsgi_without_threads(tmp_path: Path) -> None:
    """The program here is one that says it is 2.0.26, with an interpreter beside it."""
    (tmp_path / "bin").mkdir()
    (tmp_path / "bin" / "python").symlink_to(sys.executable)
    source = tmp_path / "uwsgi.c"
    source.write_text('#include <stdio.h>\nint main(void) { puts("2.0.26"); return 0; }\n')
    uwsgi = tmp_path / "bin" / "uwsgi"
    built = subprocess.run(["cc", str(source), "-o", str(uwsgi)], capture_output=True, check=False)
    if built.returncode:
        pytest.skip("no C compiler")

    found = examined(str(uwsgi), "--http", ":8000", "--module", "shop.wsgi")

    assert "uwsgi-without-threads" in found.names
    assert "uwsgi-without-threads" not in examined(str(uwsgi), "--enable-threads").names


def of_running(folder: Path, receiver: FakeReceiver, *words: str) -> Diagnosis:
    port = free_port()
    command = [*words, "-m", "http.server", str(port), "--bind", "127.0.0.1"]
    with running(command, environ=environment(receiver.url), output=folder / "log", port=port) as app:
        return diagnose(None, "--pid", str(app.process.pid))


def test_a_running_process_is_looked_at_in_its_own_environment(tmp_path: Path) -> None:
    with fake_receiver() as receiver:
        observed = of_running(tmp_path, receiver, *TRACESTITCH, "run", sys.executable)
        bare = of_running(tmp_path, receiver, sys.executable)
        hidden = of_running(tmp_path, receiver, sys.executable, "-S")

    assert "the agent starts in it" in observed.steps[-1]
    assert "started-without-agent" not in observed.names
    assert "tracestitch run" in bare.remedies["started-without-agent"]
    assert "python-flag" in hidden.names
    assert all("acknowledged" in found.steps[0] for found in (observed, bare, hidden))


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--wait", "-1"], "--wait is -1"),
        (["--pid", "999999999"], "cannot be looked at"),
        (["--pid", "1", "--", "python"], "not both"),
        (["--no-such-flag"], "unrecognized arguments"),
    ],
)
def test_wrong_usage_is_status_2(arguments: list[str], said: str) -> None:
    done = subprocess.run(
        [*TRACESTITCH, "doctor", *arguments],
        env=environment(None),
        capture_output=True,
        text=True,
        timeout=60,
        check=False,
    )

    assert done.returncode == 2
    assert said in done.stderr
