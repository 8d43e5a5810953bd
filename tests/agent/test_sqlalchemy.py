"""SQLAlchemy in a script that was started through `tracestitch run`."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from urllib.parse import urlsplit

import pytest

from tests.support.agent import (
    APPS,
    CLIENT,
    TRACESTITCH,
    FakeReceiver,
    SentSpan,
    environment,
    fake_receiver,
    line_of,
    run_to_end,
)
from tests.support.upstream import upstream

pytestmark = pytest.mark.processes
SCRIPT = APPS / "orm_orders.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Orders:
    """What one run of the script left behind."""

    receiver: FakeReceiver
    database: Path
    script: subprocess.CompletedProcess[str]

    def at(self, comment: str) -> list[SentSpan]:
        """The statements that the line with this comment led to."""
        line = line_of(SCRIPT, comment)
        return [span for span in self.statements() if span.attributes.get("code.line.number") == line]

    def statements(self) -> list[SentSpan]:
        return [span for span in self.receiver.spans if "db.query.text" in span.attributes]

    def call(self, path: str) -> SentSpan:
        (found,) = [
            span
            for span in self.receiver.spans
            if urlsplit(str(span.attributes.get("url.full", ""))).path == path
        ]
        return found


@pytest.fixture(scope="module")
def orders(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Orders]:
    database = tmp_path_factory.mktemp("orders") / "orders.db"
    with fake_receiver() as receiver, upstream() as service:
        command = (
            *TRACESTITCH,
            "run",
            "--service",
            "orders",
            "python",
            SCRIPT.name,
            str(database),
            service.url,
        )
        script = run_to_end(command, environ=environment(receiver.url))
        assert script.returncode == 0, script.stderr
        yield Orders(receiver=receiver, database=database, script=script)


def test_a_statement_tells_its_database_table_template_and_place(orders: Orders) -> None:
    (span,) = orders.at("# begun")
    assert (span.name, span.kind, span.is_error) == ("SELECT shop_order", CLIENT, False)
    assert span.attributes["db.system.name"] == "sqlite"
    assert span.attributes["db.namespace"] == str(orders.database.resolve())
    assert span.attributes["db.query.text"] == "SELECT id FROM shop_order WHERE customer = ?"
    assert span.attributes["db.query.summary"] == "SELECT shop_order"
    assert span.attributes["db.operation.name"] == "SELECT"
    assert span.attributes["db.collection.name"] == "shop_order"
    assert span.attributes["code.file.path"] == str(SCRIPT)
    assert span.attributes["code.function.name"] == "__main__.begin"


def test_a_lazy_load_is_seen_at_the_line_that_touched_the_attribute(orders: Orders) -> None:
    (select,), loads = orders.at("# the orders"), orders.at("# their lines")
    assert select.name == "SELECT shop_order"
    assert [load.name for load in loads] == ["SELECT shop_line", "SELECT shop_line"]
    assert len({load.attributes["db.query.text"] for load in loads}) == 1
    assert {load.parent_id for load in loads} == {select.parent_id}


def test_lists_of_any_length_have_one_template(orders: Orders) -> None:
    (span,) = orders.at("# session begun")
    assert str(span.attributes["db.query.text"]).endswith("WHERE shop_line.id IN (?)")


@pytest.mark.parametrize(
    ("comment", "expected"),
    [
        ("# first write", {False, True}),  # the order itself, then its lines
        ("# second write", {True}),
        ("# the orders", {False}),
        ("# begun", {True}),
        ("# session begun", {True}),
        ("# not begun", {False}),
        ("# connection begun", {True}),
        ("# in a savepoint", {True}),
    ],
)
def test_a_transaction_is_one_that_the_user_began_or_wrote_in(
    orders: Orders, comment: str, expected: set[bool]
) -> None:
    statements = [span for span in orders.at(comment) if span.name.startswith(("SELECT", "INSERT"))]
    assert {span.attributes["tracestitch.db.in_transaction"] for span in statements} == expected


@pytest.mark.parametrize(
    ("path", "expected"),
    [("/while-writing", True), ("/after-commit", None), ("/while-reading", None), ("/while-begun", True)],
)
def test_a_call_of_another_service_tells_whether_a_transaction_waits_for_it(
    orders: Orders, path: str, expected: bool | None
) -> None:
    assert orders.call(path).attributes.get("tracestitch.db.in_transaction") is expected


def test_a_commit_tells_what_was_done_since_the_first_write(orders: Orders) -> None:
    commit = next(span for span in orders.receiver.spans if span.name == "COMMIT")
    told = commit.attributes
    assert told["code.line.number"] == line_of(SCRIPT, "# the end of the writing")
    assert told["db.namespace"] == str(orders.database.resolve())
    assert told["tracestitch.transaction.writes"] >= 3
    assert told["tracestitch.transaction.calls"] == 1
    assert told["tracestitch.transaction.open_ms"] > 0


def test_what_only_read_is_ended_without_a_span(orders: Orders) -> None:
    ends = [span for span in orders.receiver.spans if span.name in ("COMMIT", "ROLLBACK")]
    reading = {"__main__.read"}
    assert ends
    assert not [span for span in ends if span.attributes["code.function.name"] in reading]


def test_a_call_tells_how_many_writes_wait_for_it(orders: Orders) -> None:
    assert orders.call("/while-writing").attributes["tracestitch.transaction.writes"] >= 3
    assert "tracestitch.transaction.writes" not in orders.call("/after-commit").attributes


@pytest.mark.parametrize(
    ("comment", "error", "seen"),
    [
        ("# no such table", "sqlite3.OperationalError", "failed OperationalError"),
        ("# twice", "sqlite3.IntegrityError", "failed IntegrityError"),
    ],
)
def test_a_failed_statement_is_an_error_and_reaches_the_user_as_ever(
    orders: Orders, comment: str, error: str, seen: str
) -> None:
    (span,) = [span for span in orders.at(comment) if span.is_error]
    assert span.attributes["error.type"] == error
    assert seen in orders.script.stdout


def test_each_statement_is_told_once(orders: Orders) -> None:
    (insert,) = orders.at("# many")
    assert insert.attributes["db.query.text"] == "INSERT INTO shop_line (sku) VALUES (?)"


def test_statements_outside_of_any_trace_make_no_traces_of_their_own(orders: Orders) -> None:
    assert not [span for span in orders.statements() if not span.parent_id]
    assert not [span for span in orders.statements() if span.attributes["db.operation.name"] == "CREATE"]


def test_no_value_leaves_the_process(orders: Orders) -> None:
    assert "hunter2" not in repr(orders.receiver.spans)


def test_nothing_failed_inside_the_agent(orders: Orders) -> None:
    assert "tracestitch" not in orders.script.stderr
