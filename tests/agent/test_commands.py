"""Commands of the user's own, started through `tracestitch run`: `manage.py count_items`, `flask recount`."""

from pathlib import Path

import pytest

from tests.support.agent import TRACESTITCH, SentSpan, environment, fake_receiver, line_of, run_to_end
from tests.support.agent import FakeReceiver as Receiver

pytestmark = pytest.mark.processes
COMMAND = """\
import logging, sys
from django.core.management import call_command
from django.core.management.base import BaseCommand, CommandError
from django.db import connection


class Command(BaseCommand):
    def add_arguments(self, parser):
        parser.add_argument("how")

    def handle(self, *args, **options):  # the command itself
        with connection.cursor() as cursor:
            cursor.execute("SELECT 41 + 1")  # the command's query
        logging.getLogger("reports").warning("counted")
        if options["how"] == "outer":
            call_command("report", "inner")
        if options["how"] == "fail":
            raise CommandError("no such report")
        if options["how"] == "exit":
            sys.exit(0)
"""
MANAGE = """\
import sys
from django.conf import settings

settings.configure(
    INSTALLED_APPS=["reports"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
)
if __name__ == "__main__":
    from django.core.management import execute_from_command_line

    execute_from_command_line(sys.argv)
"""
FLASK = """\
import logging
import sqlite3

import flask

app = flask.Flask(__name__)


@app.cli.command("recount")
def recount():  # the command itself
    sqlite3.connect(":memory:").execute("SELECT 41 + 1")  # the command's query
    logging.getLogger("reports").warning("counted")
"""


@pytest.fixture
def project(tmp_path: Path) -> Path:
    commands = tmp_path / "reports" / "management" / "commands"
    commands.mkdir(parents=True)
    for package in (commands, commands.parent, commands.parent.parent):
        (package / "__init__.py").write_text("")
    (commands / "report.py").write_text(COMMAND)
    (tmp_path / "manage.py").write_text(MANAGE)
    (tmp_path / "app.py").write_text(FLASK)
    return tmp_path


def run(receiver: Receiver, folder: Path, *command: str) -> int:
    environ = environment(receiver.url)
    return run_to_end((*TRACESTITCH, "run", *command), environ=environ, folder=folder).returncode


def root(receiver: Receiver) -> SentSpan:
    (found,) = [span for span in receiver.spans if not span.parent_id]
    return found


def test_a_command_of_django_is_one_trace_with_its_queries_and_log_records(project: Path) -> None:
    with fake_receiver() as receiver:
        assert run(receiver, project, "python", "manage.py", "report", "plain") == 0
        command = root(receiver)
        (query,) = [span for span in receiver.spans if span.parent_id]
        (record,) = [log for log in receiver.logs if log.scope == "reports"]
    source = project / "reports" / "management" / "commands" / "report.py"
    assert (command.name, command.is_error) == ("manage.py report", False)
    assert command.attributes["code.line.number"] == line_of(source, "# the command itself")
    assert query.parent_id == command.span_id
    assert query.attributes["code.line.number"] == line_of(source, "# the command's query")
    assert (record.trace_id, record.span_id) == (command.trace_id, command.span_id)


def test_a_command_that_another_calls_belongs_to_it(project: Path) -> None:
    with fake_receiver() as receiver:
        assert run(receiver, project, "python", "manage.py", "report", "outer") == 0
        assert [span.name for span in receiver.spans if not span.parent_id] == ["manage.py report"]
        assert len([span for span in receiver.spans if span.parent_id]) == 2


def test_a_command_that_fails_is_an_error_and_ends_as_without_the_agent(project: Path) -> None:
    with fake_receiver() as receiver:
        assert run(receiver, project, "python", "manage.py", "report", "fail") == 1
        command = root(receiver)
    assert command.is_error
    assert [event.attributes["exception.message"] for event in command.events] == ["no such report"]


def test_a_command_that_exits_with_success_is_no_error(project: Path) -> None:
    with fake_receiver() as receiver:
        assert run(receiver, project, "python", "manage.py", "report", "exit") == 0
        assert not root(receiver).is_error


def test_commands_of_libraries_are_left_alone(project: Path) -> None:
    with fake_receiver() as receiver:
        assert run(receiver, project, "python", "manage.py", "check") == 0
        assert run(receiver, project, "python", "manage.py", "migrate") == 0
        assert run(receiver, project, "flask", "routes") == 0
        assert receiver.spans == []


def test_a_command_of_flask_is_one_trace(project: Path) -> None:
    with fake_receiver() as receiver:
        assert run(receiver, project, "flask", "recount") == 0
        command = root(receiver)
        (query,) = [span for span in receiver.spans if span.parent_id]
    assert command.name == "flask recount"
    assert command.attributes["code.line.number"] == line_of(project / "app.py", "# the command itself")
    assert query.attributes["code.line.number"] == line_of(project / "app.py", "# the command's query")
