"""sqlite3 without an ORM, in a script that was started through `tracestitch run`."""

import subprocess
from collections.abc import Iterator
from dataclasses import dataclass

import pytest

from tests.support.agent import (
    APPS,
    TRACESTITCH,
    SentSpan,
    environment,
    fake_receiver,
    line_of,
    run_to_end,
)

pytestmark = pytest.mark.processes
SCRIPT = APPS / "raw_sqlite.py"


@dataclass(frozen=True, slots=True, kw_only=True)
class Work:
    spans: list[SentSpan]
    script: subprocess.CompletedProcess[str]

    def at(self, comment: str) -> SentSpan:
        line = line_of(SCRIPT, comment)
        [found] = [span for span in self.spans if span.attributes.get("code.line.number") == line]
        return found


@pytest.fixture(scope="module")
def work(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Work]:
    file = tmp_path_factory.mktemp("items") / "items.db"
    with fake_receiver() as receiver:
        command = (*TRACESTITCH, "run", "--service", "items", "python", SCRIPT.name, str(file))
        script = run_to_end(command, environ=environment(receiver.url))
        assert script.returncode == 0, script.stderr
        assert "tracestitch" not in script.stderr
        yield Work(spans=receiver.spans, script=script)


def test_the_app_sees_its_own_classes_and_answers_as_ever(work: Work) -> None:
    assert work.script.stdout.splitlines() == [
        "OwnCursor True Connection",
        "[('hunter2',)]",
        "failed no such table: missing",
        "closed Cannot operate on a closed database.",
        "own execute",
        "(2,) True",
    ]


def test_many_rows_are_one_statement(work: Work) -> None:
    span = work.at("# two rows")
    assert (span.name, span.attributes["db.operation.batch.size"]) == ("INSERT item", 2)


def test_a_statement_is_in_a_transaction_until_the_commit(work: Work) -> None:
    assert work.at("# own cursor").attributes["tracestitch.db.in_transaction"] is True
    assert work.at("# committed").attributes["tracestitch.db.in_transaction"] is False


def test_a_statement_tells_how_long_it_would_wait_for_a_lock(work: Work) -> None:
    assert work.at("# committed").attributes["tracestitch.timeout.lock_s"] == 5.0
    assert work.at("# own connection").attributes["tracestitch.timeout.lock_s"] == 7.5


def test_a_failed_statement_is_an_error(work: Work) -> None:
    span = work.at("# fails")
    assert (span.is_error, span.attributes["error.type"]) == (True, "sqlite3.OperationalError")


def test_no_value_leaves_and_what_is_in_no_trace_makes_none(work: Work) -> None:
    assert "hunter2" not in repr(work.spans)
    assert [span.name for span in work.spans if not span.parent_id] == ["work"]
