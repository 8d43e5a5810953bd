"""The fix of a lazy load is written with the relation that the agent saw, back to the list it goes with."""

from __future__ import annotations

import pytest

from tests.support.evidence import found, requests
from tests.support.traces import TraceBuilder, code
from tracestitch_collector.checks import n_plus_one_db
from tracestitch_collector.checks.finding import Finding
from tracestitch_collector.model import AttributeValue

Asked = tuple[str, str, str, str]
"""Statement, model, relation, loader."""

ORDERS = ("SELECT id FROM shop_order", "shop.Order", "", "")
CUSTOMER = ("SELECT a FROM crm_person WHERE id = %s", "crm.Customer", "shop.Order.customer", "select_related")
REGION = ("SELECT a FROM crm_area WHERE id = %s", "crm.Region", "crm.Customer.region", "select_related")
ITEMS = ("SELECT a FROM line WHERE order_id = %s", "shop.Item", "shop.Order.items", "prefetch_related")
PRODUCT = ("SELECT a FROM good WHERE id = %s", "shop.Product", "shop.Item.product", "select_related")


def findings(once: list[Asked], each: list[Asked], rows: int = 20) -> tuple[Finding, ...]:
    def build(trace: TraceBuilder) -> None:
        trace.server("view", "/orders", ms=1_000)
        for number, asked in enumerate(once + each * rows):
            statement, model, relation, loader = asked
            told: dict[str, AttributeValue] = {"tracestitch.django.model": model}
            if relation:
                told |= {
                    "tracestitch.django.lazy_relation": relation,
                    "tracestitch.django.lazy_loader": loader,
                }
            place = code("shop", "views.py", 30 + (once + each).index(asked))
            trace.query(
                f"q {number}", statement, parent="view", at=1 + 4 * number, ms=3, attributes={**place, **told}
            )

    return found(n_plus_one_db, requests(1, build))


def test_a_foreign_key_is_named_as_in_the_model_whatever_its_table_is_called() -> None:
    (finding,) = findings([ORDERS], [CUSTOMER])
    assert finding.title == "N+1 queries: 20 × SELECT crm_person, 21 queries where 1 would do"
    assert 'for order in Order.objects.select_related("customer"):' in finding.fix.after
    assert "order.customer  # views.py:31" in finding.fix.before
    assert ("relation", "shop.Order.customer") in finding.details
    assert ("asked at", "views.py:30") in finding.details


def test_a_list_that_was_not_seen_is_not_made_up() -> None:
    (finding,) = findings([("SELECT a FROM log", "ops.Log", "", "")], [CUSTOMER])
    assert finding.title == "N+1 queries: 20 × SELECT crm_person, 20 queries where 1 would do"
    assert 'Order.objects.select_related("customer")' in finding.fix.after
    assert "asked at" not in dict(finding.details)


def test_relations_of_what_was_loaded_lazily_are_followed_back_to_the_list() -> None:
    customer, region = sorted(findings([ORDERS], [CUSTOMER, REGION]), key=lambda one: one.location.line)  # type: ignore[union-attr]
    assert 'Order.objects.select_related("customer")' in customer.fix.after
    assert 'Order.objects.select_related("customer__region")' in region.fix.after
    assert "order.customer.region" in region.fix.before


def test_a_relation_beyond_rows_that_point_back_is_prefetched() -> None:
    _, product = sorted(findings([ORDERS], [ITEMS, PRODUCT]), key=lambda one: one.location.line)  # type: ignore[union-attr]
    assert 'Order.objects.prefetch_related("items__product")' in product.fix.after
    assert product.title == "N+1 queries: 20 × SELECT good, 21 queries where 2 would do"


def test_the_rows_of_one_object_are_mended_where_they_are_asked_for() -> None:
    (finding,) = findings([ORDERS, ITEMS], [PRODUCT])
    assert 'for item in order.items.select_related("product"):' in finding.fix.after


def test_one_row_that_was_looked_up_on_the_way_is_no_list() -> None:
    one = ("SELECT a FROM o WHERE id = %s", "shop.Order", "pay.Payment.order", "select_related")
    (finding,) = findings([ORDERS, one], [CUSTOMER])
    assert 'Order.objects.select_related("customer")' in finding.fix.after
    assert ("asked at", "views.py:30") in finding.details


@pytest.mark.parametrize(
    ("asked", "after"),
    [
        (ITEMS, 'prefetch_related("items")'),
        ((*ITEMS[:3], "Prefetch"), 'Prefetch("items", Item.objects.filter(…), to_attr="wanted")'),
        (
            ("SELECT COUNT(*) AS __count FROM line WHERE order_id = %s", *ITEMS[1:]),
            'Order.objects.annotate(number=Count("items"))',
        ),
        (
            ("SELECT 1 AS a FROM line WHERE order_id = %s", "shop.Item", "shop.Order.item_set", "Prefetch"),
            'annotate(number=Count("item"))',
        ),
        (("SELECT id, note FROM shop_order WHERE id = %s", "shop.Order", "shop.Order.note", "only"), "all()"),
    ],
)
def test_each_way_of_loading_rows_one_by_one_has_its_own_mend(asked: Asked, after: str) -> None:
    (finding,) = findings([ORDERS], [asked])
    assert after in finding.fix.after


def test_a_row_that_the_code_asks_for_by_its_key_is_no_relation() -> None:
    by_key: Asked = ("SELECT a FROM shop_customer WHERE id = %s", "crm.Customer", "", "")
    list_with_key: Asked = ("SELECT id, customer_id FROM shop_order", "shop.Order", "", "")
    (finding,) = findings([list_with_key], [by_key])
    assert "select_related" not in finding.fix.after
    assert "Customer.objects.filter(id__in=keys)" in finding.fix.after


def test_two_relations_to_one_table_are_two_findings() -> None:
    other: Asked = (CUSTOMER[0], CUSTOMER[1], "shop.Order.seller", "select_related")
    fixes = {finding.fix.after for finding in findings([ORDERS], [CUSTOMER, other])}
    assert len(fixes) == 2
    assert {name for name in ("customer", "seller") if any(f'("{name}")' in fix for fix in fixes)} == {
        "customer",
        "seller",
    }


def test_a_model_that_refers_to_itself_is_followed_no_further() -> None:
    parent: Asked = (
        "SELECT a FROM c WHERE id = %s",
        "shop.Category",
        "shop.Category.parent",
        "select_related",
    )
    (finding,) = findings([("SELECT a FROM c", "shop.Category", "", "")], [parent])
    assert 'Category.objects.select_related("parent")' in finding.fix.after


@pytest.mark.parametrize("relation", ["customer", ".", "shop.", ".customer"])
def test_what_names_no_relation_is_read_as_none(relation: str) -> None:
    (finding,) = findings([ORDERS], [(*CUSTOMER[:2], relation, "select_related")])
    assert "which relation it follows" in finding.fix.text


def test_a_way_of_loading_that_nobody_knows_is_read_as_none() -> None:
    (finding,) = findings([ORDERS], [(*CUSTOMER[:3], "magic")])
    assert "magic" not in finding.fix.after


def test_tags_to_choose_from_are_not_the_rows_whose_tags_are_loaded() -> None:
    """Without a known relation, as django-taggit asks: the filter of the page lists all tags first."""
    all_tags = ("SELECT id FROM core_tag", "core.Tag", "", "")
    through = "SELECT a FROM core_tag INNER JOIN core_tagged ON (core_tag.id = core_tagged.tag_id)"
    tags = (f"{through} WHERE core_tagged.object_id = %s", "core.Tag", "", "")
    (finding,) = findings([("SELECT id FROM core_feeding", "core.Feeding", "", ""), all_tags], [tags])
    assert "Tag.objects" not in finding.fix.after
    assert 'prefetch_related("tags")' in finding.fix.after
