"""`tracestitch doctor` on the command line."""

import argparse
import os
import sys
from collections.abc import Sequence

from tracestitch.doctor.examination import Order, examine
from tracestitch.doctor.report import as_json, as_text

_ABOUT = """\
Finds out why nothing arrives: sends an echo span and an echo log to the collector, as the agent would, and follows
them to the store. With COMMAND it also finds out whether `tracestitch run COMMAND` would carry the agent: it starts
the command's interpreter, not the command. With --service it also looks at what the store has of that service.

    tracestitch doctor
    tracestitch doctor -- python manage.py runserver
    tracestitch doctor --endpoint http://collector:4318 --service shop
"""
_EPILOG = """\
All variables that `tracestitch run` follows are followed here (see tracestitch run --help).
Exit status: 0 all is well, 1 something is wrong, 2 wrong usage. Every condition: docs/doctor.md
"""


def parser() -> argparse.ArgumentParser:
    made = argparse.ArgumentParser(
        prog="tracestitch doctor",
        description=_ABOUT,
        epilog=_EPILOG,
        formatter_class=argparse.RawDescriptionHelpFormatter,
        allow_abbrev=False,
    )
    add = made.add_argument
    add("--service", metavar="NAME", action="append", help="a service in the store; may be given twice")
    add("--environment", metavar="ENV", help="deployment environment, as for `tracestitch run`")
    add("--endpoint", metavar="URL", help="the collector, such as http://collector:4318")
    add("--server", metavar="URL", help="the dashboard, where the collector does not tell")
    add(
        "--pid", type=int, help="a running process on this machine: its command and environment are looked at"
    )
    add(
        "--wait", type=float, default=10.0, metavar="SECONDS", help="how long the store may take (default 10)"
    )
    add("--json", action="store_true", help="for programs")
    add("command", metavar="COMMAND", nargs=argparse.REMAINDER, help="what you start, with its arguments")
    return made


def doctor(arguments: Sequence[str]) -> int:
    options = parser().parse_args(arguments)
    command: list[str] = options.command[1:] if options.command[:1] == ["--"] else options.command
    environ, folder = dict(os.environ), os.getcwd()
    if options.pid is not None:
        if command:
            return _complain("give --pid or COMMAND, not both.")
        try:
            command, environ, folder = running(options.pid)
        except OSError as error:
            return _complain(f"process {options.pid} cannot be looked at: {error.strerror}.")
    flags = {"ENDPOINT": options.endpoint, "ENVIRONMENT": options.environment}
    environ.update({f"TRACESTITCH_RUN_{name}": value for name, value in flags.items() if value})
    if options.wait < 0:
        return _complain(f"--wait is {options.wait:g}; it is a number of seconds from 0 on.")
    order = Order(
        environ=environ,
        folder=folder,
        own_python=sys.executable,
        command=command,
        is_running=options.pid is not None,
        services=options.service or (),
        server=options.server,
        wait_s=options.wait,
    )
    report = examine(order)
    sys.stdout.write(as_json(report) if options.json else as_text(report))
    return report.exit_code


def running(pid: int) -> tuple[list[str], dict[str, str], str]:
    """The command, environment and folder of a process, as Linux tells them."""
    place = f"/proc/{pid}"
    with open(f"{place}/cmdline", "rb") as file:
        command = [word.decode("utf-8", "surrogateescape") for word in file.read().split(b"\0")[:-1]]
    with open(f"{place}/environ", "rb") as file:
        pairs = (pair.decode("utf-8", "surrogateescape").partition("=") for pair in file.read().split(b"\0"))
    return command, {name: value for name, equals, value in pairs if equals}, os.readlink(f"{place}/cwd")


def _complain(text: str) -> int:
    print(f"tracestitch doctor: {text}", file=sys.stderr)
    return 2
