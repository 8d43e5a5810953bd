"""The cells of commands that end by themselves: they do what they do without the agent, and are seen."""

import re
import shutil
import subprocess
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path

from tests.matrix.cell import DEVELOPMENT, Cell, Place
from tests.matrix.serving import DJANGO, database
from tests.support.agent import line_of
from tests.support.server import eventually


def both(place: Place, *command: str) -> subprocess.CompletedProcess[str]:
    """With the agent; without it everything is the same, but for how long it took."""
    project = place.folder / "project"  # away from the settings of this repository
    shutil.copytree(DJANGO.folder, project, ignore=shutil.ignore_patterns("__pycache__"))
    environ = place.environ(SHOP_DATABASE=str(database(place.folder / "db.sqlite3")))
    bare, observed = _ended(command, project, environ), _ended(place.observed(*command), project, environ)
    assert (bare.returncode, plain(bare.stdout), plain(bare.stderr)) == (
        observed.returncode,
        plain(observed.stdout),
        plain(observed.stderr),
    )
    return observed


def _ended(
    command: Sequence[str], folder: Path, environ: Mapping[str, str]
) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        command, cwd=folder, env=environ, capture_output=True, text=True, timeout=120, check=False
    )


def plain(text: str) -> str:
    """Without durations and addresses of objects."""
    return re.sub(r"\d+\.\d+ ?s|0x[0-9a-f]+", "…", text)


def manage(place: Place) -> None:
    """One span of the command, beneath it its query with the line; its log records are in the trace."""
    done = both(place, "python", "manage.py", "count_items")
    assert (done.returncode, done.stdout) == (0, "1 items\n")
    records = eventually(lambda: place.readings.logs(place.service))
    assert [record.body for record in records] == ["there are 1"]
    command, query = sorted(place.readings.spans(place.service), key=lambda span: span.parent_span_id)
    assert (command.name, command.parent_span_id) == ("manage.py count_items", "")
    assert (query.parent_span_id, records[0].trace_id) == (command.span_id, command.trace_id)
    source = DJANGO.folder / "shop" / "management" / "commands" / "count_items.py"
    assert query.attributes["code.line.number"] == line_of(source, "# the command's query")


def manage_check(place: Place) -> None:
    assert both(place, "python", "manage.py", "check", "--deploy").returncode == 0


def manage_that_fails(place: Place) -> None:
    assert both(place, "python", "manage.py", "no_such_command").returncode == 1


def pytest_of_a_project(place: Place) -> None:
    """Their outcomes are the same, of those that pass, fail, are expected to fail and are skipped."""
    command = ("python", "-m", "pytest", "-rA", "-p", "no:cacheprovider", "shop_checks.py")
    done = both(place, *command)
    assert done.returncode == 1
    assert "1 failed, 8 passed, 1 skipped, 1 xfailed" in done.stdout, done.stdout[-900:]


def command(name: str, run: Callable[[Place], None], *, quick: bool = False) -> Cell:
    return Cell(group="commands", name=name, environment=DEVELOPMENT, run=run, quick=quick)


CELLS: tuple[Cell, ...] = (
    command("manage.py COMMAND", manage, quick=True),
    command("manage.py check --deploy", manage_check),
    command("manage.py, unknown command", manage_that_fails),
    command("pytest of a user's project", pytest_of_a_project, quick=True),
)
