"""From a running app to the finding: the line is the one that its author has to change."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.support.agent import APPS, REPOSITORY, TRACESTITCH, App, environment, free_port, line_of, running
from tests.support.newer_python import newer_python
from tests.support.server import Server, eventually, serving
from tests.support.upstream import upstream

pytestmark = pytest.mark.processes
QUOTES = APPS / "flask_quotes.py"
LIBRARY = APPS / "django_library"
OFFICE = APPS / "django_office"


@pytest.fixture
def server(tmp_path: Path) -> Iterator[Server]:
    with serving(tmp_path / "data") as found:
        yield found


def finding(server: Server, check: str, app: App, path: str) -> dict[str, Any]:
    """What the check finds on the route of that path."""
    app.get(path)

    def found() -> dict[str, Any] | None:
        document = server.get("/findings.json?state=all")
        matching = [one for one in document["findings"] if one["check"] == check and path in one["operation"]]
        return matching[0] if matching else None

    return eventually(found)


@pytest.mark.parametrize("minor", ["3.12", "3.13"])
def test_a_swallowed_error_is_found_at_its_except(minor: str, server: Server, tmp_path: Path) -> None:
    python = newer_python(minor, ["flask", "requests", "sqlalchemy"])
    port = free_port()
    with upstream() as service:
        environ = environment(
            server.otlp_http,
            PORT=str(port),
            UPSTREAM_URL=service.url,
            NOBODY_URL=f"http://127.0.0.1:{free_port()}",
            PYTHONPATH=str(REPOSITORY / "instrumentation"),
        )
        command = (str(python), "-m", "tracestitch", "run", "--service", "quotes", str(python), QUOTES.name)
        with running(command, environ=environ, output=tmp_path / "log", port=port) as app:
            hidden = finding(server, "swallowed-error", app, "/hidden")
            allowed = finding(server, "swallowed-error", app, "/allowed")
    assert hidden["location"]["file"].endswith(QUOTES.name)
    assert hidden["location"]["line"] == line_of(QUOTES, "# hides it at once")
    assert (hidden["tier"], hidden["suppressed_by"]) == ("A", None)
    assert allowed["suppressed_by"] == "quotes are decoration"


def test_a_loop_that_a_template_makes_is_found_at_the_line_of_the_template(
    server: Server, tmp_path: Path
) -> None:
    port = free_port()
    environ = environment(server.otlp_http, LIBRARY_DATABASE=str(tmp_path / "library.sqlite3"))
    command = (*TRACESTITCH, "run", "--service", "library", "python", "library.py", str(port))
    with running(command, environ=environ, output=tmp_path / "log", port=port, folder=LIBRARY) as app:
        app.get("/shelf/")
        found = finding(server, "n-plus-one-db", app, "/books/")
        everything = server.get("/findings.json?state=all")["findings"]
    page = LIBRARY / "templates" / "books.html"
    assert found["location"] == {
        "file": "templates/books.html",
        "line": line_of(page, "{{ book.author.name }}"),
        "function": "template books.html",
    }
    assert 'select_related("author")' in found["fix"]["after"]
    assert [one["operation"] for one in everything if "/shelf/" in one["operation"]] == []


def test_lazy_loads_of_generic_views_and_nested_serializers_are_mended_by_the_names_in_the_models(
    server: Server, tmp_path: Path
) -> None:
    """The foreign key `plaintiff` leads to a table called `people`, and the letters' authors lie two steps away."""
    port = free_port()
    environ = environment(
        server.otlp_http, OFFICE_DATABASE=str(tmp_path / "office.sqlite3"), COURT_URL="http://127.0.0.1:9"
    )
    command = (*TRACESTITCH, "run", "--service", "office", "python", "serve.py", str(port))
    with running(command, environ=environ, output=tmp_path / "log", port=port, folder=OFFICE) as app:
        in_template = finding(server, "n-plus-one-db", app, "/cases/")
        finding(server, "n-plus-one-db", app, "/api/cases/")

        def both() -> list[dict[str, Any]] | None:
            everything = server.get("/findings.json?state=all")["findings"]
            nested = [one for one in everything if one["operation"] == "GET /api/cases/"]
            return nested if len(nested) == 2 else None

        nested = eventually(both)
    assert 'for case in Case.objects.select_related("plaintiff"):' in in_template["fix"]["after"]
    assert in_template["title"] == "N+1 queries: 20 × SELECT people, 21 queries where 1 would do"
    assert in_template["location"]["file"] == "templates/cases.html"
    fixes = " ".join(one["fix"]["after"] for one in nested)
    assert 'Case.objects.prefetch_related("letters")' in fixes
    assert 'Case.objects.prefetch_related("letters__author")' in fixes
