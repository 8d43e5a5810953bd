"""What the fix of a loop proposes, by what the two statements show."""

from __future__ import annotations

import pytest

from tests.support.traces import TraceBuilder
from tracestitch_collector.checks.finding import Fix
from tracestitch_collector.checks.framework import Orm
from tracestitch_collector.checks.relation import fix_for, source_of

ORDERS = 'SELECT "shop_order"."id", "shop_order"."customer_id", "shop_order"."seller_id" FROM "shop_order"'


def fix(repeated: str, source: str | None = ORDERS, orm: Orm = "django") -> Fix:
    trace = TraceBuilder()
    before = trace.query("list", source) if source is not None else None
    return fix_for(trace.query("row", repeated), before, None, orm)


def test_a_foreign_key_is_joined_by_its_name_in_the_list() -> None:
    assert 'select_related("customer")' in fix("SELECT * FROM shop_customer WHERE id = ? LIMIT ?").after


def test_a_foreign_key_with_another_name_than_its_table_is_found_where_it_is_the_only_one() -> None:
    after = fix("SELECT * FROM auth_user WHERE id = %s", "SELECT id, author_id FROM blog_post").after
    assert 'Post.objects.select_related("author")' in after


def test_rows_that_point_back_are_prefetched() -> None:
    after = fix('SELECT * FROM "shop_line" WHERE "shop_line"."order_id" = %s').after
    assert 'prefetch_related("line_set")' in after


def test_some_of_the_rows_that_point_back_are_prefetched_with_their_filter() -> None:
    after = fix("SELECT * FROM shop_line WHERE order_id = %s AND open = %s ORDER BY id LIMIT 1").after
    assert 'Prefetch("line_set", Line.objects.filter(…), to_attr="wanted")' in after


def test_rows_beyond_a_table_in_between_are_prefetched() -> None:
    statement = (
        "SELECT t.id FROM core_tag t INNER JOIN core_order_tags ON (t.id = core_order_tags.tag_id) "
        "WHERE core_order_tags.order_id = %s"
    )
    assert 'prefetch_related("tags")' in fix(statement).after


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT COUNT(*) AS __count FROM shop_line WHERE order_id = %s",
        "SELECT 1 AS a FROM shop_line WHERE shop_line.order_id = %s LIMIT 1",
    ],
)
def test_what_is_only_counted_is_brought_by_the_list(statement: str) -> None:
    assert "annotate(" in fix(statement).after


@pytest.mark.parametrize(
    ("repeated", "source"),
    [
        pytest.param("SELECT * FROM config WHERE name = %s", ORDERS, id="a lookup by name"),
        pytest.param("SELECT * FROM shop_customer WHERE id = %s", "SELECT a FROM b", id="no key in the list"),
        pytest.param("SELECT * FROM shop_customer WHERE id = %s", None, id="no list"),
        pytest.param("SELECT COUNT(*) FROM shop_line", ORDERS, id="the same figure each time"),
    ],
)
def test_where_no_relation_is_seen_none_is_made_up(repeated: str, source: str | None) -> None:
    for orm in ("django", "sqlalchemy"):
        found = fix(repeated, source, orm)
        assert "which relation it follows, the statements do not show" in found.text
        assert not {"select_related", "prefetch_related", "joinedload", "selectinload"} & set(
            found.after.replace("(", " ").replace(".", " ").split()
        )


def test_a_lazy_relationship_of_sqlalchemy_is_loaded_with_the_list() -> None:
    many = fix("SELECT a FROM tag, link WHERE ? = link.order_id AND tag.id = link.tag_id", orm="sqlalchemy")
    assert "selectinload(Order.tags)" in many.after
    one = fix("SELECT customer.id FROM customer WHERE customer.id = ?", orm="sqlalchemy")
    assert "joinedload(Order.customer)" in one.after


def test_labels_of_sqlalchemy_are_no_foreign_keys() -> None:
    source = "SELECT orders.id AS orders_id, orders.name AS orders_name FROM orders"
    assert "do not show" in fix("SELECT a FROM customer WHERE id = ?", source, "sqlalchemy").text


def source(repeated: str, *before: str) -> str:
    trace = TraceBuilder()
    found = source_of(
        trace.query("row", repeated), [trace.query(f"q {n}", text) for n, text in enumerate(before)]
    )
    return found.text("db.query.text") if found else ""


def test_the_list_is_the_query_that_the_relation_leads_to_or_from_and_else_the_latest_of_another_table() -> (
    None
):
    children, choices = "SELECT id, child_id FROM core_change", "SELECT id FROM core_child"
    assert source("SELECT a FROM core_child WHERE id = ?", children, choices) == children
    assert source("SELECT a FROM core_note WHERE child_id = ?", choices, children) == choices
    assert source("SELECT a FROM core_tag WHERE x = ?", children, "SELECT id FROM core_tag") == children
    assert source("SELECT a FROM core_tag WHERE x = ?") == ""


def test_a_list_that_does_not_fit_lends_its_name_to_nothing() -> None:
    after = fix(
        "SELECT a FROM tag INNER JOIN tagged ON (tag.id = tagged.tag_id) WHERE tagged.object_id = %s",
        "SELECT id FROM core_child",
    ).after
    assert 'Model.objects.prefetch_related("tags")' in after
