"""How a database is told, and what its errors must not tell."""

from pathlib import Path

import pytest

from tracestitch import databases
from tracestitch.scrub import scrub_text


def test_one_sqlite_file_has_one_name_however_it_is_reached(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "link.db").symlink_to(tmp_path / "shop.db")
    (tmp_path / "shop.db").touch()
    monkeypatch.chdir(tmp_path)
    names = ["shop.db", "./shop.db", str(tmp_path / "shop.db"), "file:shop.db?mode=ro", "link.db"]
    assert {databases.sqlite_file(name) for name in names} == {str((tmp_path / "shop.db").resolve())}


@pytest.mark.parametrize("name", ["", ":memory:", "file::memory:?cache=shared", "file:x?mode=memory"])
def test_a_database_in_memory_has_no_path(name: str) -> None:
    assert databases.sqlite_file(name) == ":memory:"


def test_a_port_may_be_text_or_missing() -> None:
    told = databases.database("postgresql", "shop", "db.internal", "5432")
    assert told.attributes() == {
        "db.system.name": "postgresql",
        "db.namespace": "shop",
        "server.address": "db.internal",
        "server.port": 5432,
    }
    assert databases.database("mssql", "shop", "", "").attributes() == {
        "db.system.name": "microsoft.sql_server",
        "db.namespace": "shop",
    }


@pytest.mark.parametrize(
    ("text", "kept"),
    [
        (
            "(sqlite3.IntegrityError) UNIQUE failed\n[SQL: INSERT INTO a VALUES ('hunter2', ?)]\n"
            "[parameters: ('hunter2', 'x]y')]\n(Background on this error at: https://sqlalche.me/e/20/gkpj)",
            "[SQL: INSERT INTO a VALUES (?, ?)]",
        ),
        (
            'violates unique constraint "u"\nDETAIL:  Key (email)=(hunter2) already exists.',
            "Key (email)=(REDACTED",
        ),
        ("(1062, \"Duplicate entry 'hunter2' for key 'u'\")", "Duplicate entry 'REDACTED"),
    ],
    ids=["sqlalchemy", "postgresql", "mysql"],
)
def test_values_that_database_errors_quote_do_not_leave_the_process(text: str, kept: str) -> None:
    scrubbed = scrub_text(text)
    assert "hunter2" not in scrubbed
    assert kept in scrubbed
