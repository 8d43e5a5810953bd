"""The command `tracestitch`: `run` starts an app with the agent; every other subcommand belongs to the server."""

import argparse
import os
import shutil
import sys
from collections.abc import Mapping, MutableMapping
from importlib.metadata import EntryPoint, entry_points
from importlib.util import find_spec
from typing import NoReturn
from urllib.parse import urlsplit

from tracestitch import __version__

LAUNCH_FOLDER = os.path.join(os.path.dirname(os.path.abspath(__file__)), "launch")

# What `tracestitch[server]` brings; without it the code of the server is there and cannot run.
_SERVER_MODULES = ("fastapi", "uvicorn", "pyarrow", "duckdb", "jinja2")

# What marks an environment that was made for one command.
_ISOLATED = ("pipx_metadata.json", "uv-receipt.toml")

HELP = """\
Tracestitch: one request seen across Django and Flask services, with its pitfalls found.

usage: tracestitch run [--service NAME] [--environment ENV] [--endpoint URL] [--logs WAY] COMMAND…
       tracestitch doctor [-- COMMAND…]
       tracestitch serve | check | trace | traces | logs | findings | services | store …
       tracestitch elasticsearch | kibana | copy | deadletter …
       tracestitch --version

  run             starts any Python command with the agent (part of the base install)
  doctor          finds out why nothing arrives, or why a command is not observed (base install too)
  serve           starts collector and dashboard on this machine; prints their addresses when ready
  check           evaluates the pitfall checks; exits 1 on findings: the gate for CI
  trace, traces, logs, findings, services
                  the dashboard's answers in a terminal
  store           verifies the embedded store's files, says what takes the room, merges them
  elasticsearch   installs index templates in Elasticsearch
  kibana          gives Kibana data views, searches, dashboards and rules
  copy            moves telemetry from one store to the other
  deadletter      what could not be stored and why, and giving it to the store once more

`tracestitch COMMAND --help` tells the rest. All but `run` and `doctor` need: pip install 'tracestitch[server]'

In three lines:

    pip install 'tracestitch[server]'
    tracestitch serve &
    tracestitch run --service shop python manage.py runserver

Exit codes: 0 done, 1 findings or a failed check, 2 wrong usage, 78 bad configuration;
`run` ends as the command it started.
"""

RUN_HELP = """\
Starts COMMAND with the agent in it and in every Python process it starts: reloaders, workers, children.
Nothing in your code changes; the command takes this one's place, so signals and exit codes are its own.

    tracestitch run --service shop python manage.py runserver
    tracestitch run flask --app inventory run --debug
    tracestitch run gunicorn shop.wsgi -w 4
    tracestitch run celery -A shop worker
"""

RUN_EPILOG = """\
A flag wins over OTEL_* variables, these over TRACESTITCH_* variables, these over the default:

  OTEL_SERVICE_NAME, TRACESTITCH_SERVICE            the service's name; default: the Django settings package,
                                                    the Flask app or the project's folder
  TRACESTITCH_ENVIRONMENT                           deployment environment, such as staging
  OTEL_EXPORTER_OTLP_ENDPOINT, TRACESTITCH_ENDPOINT the collector; default http://127.0.0.1:4318
  OTEL_EXPORTER_OTLP_HEADERS, TRACESTITCH_TOKEN     headers; the collector's token
  OTEL_RESOURCE_ATTRIBUTES                          service.version=1.2,service.namespace=shop
  OTEL_TRACES_SAMPLER                               default: every request is recorded
  OTEL_TRACES_EXPORTER=none, OTEL_LOGS_EXPORTER=none   switches a signal off
  OTEL_PYTHON_DISABLED_INSTRUMENTATIONS             such as flask,celery
  TRACESTITCH_LOGS                                  otlp, stdout-ecs or both
  TRACESTITCH_APP_PACKAGES                          your own packages that are installed like libraries
  OTEL_SDK_DISABLED=true                            switches the agent off: nothing at all is patched

Log records are sent as your app emits them: a plain Django project leaves its root logger at WARNING, so set
LOGGING to see INFO. The app may live in another environment than this command, which changes nothing there; only
Python's -I and -E, which hide PYTHONPATH, need tracestitch installed in the app's own.
"""


def main() -> NoReturn:
    sys.exit(dispatch(sys.argv[1:]))


def dispatch(arguments: list[str]) -> int:
    if not arguments or arguments[0] in ("-h", "--help", "help"):
        print(HELP, end="")
        return 0 if arguments else 2
    name, rest = arguments[0], arguments[1:]
    if name in ("-V", "--version"):
        print(f"tracestitch {__version__}")
        return 0
    if name == "run":
        return run(rest)
    if name == "doctor":
        return doctor(rest)
    return _other(name, rest)


def doctor(arguments: list[str]) -> int:
    """Loaded only where it is asked for: `run` is to start apps fast."""
    from tracestitch.doctor.command import doctor as examine

    return examine(arguments)


def _other(name: str, rest: list[str]) -> int:
    points: Mapping[str, EntryPoint] = {
        point.name: point for point in entry_points(group="tracestitch.commands")
    }
    point = points.get(name)
    if point is None:
        known = ", ".join(["run", "doctor", *sorted(points)])
        return _complain(f"there is no command {name!r}; there are: {known}. See tracestitch --help.")
    missing = [module for module in _SERVER_MODULES if find_spec(module) is None]
    if point.value.startswith("tracestitch_") and missing:
        return _complain(
            f"{name} needs the server's packages, and {', '.join(missing)} cannot be found. "
            "Install them: pip install 'tracestitch[server]'"
        )
    try:
        command = point.load()
    except ImportError as error:
        return _complain(f"{name} could not be loaded: {error}. Try: pip install 'tracestitch[server]'")
    code = command(rest)
    return code if isinstance(code, int) else 0


def run(arguments: list[str]) -> int:
    """Becomes the command; comes back only when it cannot."""
    options = _run_parser().parse_args(arguments)
    command: list[str] = options.command[1:] if options.command[:1] == ["--"] else options.command
    if not command:
        return _complain("which command shall run? For example: tracestitch run python manage.py runserver")
    if command[0].endswith(".py") and not os.access(command[0], os.X_OK):
        command = [the_apps_python(os.environ, sys.executable), *command]
    program = shutil.which(command[0])
    if program is None:
        return _complain(f"the command {command[0]!r} was not found on PATH.", code=127)
    environ = dict(os.environ)
    prepare(environ, options.service, options.environment, options.endpoint, os.getcwd())
    if options.logs:
        environ["TRACESTITCH_LOGS"] = options.logs
    problem = endpoint_problem(environ)
    if problem:  # the app matters more than its telemetry: it runs
        print(f"tracestitch: {problem}", file=sys.stderr, flush=True)
    sys.stdout.flush()
    return os.execve(program, command, environ)  # noqa: S606 - the point of this command


def the_apps_python(environ: Mapping[str, str], own: str) -> str:
    """The interpreter for a script: this one, unless `pipx` or `uv tool` keep it for this command alone."""
    active = os.path.join(environ.get("VIRTUAL_ENV") or os.devnull, "bin", "python")
    if os.access(active, os.X_OK):
        return active
    environment = os.path.dirname(os.path.dirname(own))
    if not any(os.path.exists(os.path.join(environment, name)) for name in _ISOLATED):
        return own
    path = environ.get("PATH")
    return shutil.which("python", path=path) or shutil.which("python3", path=path) or own


def endpoint_problem(environ: Mapping[str, str]) -> str:
    """Why nothing could ever be sent, in words; empty when it can."""
    for name in ("TRACESTITCH_RUN_ENDPOINT", "OTEL_EXPORTER_OTLP_ENDPOINT", "TRACESTITCH_ENDPOINT"):
        endpoint = environ.get(name, "")
        if endpoint:
            break
    else:
        return ""
    try:
        parts = urlsplit(endpoint)
        is_usable = parts.scheme in ("http", "https") and bool(parts.hostname) and parts.port != 0
    except ValueError:
        is_usable = False
    if is_usable:
        return ""
    shown = endpoint.rpartition("@")[2][:200]  # credentials are for nobody's eyes
    return (
        f"the endpoint {shown!r} is no http:// or https:// address, so nothing will be sent; "
        "one looks like http://127.0.0.1:4318. The app runs all the same."
    )


def prepare(
    environ: MutableMapping[str, str],
    service: str | None,
    environment: str | None,
    endpoint: str | None,
    working_folder: str,
) -> None:
    """Changes the environment so that Python processes started with it carry the agent."""
    before = [
        path for path in environ.get("PYTHONPATH", "").split(os.pathsep) if path and path != LAUNCH_FOLDER
    ]
    environ["PYTHONPATH"] = os.pathsep.join([LAUNCH_FOLDER, *before])
    environ["TRACESTITCH_APP_ROOT"] = working_folder
    # Where PYTHONPATH is not looked at, as under -I, or is replaced on the way, `tracestitch.pth` starts the agent.
    environ.setdefault("TRACESTITCH_ENABLED", "1")
    flags = {"SERVICE": service, "ENDPOINT": endpoint, "ENVIRONMENT": environment}
    environ.update({f"TRACESTITCH_RUN_{name}": value for name, value in flags.items() if value})


def _run_parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="tracestitch run",
        description=RUN_HELP,
        epilog=RUN_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    parser.add_argument("--service", metavar="NAME", help="the name of this service, such as storefront")
    parser.add_argument("--environment", metavar="ENV", help="deployment environment, such as production")
    parser.add_argument("--endpoint", metavar="URL", help="the collector, such as http://collector:4318")
    parser.add_argument(
        "--logs",
        choices=("otlp", "stdout-ecs", "both"),
        metavar="WAY",
        help="where log records go: otlp (to the collector), stdout-ecs (lines of ECS JSON for Filebeat), both",
    )
    parser.add_argument(
        "command", metavar="COMMAND", nargs=argparse.REMAINDER, help="what to start, with its arguments"
    )
    return parser


def _complain(text: str, code: int = 2) -> int:
    print(f"tracestitch: {text}", file=sys.stderr)
    return code
