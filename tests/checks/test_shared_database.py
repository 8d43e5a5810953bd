"""shared-database: two codebases, one table."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from tests.support.evidence import found, inventory, requests
from tests.support.traces import TraceBuilder, code
from tracestitch_collector.checks import shared_database
from tracestitch_collector.checks.finding import Location
from tracestitch_collector.model import AttributeValue

UPDATE = "UPDATE product SET price_cents=? WHERE product.id = ?"
CATALOGUE = "/data/catalogue.sqlite"


def write(
    service: str,
    *,
    statement: str = UPDATE,
    namespace: str = CATALOGUE,
    system: str = "sqlite",
    times: int = 1,
    line: int = 40,
    ignore: str = "",
    **attributes: AttributeValue,
) -> Callable[[TraceBuilder], None]:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", f"/{service}", method="POST", service=service, ms=20)
        for number in range(times):
            trace.query(
                f"write {number}",
                statement,
                service=service,
                parent="view",
                at=1 + number,
                namespace=namespace,
                system=system,
                attributes={
                    **code(service, "models.py", line, "save", ignore),
                    **{key.replace("__", "."): value for key, value in attributes.items()},
                },
            )

    return build


def test_two_services_that_write_one_table_share_a_database() -> None:
    traces = [
        *requests(3, write("inventory", times=2), word="one"),
        *requests(3, write("pricing", line=52), word="other"),
    ]
    (finding,) = found(shared_database, traces)
    assert finding.title == "pricing and inventory both write the table product in catalogue.sqlite"
    assert (finding.service, finding.operation) == ("pricing", "POST /pricing")
    assert finding.location == Location(file="models.py", line=52, function="save")
    assert (finding.affected, finding.eligible, finding.severity) == (3, 3, "important")
    assert len(finding.evidence) == 2
    details = dict(finding.details)
    assert details["written by inventory"] == "models.py:40 (6×)"
    assert details["tables"] == "product"
    assert "requests.patch" in finding.fix.after


def test_its_fingerprint_does_not_depend_on_who_writes_more_or_where_the_file_lies() -> None:
    (one,) = found(
        shared_database, [*requests(2, write("a")), *requests(1, write("b", times=2), word="other")]
    )
    elsewhere = "/other/checkout/catalogue.sqlite"
    (other,) = found(
        shared_database,
        [
            *requests(2, write("a", namespace=elsewhere)),
            *requests(9, write("b", namespace=elsewhere), word="other"),
        ],
    )
    assert one.fingerprint == other.fingerprint


def test_tables_are_told_from_the_statement_where_nobody_names_them() -> None:
    traces = [
        *requests(1, write("a", statement='INSERT INTO "public"."product" (id) VALUES (1)'), word="one"),
        *requests(1, write("b", statement="update `public`.`Product` set a = 2"), word="other"),
    ]
    (finding,) = found(shared_database, traces)
    assert "public.product" in finding.title


def test_a_web_app_and_its_worker_are_one_writer() -> None:
    traces = [*requests(3, write("web")), *requests(3, write("worker"), word="other")]
    inventories = [
        inventory("web", codebase="shop.settings"),
        inventory("worker", codebase="shop.settings"),
    ]
    assert found(shared_database, traces, inventories) == ()
    others = [inventory("web", codebase="shop.settings"), inventory("worker", codebase="other.settings")]
    assert len(found(shared_database, traces, others)) == 1


@pytest.mark.parametrize(
    ("one", "other"),
    [
        pytest.param(write("a"), write("b", statement="SELECT * FROM product"), id="one only reads"),
        pytest.param(write("a"), write("b", namespace="/data/other.sqlite"), id="two files"),
        pytest.param(
            write("a", namespace="main"), write("b", namespace="main"), id="files of unknown folders"
        ),
        pytest.param(
            write("a", statement="INSERT INTO my_cache (cache_key, value, expires) VALUES (?, ?, ?)"),
            write("b", statement="INSERT INTO my_cache (cache_key, value, expires) VALUES (?, ?, ?)"),
            id="a cache in a table",
        ),
        pytest.param(write("a", namespace=":memory:"), write("b", namespace=":memory:"), id="memory"),
        pytest.param(
            write("a", statement="UPDATE django_session SET a=1"),
            write("b", statement="UPDATE django_session SET a=1"),
            id="sessions of the framework",
        ),
        pytest.param(
            write("a", statement="INSERT INTO django_migrations VALUES (?)"),
            write("b", statement="INSERT INTO django_migrations VALUES (?)"),
            id="migrations",
        ),
        pytest.param(
            write("a"), write("b", statement="UPDATE other SET a=1"), id="different tables of one file"
        ),
        pytest.param(
            write("a", system="postgresql", namespace="shop", server__address="db1"),
            write("b", system="postgresql", namespace="shop", server__address="db2"),
            id="equal names on two servers",
        ),
    ],
)
def test_what_is_not_shared_is_left_alone(
    one: Callable[[TraceBuilder], None], other: Callable[[TraceBuilder], None]
) -> None:
    traces = [*requests(3, one, word="one"), *requests(3, other, word="other")]
    assert found(shared_database, traces) == ()


def test_outside_development_a_single_write_is_no_sharing() -> None:
    traces = [
        *requests(2, write("a"), word="one", environment="production"),
        *requests(30, write("b"), word="other", environment="production"),
    ]
    assert found(shared_database, traces) == ()


def test_a_comment_at_the_write_suppresses_it() -> None:
    traces = [
        *requests(3, write("a", times=2), word="one"),
        *requests(3, write("b", ignore="shared-database until the outbox is there"), word="other"),
    ]
    (finding,) = found(shared_database, traces)
    assert finding.suppressed_by == "until the outbox is there"
