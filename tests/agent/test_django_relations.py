"""A lazy load of Django's tells which relation it follows and what would have spared it."""

from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.support.agent import (
    APPS,
    TRACESTITCH,
    FakeReceiver,
    SentSpan,
    environment,
    fake_receiver,
    line_of,
    run_to_end,
)

pytestmark = pytest.mark.processes
SCRIPT = APPS / "django_shelves" / "look.py"
RELATION, LOADER = "tracestitch.django.lazy_relation", "tracestitch.django.lazy_loader"


@pytest.fixture(scope="module")
def shelves(tmp_path_factory: pytest.TempPathFactory) -> Iterator[FakeReceiver]:
    database: Path = tmp_path_factory.mktemp("shelves") / "shelves.db"
    with fake_receiver() as receiver:
        command = (*TRACESTITCH, "run", "--service", "shelves", "python", SCRIPT.name)
        done = run_to_end(
            command, environ=environment(receiver.url, SHELVES_DATABASE=str(database)), folder=SCRIPT.parent
        )
        assert done.returncode == 0, done.stderr
        assert done.stderr == ""
        yield receiver


def at(shelves: FakeReceiver, comment: str) -> list[SentSpan]:
    line = line_of(SCRIPT, comment)
    return [
        span
        for span in shelves.spans
        if "db.query.text" in span.attributes and span.attributes["code.line.number"] == line
    ]


@pytest.mark.parametrize(
    ("comment", "relation", "loader"),
    [
        ("# its shelf", "shelves.Book.shelf", "select_related"),
        ("# its cover", "shelves.Book.cover", "select_related"),
        ("# its book", "shelves.Cover.book", "select_related"),
        ("# its tags", "shelves.Book.tags", "prefetch_related"),
        ("# how many tags", "shelves.Book.tags", "prefetch_related"),
        ("# one of its tags", "shelves.Book.tags", "Prefetch"),
        ("# its first tag", "shelves.Book.tags", "Prefetch"),
        ("# words about it", "shelves.Book.words", "prefetch_related"),
        ("# the books of a shelf", "shelves.Shelf.books", "prefetch_related"),
        ("# the books lent from it", "shelves.Shelf.book_set", "prefetch_related"),
        ("# what it is about", "shelves.Word.target", "prefetch_related"),
        ("# its title", "shelves.Book.title", "only"),
        ("# the books of a tag", "shelves.Tag.book_set", "prefetch_related"),
    ],
)
def test_a_lazy_load_names_its_relation_and_what_spares_it(
    shelves: FakeReceiver, comment: str, relation: str, loader: str
) -> None:
    lazy = [span for span in at(shelves, comment) if RELATION in span.attributes]
    assert [(span.attributes[RELATION], span.attributes[LOADER]) for span in lazy] == [(relation, loader)]


@pytest.mark.parametrize(
    "comment", ["# a book", "# no relation", "# spared all lookups", "# no loads either", "# by hand"]
)
def test_what_is_asked_for_a_list_or_by_hand_follows_no_relation(shelves: FakeReceiver, comment: str) -> None:
    found = at(shelves, comment)
    assert found
    assert [span.attributes[RELATION] for span in found if RELATION in span.attributes] == []


def test_each_select_of_the_orm_tells_its_model_and_one_by_hand_none(shelves: FakeReceiver) -> None:
    (book,), (by_hand,) = at(shelves, "# a book"), at(shelves, "# by hand")
    assert book.attributes["tracestitch.django.model"] == "shelves.Book"
    assert "tracestitch.django.model" not in by_hand.attributes
