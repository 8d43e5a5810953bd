"""The agent beside an app that lives in another environment: it observes, and changes nothing there."""

import ast
import json
import shutil
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import APPS, REPOSITORY, fake_receiver, line_of, run_to_end
from tests.support.apart import environ_of, python_of

pytestmark = pytest.mark.processes

# What an app without OpenTelemetry has; with its API as old and as new as there is, one that cannot even be
# imported today, and its wire format alone, which shares the namespace and has no API in it.
ENVIRONMENTS = {
    "none": ("flask==3.1.3",),
    "wire": ("flask==3.1.3", "opentelemetry-proto==1.45.1"),
    "broken": ("flask==3.1.3", "opentelemetry-api==1.11.1"),
    "oldest": ("flask==3.1.3", "opentelemetry-api==1.16.0"),
    "old": ("flask==3.1.3", "opentelemetry-api==1.20.0"),
    "newest": ("flask==3.1.3", "opentelemetry-api==1.45.2"),
}
SEES_THE_APPS_SPANS = ("oldest", "old", "newest")

REQUEST = "import flask_stock; print(flask_stock.app.test_client().get('/stock/a').status)"

# What an app can ask about its environment.
QUESTIONS = """
import importlib, importlib.metadata, json, sys
import flask_stock
flask_stock.app.test_client().get("/stock/a")
answers = {"path": sys.path, "packages": sorted(d.name for d in importlib.metadata.distributions())}
for name in ["opentelemetry", "opentelemetry.trace", "opentelemetry.sdk", "opentelemetry.instrumentation",
             "opentelemetry.proto", "wrapt", "typing_extensions", "deprecated", "importlib_metadata", "flask"]:
    try:
        module = importlib.import_module(name)
    except ImportError as error:
        answers[name] = repr(error)
    else:
        answers[name] = [module.__file__, list(getattr(module, "__path__", ()))]
for name in ["opentelemetry-api", "opentelemetry-sdk", "wrapt", "typing-extensions", "tracestitch", "flask"]:
    try:
        answers["version of " + name] = importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError as error:
        answers["version of " + name] = repr(error)
for group in ["opentelemetry_propagator", "opentelemetry_distro", "console_scripts"]:
    answers[group] = sorted(p.name for p in importlib.metadata.entry_points(group=group))
print(json.dumps(answers))
"""


def observed(home: Path, *command: str | Path) -> list[str]:
    return ["python", str(home / "tracestitch"), "run", "--service", "stock", *map(str, command)]


def files_of(python: Path) -> list[str]:
    folder = python.parents[1]
    return sorted(str(path.relative_to(folder)) for path in folder.rglob("*") if path.suffix != ".pyc")


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_an_app_is_observed_from_beside_and_its_environment_stays_as_it_is(home: Path, name: str) -> None:
    python = python_of(f"apart-{name}", ENVIRONMENTS[name])
    before = files_of(python)

    with fake_receiver() as receiver:
        done = run_to_end(
            observed(home, "python", "-c", REQUEST),
            environ=environ_of(python, receiver.url, OTEL_PROPAGATORS="tracecontext,baggage"),
        )

    assert done.stdout == "200 OK\n", done.stderr
    assert "rror" not in done.stderr
    [span] = receiver.server_spans("stock")
    assert span.name == "GET /stock/<sku>"
    assert span.attributes["code.file.path"] == str(APPS / "flask_stock.py")
    assert [log.trace_id for log in receiver.logs if log.scope == "stock"] == [span.trace_id]
    assert files_of(python) == before


@pytest.mark.parametrize("name", ENVIRONMENTS)
def test_the_apps_imports_packages_and_metadata_answer_as_without_the_agent(home: Path, name: str) -> None:
    python = python_of(f"apart-{name}", ENVIRONMENTS[name])

    bare = run_to_end(["python", "-c", QUESTIONS], environ=environ_of(python, None))
    done = run_to_end(observed(home, "python", "-c", QUESTIONS), environ=environ_of(python, None))

    assert json.loads(done.stdout) == json.loads(bare.stdout)


@pytest.mark.parametrize("name", SEES_THE_APPS_SPANS)
def test_spans_of_the_apps_own_api_stand_in_the_requests_trace(home: Path, name: str) -> None:
    python = python_of(f"apart-{name}", ENVIRONMENTS[name])
    script = """
import flask, opentelemetry.trace as t
app = flask.Flask("own")
@app.get("/")
def root():
    with t.get_tracer("mine").start_as_current_span("by hand"):
        return "ok"
print(app.test_client().get("/").text)
"""
    with fake_receiver() as receiver:
        done = run_to_end(observed(home, "python", "-c", script), environ=environ_of(python, receiver.url))

    assert done.stdout == "ok\n", done.stderr
    [server] = receiver.server_spans()
    assert [span.name for span in receiver.children(server)] == ["by hand"]


# What an app's environment may hold under the agent's name: a folder, an empty package, one of an early version, and
# one whose dependencies are not there.
UNUSABLE = {
    "a folder": {},
    "an empty package": {"__init__.py": ""},
    "an early version": {"__init__.py": "__version__ = '0.0.1'\n", "agent.py": "def start(): pass\n"},
    "one without its dependencies": {
        "__init__.py": "__version__ = '0.1.0'\n",
        "interpreter.py": "def start():\n    from tracestitch.agent import start\n    start()\n",
        "agent.py": "import opentelemetry.no_such_module\n",
    },
}


@pytest.mark.parametrize("kind", UNUSABLE)
def test_an_agent_in_the_environment_that_does_not_load_gives_way_to_the_one_beside(
    home: Path, tmp_path: Path, kind: str
) -> None:
    python = python_of("apart-none", ENVIRONMENTS["none"])
    (tmp_path / "tracestitch").mkdir()
    for name, text in UNUSABLE[kind].items():
        (tmp_path / "tracestitch" / name).write_text(text)
    script = (
        f"{REQUEST}; import sys, tracestitch; print('opentelemetry' in sys.modules, tracestitch.__file__)"
    )

    with fake_receiver() as receiver:
        done = run_to_end(
            observed(home, "python", "-c", script),
            environ=environ_of(python, receiver.url, PYTHONPATH=str(tmp_path)),
        )

    assert done.stdout == f"200 OK\nFalse {home / 'tracestitch' / '__init__.py'}\n", done.stderr
    assert "rror" not in done.stderr
    assert len(receiver.server_spans("stock")) == 1


@pytest.mark.parametrize("minor", ["3.12", "3.13", "3.14"])
def test_an_app_of_another_python_is_observed_with_the_same_folder(home: Path, minor: str) -> None:
    python = python_of(f"apart-{minor}", ENVIRONMENTS["none"], python=minor)

    with fake_receiver() as receiver:
        done = run_to_end(observed(home, "python", "-c", REQUEST), environ=environ_of(python, receiver.url))

    assert done.stdout == "200 OK\n", done.stderr
    [span] = receiver.server_spans()
    assert span.resource["process.runtime.version"].startswith(minor)


def test_one_line_of_a_container_file_is_enough(home: Path) -> None:
    """`ENV PYTHONPATH=…/launch`: nothing is known of the command."""
    python = python_of("apart-none", ENVIRONMENTS["none"])
    with fake_receiver() as receiver:
        environ = environ_of(python, receiver.url, PYTHONPATH=str(home / "tracestitch" / "launch"))
        run_to_end(["python", "-c", REQUEST], environ=environ)

    assert len(receiver.server_spans()) == 1


def test_an_opentelemetry_that_the_app_puts_on_its_path_later_is_the_apps_alone(home: Path) -> None:
    python = python_of("apart-none", ENVIRONMENTS["none"])
    vendored = python_of("apart-newest", ENVIRONMENTS["newest"]).parents[1] / "lib/python3.11/site-packages"
    script = (
        f"import sys; sys.path.append({str(vendored)!r})\n"
        "import opentelemetry.trace as t, flask_stock\n"
        "print(t.__file__, type(t.get_tracer_provider()).__name__)\n"
        "print(flask_stock.app.test_client().get('/stock/a').status, sys.modules['opentelemetry.trace'] is t)\n"
    )
    with fake_receiver() as receiver:
        done = run_to_end(observed(home, "python", "-c", script), environ=environ_of(python, receiver.url))

    file = vendored / "opentelemetry/trace/__init__.py"
    assert done.stdout == f"{file} ProxyTracerProvider\n200 OK True\n", done.stderr
    assert len(receiver.server_spans()) == 1


VENDORING = """
import os, sys
sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), "shop", "vendor"))
import django
from django.conf import settings
settings.configure(
    ROOT_URLCONF=__name__, ALLOWED_HOSTS=["*"], SECRET_KEY="x", MIDDLEWARE=[], USE_TZ=True,
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
django.setup()
from django.db import connection
from django.http import HttpResponse
from django.test import RequestFactory
from django.core.handlers.wsgi import WSGIHandler
from django.urls import path

def root(request):
    with connection.cursor() as cursor:
        cursor.execute("SELECT 1")  # asked here
    return HttpResponse("ok")

urlpatterns = [path("", root)]
answer = WSGIHandler()(RequestFactory().get("/").environ, lambda status, headers: print(status))
print(b"".join(answer).decode(), django.VERSION[0])
answer.close()
"""


def test_an_old_framework_inside_another_package_is_observed(home: Path, tmp_path: Path) -> None:
    """Without metadata and outside site-packages: the app puts its own copy on the path."""
    python = python_of("apart-django3", ("django==3.2.25",))
    packages = python.parents[1] / "lib/python3.11/site-packages"
    (tmp_path / "shop" / "vendor").mkdir(parents=True)
    for name in ("django", "asgiref", "pytz", "sqlparse"):
        shutil.copytree(packages / name, tmp_path / "shop" / "vendor" / name)
    (tmp_path / "main.py").write_text(VENDORING)
    empty = python_of("apart-empty", ("colorama==0.4.6",))

    with fake_receiver() as receiver:
        done = run_to_end(
            observed(home, "python", "main.py"), environ=environ_of(empty, receiver.url), folder=tmp_path
        )

    assert done.stdout == "200 OK\nok 3\n", done.stderr
    [span] = receiver.server_spans()
    [query] = receiver.children(span)
    assert span.attributes["code.file.path"] == str(tmp_path / "main.py")
    assert query.attributes["code.file.path"] == str(tmp_path / "main.py")
    assert query.attributes["code.line.number"] == line_of(tmp_path / "main.py", "asked here")


def test_a_switched_off_agent_leaves_no_finder_behind(home: Path) -> None:
    python = python_of("apart-none", ENVIRONMENTS["none"])
    script = "import sys; print(len(sys.meta_path), 'tracestitch.agent' in sys.modules)"

    bare = run_to_end(["python", "-c", script], environ=environ_of(python, None))
    done = run_to_end(
        observed(home, "python", "-c", script), environ=environ_of(python, None, OTEL_SDK_DISABLED="true")
    )

    assert done.stdout == bare.stdout


def test_what_came_with_the_agent_is_no_code_of_the_users(home: Path) -> None:
    script = (
        "import opentelemetry.trace as t, sys, typing_extensions\n"
        "from tracestitch.frames import is_user_file\n"
        "print(is_user_file(t.__file__), is_user_file(typing_extensions.__file__), is_user_file('/srv/shop.py'))\n"
    )
    python = python_of("apart-empty", ("colorama==0.4.6",))

    done = run_to_end(["python", "-c", script], environ=environ_of(python, None, PYTHONPATH=str(home)))

    assert done.stdout == "False False True\n", done.stderr


def imports_inside_functions(path: Path) -> list[str]:
    functions = [
        node
        for node in ast.walk(ast.parse(path.read_text()))
        if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)
    ]
    found: list[Any] = [inner for node in functions for inner in ast.walk(node)]
    return sorted(
        {
            str(node.module)
            for node in found
            if isinstance(node, ast.ImportFrom) and str(node.module).startswith("opentelemetry")
        }
    )


def test_opentelemetry_is_imported_while_a_module_of_the_agent_is() -> None:
    """Later it is out of sight where the app has none. Its SDK is asked for only by an app that has one."""
    agent = REPOSITORY / "instrumentation" / "tracestitch"
    late = {path.name: imports_inside_functions(path) for path in agent.rglob("*.py")}

    assert {
        name: [module for module in modules if not module.startswith("opentelemetry.sdk")]
        for name, modules in late.items()
        if any(not module.startswith("opentelemetry.sdk") for module in modules)
    } == {}
