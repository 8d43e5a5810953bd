"""Beside programs that watch each line of the app themselves: coverage.py and pdb tell the same as without the agent."""

import re
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.matrix.cell import Environment, NotInstallable
from tests.support.agent import environment, fake_receiver, run_to_end
from tests.support.apart import environ_of

pytestmark = pytest.mark.processes

MANAGE = """
import sys
from django.conf import settings
settings.configure(
    SECRET_KEY="x" * 50, ROOT_URLCONF="shop", ALLOWED_HOSTS=["*"], USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
if __name__ == "__main__":
    from django.core.management import execute_from_command_line
    execute_from_command_line(sys.argv)
"""
SHOP = """
import threading
from django.db import connection
from django.http import HttpResponse
from django.urls import path

def item(request, number):
    if number > 100:
        raise LookupError(number)
    try:
        int("x")
    except ValueError:
        pass
    with connection.cursor() as cursor:
        cursor.execute("SELECT %s", [number])
        row = cursor.fetchone()
    found = []
    thread = threading.Thread(target=lambda: found.append(row))
    thread.start()
    thread.join()
    return HttpResponse(str(found) if number else "nothing")

def parts():
    yield "one"
    yield "two"

def never(request):
    return HttpResponse(parts())

urlpatterns = [path("items/<int:number>", item), path("never", never)]
"""
CHECKS = """
from django.test import TestCase

class ItemTest(TestCase):
    def test_an_item(self):
        with self.assertNumQueries(1):
            self.assertEqual(self.client.get("/items/7").status_code, 200)

    def test_no_item(self):
        with self.assertRaises(LookupError):
            self.client.get("/items/700")

    def test_that_fails(self):
        self.assertContains(self.client.get("/items/0"), "something")
"""
# In C by `sys.settrace`, and by `sys.monitoring`, which the agent uses too.
CORES = {"ctrace": "3.11", "sysmon": "3.12"}


@pytest.fixture
def project(tmp_path: Path) -> Path:
    for name, text in {"manage.py": MANAGE, "shop.py": SHOP, "test_shop.py": CHECKS}.items():
        (tmp_path / name).write_text(text)
    return tmp_path


def python_with_coverage(minor: str) -> Path:
    packages = ("coverage==7.13.1", "django>=5.2,<6")
    try:
        return Environment(name=f"coverage-{minor}", python=minor, requirements=packages).build()
    except NotInstallable as why:
        pytest.skip(str(why))


@pytest.mark.parametrize("core", CORES)
def test_coverage_of_a_projects_tests_is_the_same(core: str, project: Path) -> None:
    python = python_with_coverage(CORES[core])

    with fake_receiver() as receiver:
        environ = environ_of(python, receiver.url, COVERAGE_CORE=core)

        def outcome(*launcher: str) -> Sequence[object]:
            done = run_to_end(
                [*launcher, str(python), "-m", "coverage", "run", "--branch", "manage.py", "test"],
                environ=environ,
                folder=project,
            )
            # An agent that lies outside of site-packages is one more folder of code to coverage.py.
            of_project = [str(python), "-m", "coverage", "report", "-m", "--include=*/*shop.py,*/manage.py"]
            report = run_to_end(of_project, environ=environ, folder=project)
            return done.returncode, done.stdout, re.sub(r"in \d+\.\d+s", "", done.stderr), report.stdout

        bare = outcome()
        observed = outcome(str(python), "-m", "tracestitch", "run")

    assert observed == bare
    assert bare[0] == 1  # one of the tests fails
    assert "shop.py" in str(bare[3])
    assert receiver.bodies != []  # the agent was there


STEPS = "b shop.py:11\nc\np number\nn\nn\nn\nn\nn\nu\nd\nc\nq\n"
CALLER = """
import manage
import django
django.setup()
from django.core.handlers.wsgi import WSGIHandler
from django.test import RequestFactory
environ = RequestFactory().get("/items/7").environ
answer = WSGIHandler()(environ, lambda status, headers: print(status))
print(b"".join(answer))
answer.close()
"""


def test_a_debugger_steps_through_a_view_as_without_the_agent(project: Path) -> None:
    (project / "caller.py").write_text(CALLER)
    with fake_receiver() as receiver:
        environ = environment(receiver.url)
        told = [
            subprocess.run(
                [*launcher, sys.executable, "-m", "pdb", "caller.py"],
                cwd=project,
                env=environ,
                input=STEPS,
                capture_output=True,
                text=True,
                timeout=60,
                check=False,
            )
            for launcher in ((), (sys.executable, "-m", "tracestitch", "run"))
        ]

    bare, observed = told
    assert observed.stdout == bare.stdout
    assert (observed.returncode, observed.stderr) == (bare.returncode, bare.stderr)
    assert "shop.py(11)item()" in bare.stdout
    assert "[(7,)]" in bare.stdout
    assert [span.name for span in receiver.server_spans()] == ["GET /items/<int:number>"]
