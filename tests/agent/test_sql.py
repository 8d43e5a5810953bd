"""What is left of a statement when its data is taken out."""

import time

import pytest

from tracestitch import sql


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        (
            "select * from users where name = 'O''Brien' and age > 41.5",
            "select * from users where name = ? and age > ?",
        ),
        ("SELECT a FROM t1 WHERE c2 = %s LIMIT 21", "SELECT a FROM t1 WHERE c2 = %s LIMIT ?"),
        ("SELECT a FROM t WHERE id = %(id_1)s", "SELECT a FROM t WHERE id = %(id_1)s"),
        ("SELECT a FROM t WHERE id IN (?, ?, ?)", "SELECT a FROM t WHERE id IN (?)"),
        ("SELECT a FROM t WHERE id IN (1, 2, 3)", "SELECT a FROM t WHERE id IN (?)"),
        ("INSERT INTO t (a, b) VALUES (1, 'x'), (2, 'y')", "INSERT INTO t (a, b) VALUES (?, ?)"),
        ("SELECT a -- hunter2\nFROM t /* hunter3 */", "SELECT a FROM t"),
        (
            "SELECT a FROM t WHERE b LIKE %s ESCAPE '\\' AND c = 'x'",
            "SELECT a FROM t WHERE b LIKE %s ESCAPE ? AND c = ?",
        ),
        ("SELECT $$hunter2$$, $q$it's$q$", "SELECT ?, ?"),
        ("SELECT x'deadbeef', 0xff, 1e-5", "SELECT ?, ?, ?"),
        ("SELECT a::int, :b FROM t", "SELECT a::int, :b FROM t"),
    ],
)
def test_literals_leave_the_template_and_placeholders_stay(statement: str, expected: str) -> None:
    assert sql.template(statement) == expected


@pytest.mark.parametrize(
    "statement",
    [
        "SELECT 'a\\'b hunter2' FROM t",
        'UPDATE t SET password = "hunter2" WHERE id = 3',
        "SELECT 'never closed hunter2",
        "SELECT $a$ never closed hunter2",
        "SELECT 1 /* never closed hunter2",
    ],
)
def test_a_literal_that_dialects_read_differently_is_hidden(statement: str) -> None:
    assert "hunter2" not in sql.template(statement)


@pytest.mark.parametrize(
    ("statement", "expected"),
    [
        ('SELECT "shop_item"."id" FROM "shop_item" WHERE x = 1', ("SELECT", "shop_item")),
        ('SELECT a FROM public."x y" WHERE id = 1', ("SELECT", "public.x y")),
        ("SELECT EXTRACT(YEAR FROM b) FROM orders", ("SELECT", "orders")),
        ("SELECT COUNT(*) FROM (SELECT EXTRACT(YEAR FROM b) FROM orders) s", ("SELECT", "orders")),
        ("WITH recent AS (SELECT * FROM orders) SELECT * FROM recent", ("SELECT", "orders")),
        ("INSERT OR IGNORE INTO [orders] (a) VALUES (1)", ("INSERT", "orders")),
        ("update `orders` set a = 1", ("UPDATE", "orders")),
        ("DELETE FROM orders", ("DELETE", "orders")),
        ("CREATE TABLE IF NOT EXISTS orders (id int)", ("CREATE", "orders")),
        ("(SELECT 1 FROM a) UNION (SELECT 2 FROM b)", ("SELECT", "a")),
        ('SAVEPOINT "s1"', ("SAVEPOINT", "")),
        ("SELECT 1", ("SELECT", "")),
        ("/* nothing */", ("", "")),
    ],
)
def test_the_verb_and_first_table_are_told(statement: str, expected: tuple[str, str]) -> None:
    assert sql.operation_and_table(statement) == expected


@pytest.mark.parametrize(
    "piece", ["'", '"', "$a$", "/*", "IN (?", '= "', "VALUES (?), ", " ", "(((", "a.", "FROM ("]
)
def test_hostile_statements_are_read_in_linear_time(piece: str) -> None:
    statement = piece * 50_000
    start = time.process_time()
    sql.operation_and_table(statement)
    assert time.process_time() - start < 1.0
    assert len(sql.template(statement)) <= sql.LONGEST_TEMPLATE
